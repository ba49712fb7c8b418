// Ties the conversation to the document.

import { Conversation } from './conversation.js';
import { Panel } from './panel.js';
import { Transcript, clockTime, formatBytes } from './transcript.js';

const LATE = 2000;      // How long what was said may be on its way before the page says so.
const SHOWN = 60;       // Letters of it in a notice.
const $ = id => document.getElementById(id);
const narrow = matchMedia('(max-width: 60rem)');
const secure = location.protocol === 'https:';
const base = `${secure ? 'wss' : 'ws'}://${location.host}`;
const address = new URL('talk', location.href);
address.protocol = secure ? 'wss:' : 'ws:';
address.search = '';
address.hash = '';

const conversation = new Conversation(address.href);
const transcript = new Transcript($('script'), $('empty'), $('newer'));
const panel = new Panel();
const people = new Map();
const sending = new Map();
const unheard = new Map();   // What was said here and has not come back yet, by its ref: { text, at }.

let own = 0;
let formerly = 0;
let talk = '';
let lastSeq = -1;    // The highest number of this talk that came; -1 before the first.
let limits = { text: 4000, name: 32, file: 1048576 };
let lostAt = 0;
let nextRef = 1;
let firstRef = 1;    // Of this connection.
let ready = false;   // The connection is open and the server has said what it takes.
let noticed = '';    // What the notice is about, where it ends by itself: 'kept' or 'late'.

conversation.name = sessionStorage.getItem('name') ?? '';
$('url').textContent = address.href;

// How the tool is called where the server was started from stands in the document.
const command = $('empty-command').textContent.replace(/\bws:.*/, base);
$('empty-command').textContent = command;
$('join-terminal').textContent = command;
$('join-console').textContent = `ws = new WebSocket('${base}')\nws.onmessage = e => console.log(e.data)\nws.onopen = () => ws.send('hello everyone')`;

conversation.addEventListener('state', () => {
  panel.showState(conversation);
  showReady(ready && conversation.isOpen);
});

conversation.addEventListener('close', ({ detail }) => {
  people.clear();
  panel.showPeople(people, own);
  for (const [, file] of sending) transcript.note(`${file.name} may not have arrived: the connection closed while it was being sent`, Date.now(), 'warning');
  sending.clear();
  showProgress();
  if (!lostAt) {
    lostAt = Date.now();
    const why = [detail.code, detail.reason].filter(Boolean).join(' ');
    transcript.note(`Connection closed (${why}${detail.wasClean ? '' : ', not clean'})`, lostAt, 'warning');
    announce('Connection closed');
  }
  showLost();
});

conversation.addEventListener('roundtrip', ({ detail }) => panel.addRoundTrip(detail.ms));

conversation.addEventListener('talk', ({ detail: event }) => {
  switch (event.type) {
    case 'welcome': return onWelcome(event);
    case 'said':
      noteMissing(event.seq);
      if (event.from.id === (event.past ? formerly : own)) forgetUnheard(event.text);
      if (transcript.isNew(talk, event.seq)) transcript.said(event, isOwn(event));
      return;
    case 'file': return onFile(event);
    case 'joined':
      people.set(event.who.id, event.who);
      panel.showPeople(people, own);
      transcript.note(`${event.who.name} joined from a ${event.who.kind}`, event.time);
      return;
    case 'left':
      people.delete(event.who.id);
      panel.showPeople(people, own);
      transcript.note(`${event.who.name} left`, event.time);
      return;
    case 'named':
      people.set(event.who.id, event.who);
      panel.showPeople(people, own);
      if (event.who.id === own && document.activeElement !== $('name')) $('name').value = event.who.name;
      transcript.note(`${event.before} is now ${event.who.name}`, event.time);
      return;
    case 'clock':
      if (formerly) noteUnheard();

      // The history has been told. That nothing was in it is known, too: the first number is 1.
      lastSeq = Math.max(lastSeq, 0);
      $('clock').textContent = clockTime(event.time);
      $('clock').dateTime = new Date(event.time).toISOString();
      $('beat').classList.toggle('on');
      return;
    case 'error':
      showNotice(event.message);
      if (unheard.has(event.ref)) {
        const { text } = unheard.get(event.ref);
        unheard.delete(event.ref);

        // Something else is being written there.
        if ($('say').value) transcript.note(`“${text}” was answered with an error: ${event.message}`, Date.now(), 'warning');
        else $('say').value = text;
        fitTextarea();
      }
      if (event.ref) {
        sending.delete(event.ref);
        showProgress();
      }
  }
});

function showReady(value) {
  ready = value;
  $('send').disabled = !ready;
  $('attach').disabled = !ready;
}

function forgetUnheard(text) {
  for (const [ref, said] of unheard) {
    if (said.text === text) {
      unheard.delete(ref);
      return;
    }
  }
}

// The history has been told again: what is not in it got lost with the connection, or never came to it. Where it may have been in a history before, that is not known.
function noteUnheard() {
  formerly = 0;
  for (const [ref, { text, at }] of unheard) {
    if (ref >= firstRef) continue;
    transcript.note(at === Infinity ? `“${text}” may have been passed on or not` : `“${text}” was not passed on: the connection closed while it was being sent`, Date.now(), 'warning');
    unheard.delete(ref);
  }
}

// Numbers grow by one. What lies between was dropped on its way, or was said while this page was away and is not kept any more.
function noteMissing(seq) {
  const missing = lastSeq < 0 ? 0 : seq - lastSeq - 1;
  if (missing > 0) {
    transcript.note(`${missing === 1 ? 'One message' : `${missing} messages`} did not reach this page and ${missing === 1 ? 'is' : 'are'} missing here`, Date.now(), 'warning');

    // One of them may be what was said here: whether it was passed on is not known any more.
    for (const said of unheard.values()) said.at = Infinity;
  }
  lastSeq = Math.max(lastSeq, seq);
}

function onWelcome(event) {
  const beganAnew = talk !== '' && talk !== event.talk;
  formerly = own;
  firstRef = nextRef;
  own = event.you.id;
  talk = event.talk;
  limits = event.limits;
  people.clear();
  for (const person of event.people) people.set(person.id, person);
  panel.showPeople(people, own);
  $('name').value = event.you.name;
  $('say').maxLength = limits.text;
  $('name').maxLength = limits.name;
  $('lost').hidden = true;
  showReady(true);
  if (lostAt) {
    const seconds = Math.max(1, Math.round((Date.now() - lostAt) / 1000));
    transcript.note(`Connected again after ${seconds} s`, Date.now(), 'good');
    announce('Connected again');
    lostAt = 0;
  }
  if (beganAnew) {
    lastSeq = -1;

    // What the server before this one passed on stands in no history any more.
    for (const said of unheard.values()) said.at = Infinity;
    transcript.note('The talk began anew: what was said before is on this page only, and what others may have said meanwhile is lost', Date.now(), 'warning');
  }
  if (noticed === 'kept') showNotice($('say').value ? 'Connected again: your message is still here, and not sent yet.' : '', 'kept');
}

function onFile(event) {
  noteMissing(event.seq);
  let blob = event.bytes ? new Blob([event.bytes]) : null;
  if (event.ref && sending.has(event.ref)) {
    blob = sending.get(event.ref);
    sending.delete(event.ref);
    showProgress();
  }
  if (transcript.isNew(talk, event.seq)) transcript.file(event, blob, isOwn(event));
}

// What the history tells of oneself was said under an id of an earlier connection: only this one's count as own.
function isOwn(event) { return !event.past && event.from.id === own; }

$('composer').addEventListener('submit', event => {
  event.preventDefault();
  const text = $('say').value.trim();
  if (!text) return;
  if (ready && conversation.say(text, nextRef)) {
    unheard.set(nextRef++, { text, at: performance.now() });
    $('say').value = '';
    fitTextarea();
    showNotice('');
    transcript.toEnd();
  } else {
    showNotice('Not connected: your message is still here, send it when the connection is open.', 'kept');
  }
});

$('say').addEventListener('keydown', event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $('composer').requestSubmit();
  }
});
$('say').addEventListener('input', () => {
  fitTextarea();
  if (noticed === 'kept' && !$('say').value) showNotice('');
});

$('name').addEventListener('keydown', event => {
  if (event.key === 'Enter') {
    event.preventDefault();
    $('say').focus();
  }
});
$('name').addEventListener('change', () => {
  const name = $('name').value.trim();
  if (!name) {
    $('name').value = people.get(own)?.name ?? '';
    return;
  }
  sessionStorage.setItem('name', name);
  conversation.rename(name);
});

$('attach').addEventListener('click', () => $('file').click());
$('file').addEventListener('change', () => {
  for (const file of $('file').files) sendFile(file);
  $('file').value = '';
  $('say').focus();
});
addEventListener('paste', event => {
  if (event.clipboardData?.files.length) {
    event.preventDefault();
    for (const file of event.clipboardData.files) sendFile(file);
  }
});
addEventListener('dragover', event => {
  event.preventDefault();
  document.body.classList.add('dropping');
});
addEventListener('dragleave', event => { if (!event.relatedTarget) document.body.classList.remove('dropping'); });
addEventListener('drop', event => {
  event.preventDefault();
  document.body.classList.remove('dropping');
  for (const file of event.dataTransfer?.files ?? []) sendFile(file);
});

function sendFile(file) {
  if (ready && file.size > limits.file) {
    showNotice(`${file.name} has ${formatBytes(file.size)}; the server takes files of up to ${formatBytes(limits.file)} (serve --max-message-size).`);
    return;
  }
  const ref = nextRef++;
  if (ready && conversation.sendFile(file, ref)) {
    sending.set(ref, file);
    showNotice('');
    showProgress();
  } else {
    showNotice(`${file.name} was not sent: there was no connection. Choose it again when there is one.`);
  }
}

function showProgress() {
  const total = [...sending.values()].reduce((sum, file) => sum + file.size, 0);
  $('progress').hidden = !sending.size;
  if (!sending.size) return;
  const left = Math.min(conversation.bufferedAmount, total);
  $('progress-bar').value = total ? (total - left) / total : 1;
  $('progress-text').textContent = `Sending ${[...sending.values()].map(file => file.name).join(', ')}, ${formatBytes(total - left)} of ${formatBytes(total)}`;
}

function showLost() {
  if (conversation.readyState !== 3) return;
  $('lost').hidden = false;
  const wait = conversation.retryIn;
  $('lost-next').textContent = wait !== null ? `Trying again in ${Math.ceil(wait / 1000)} s.` : conversation.wanted ? '' : 'It stays so until you connect.';
}

function showNotice(text, about = '') {
  noticed = text && about;
  if ($('notice').textContent !== text) {
    $('notice').textContent = text;

    // What is inert is not read out.
    if (text && document.querySelector('.talk').inert) announce(text);
  }
  $('notice').hidden = !text;
}

// A notice of something else stands.
function showLate() {
  if (noticed !== 'late' && !$('notice').hidden) return;
  const late = ready ? [...unheard.values()].filter(said => performance.now() - said.at > LATE) : [];
  const [first] = late;
  showNotice(!first ? '' : late.length > 1 ? `Not passed on yet: ${late.length} messages` : `Not passed on yet: “${first.text.length > SHOWN ? `${first.text.slice(0, SHOWN)}…` : first.text}”`, 'late');
}

function announce(text) { $('announce').textContent = text; }

function fitTextarea() {
  const area = $('say');
  area.style.height = 'auto';
  area.style.height = `${Math.min(area.scrollHeight + 2, 160)}px`;
}

$('retry').addEventListener('click', () => conversation.retryNow());
$('toggle-connection').addEventListener('click', () => {
  if (conversation.isOpen) conversation.close();
  else conversation.retryNow();
});
$('panel-toggle').addEventListener('click', () => {
  const open = document.body.classList.toggle('panel-open');
  $('panel-toggle').setAttribute('aria-expanded', String(open));
  cover();
});
narrow.addEventListener('change', cover);

// The keyboard does not go where the panel lies on top.
function cover() { document.querySelector('.talk').inert = narrow.matches && document.body.classList.contains('panel-open'); }

addEventListener('keydown', event => {
  if (event.key === 'Escape' && document.body.classList.contains('panel-open')) {
    $('panel-toggle').click();
    $('panel-toggle').focus();
  }
});

setInterval(() => {
  panel.showTraffic(conversation);
  showLost();
  showLate();
  showProgress();
}, 250);
setInterval(() => panel.showStrip(conversation), 1000);

conversation.open();
if (matchMedia('(min-width: 60rem)').matches) $('say').focus();
