// Ties the four ways to the document: one topic, one clock.

import { EventStream, LongPolling, Polling, Socket, ask, measureHead, pause } from './ways.js';
import { Strip, showNews } from './strips.js';

const TOPIC = 'three-ways';
const KEPT = 12_000;
const SHOWN = 5;
const TRIES = 20;
const WAITING = 40;
const PATIENCE = 5000;   // How long the first message waits for ways that are not there yet.
const PUBLISHING = 10_000;   // How long the server may try, beyond what an answer takes: as long as its store may be away.
const BACK = 5000;       // How long a pane says that it is back.
const $ = id => document.getElementById(id);
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const decimal = new Intl.NumberFormat('en');
const ordinals = new Intl.PluralRules('en', { type: 'ordinal' });

const me = crypto.getRandomValues(new Uint32Array(2)).join('-');
const published = new Map();   // When each message was published, by the clock of this page.
const panes = [];
let count = 0;
let timer = 0;
let waiting = 0;
let sent = Promise.resolve();   // The end of the last publish.

const descriptions = [
  ['AJAX polling', 'Asks again and again: is there news?', 'a line is a question'],
  ['Long polling', 'Asks once. The server answers when there is news; then it asks again.', 'a bar is a question that is held'],
  ['Server-sent events', 'Asks once. The answer never ends, and each message is a line of it.', 'the bar is one endless answer'],
  ['WebSocket', 'Opens one connection. From then on either side speaks when it likes.', 'the bar is one connection'],
];

function addPane(index, make) {
  const [title, how, key] = descriptions[index];
  const pane = $('pane').content.cloneNode(true).firstElementChild;
  pane.dataset.way = index;
  pane.id = `way-${index}`;
  pane.querySelector('h2').textContent = title;
  pane.querySelector('.how').textContent = how;
  pane.querySelector('.key').textContent = key;
  $('panes').append(pane);
  const way = make(message => arrived(index, message));
  const strip = new Strip(pane.querySelector('.strip'), title, index > 1);
  panes.push({ pane, way, strip, arrivals: [], messages: 0, cell: name => pane.querySelector(`[data-count="${name}"]`) });
  return pane;
}

// The first way that hears of a message that somebody else published says when that was, as well as this page can know.
function arrived(index, { data }) {
  if (typeof data !== 'object' || data === null || typeof data.text !== 'string') return;
  const now = performance.now();
  const key = `${data.from}/${data.number}`;
  if (!published.has(key)) published.set(key, now);
  const since = published.get(key);
  const delay = Math.max(0, now - since);
  const own = panes[index];
  own.messages++;
  own.arrivals.push({ at: now, since });
  own.pane.querySelector('.delay output').textContent = formatDelay(delay);
  const line = document.createElement('li');
  const text = document.createElement('span');
  const late = document.createElement('b');
  text.textContent = data.text;
  late.textContent = formatDelay(delay);
  line.append(text, late);
  const list = own.pane.querySelector('.messages');
  list.prepend(line);
  while (list.children.length > SHOWN) list.lastElementChild.remove();
}

async function publish() {
  if (waiting === WAITING) {
    $('last').textContent = `Not published: ${WAITING} others wait for the server.`;
    return;
  }

  const number = ++count;
  const text = `Message ${number} of ${new Date().toLocaleTimeString('en-GB')}`;
  published.set(`${me}/${number}`, performance.now());
  $('last').textContent = `“${text}”`;
  // One behind the other: two that are under way together go to two nodes, and come in any order.
  waiting++;
  const posted = sent.then(() => post(JSON.stringify({ from: me, number, text }), `${me}-${number}`));
  sent = posted.catch(() => {});
  try {
    await posted;
  } catch (error) {
    published.delete(`${me}/${number}`);
    $('last').textContent = `${error.isUnknown ? `“${text}” may have been published or not` : 'Not published'}: ${error.message}`;
  } finally {
    waiting--;
  }
}

// Whoever answers next time knows by the key whether the topic has it already.
async function post(body, key) {
  for (let tries = 1, isUnknown = false; ; tries++) {
    try {
      await ask(`topics/${TOPIC}`, { method: 'POST', headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key }, body }, PUBLISHING);
      return;
    } catch (error) {
      const isFinal = error.status < 500;
      if (isFinal || tries === TRIES) throw Object.assign(error, { isUnknown: isUnknown || !isFinal });

      // It may have come to the topic, and the answer not back.
      isUnknown = true;
    }

    await pause(500);
  }
}

function setRate() {
  clearInterval(timer);
  const every = Number($('rate').value);
  // Nobody looks at a hidden page: it publishes nothing.
  if (every > 0) timer = setInterval(() => { if (!document.hidden) publish(); }, every);
}

function draw() {
  const now = performance.now();
  for (const [key, at] of published) {
    if (now - at > 2 * KEPT + 60_000) published.delete(key);
  }
  const times = [...published.values()].filter(at => now - at < KEPT);
  showNews($('news'), times, now, KEPT);
  for (const { pane, way, strip, arrivals, messages, cell } of panes) {
    while (arrivals.length && now - arrivals[0].at > KEPT) arrivals.shift();
    way.forget(now - KEPT);
    strip.draw(way.asked, arrivals, times, now, KEPT);
    set(cell('requests'), decimal.format(way.requests));
    set(cell('empty'), decimal.format(way.empty));
    set(cell('bytes'), formatBytes(way.bytes));
    set(cell('open'), way.open);
    set(cell('messages'), decimal.format(messages));
    set(cell('resets'), decimal.format(way.resets.length));
    showState(pane.querySelector('.state'), way, now);
  }
  drawSoon();
}

// Who wants no motion gets a picture each second.
function drawSoon() {
  if (calm.matches) setTimeout(draw, 1000);
  else requestAnimationFrame(draw);
}

// Who holds an open line hears no more than silence where the store of the topics is away: what the server has answered to polling is said in each pane.
function showState(node, way, now) {
  const asked = panes[0].way;
  const said = way.said || (asked.isAway ? asked.said : '');
  const reset = way.resets.at(-1);
  const isBack = now - way.back.at < BACK || (asked.back.wasAway && now - asked.back.at < BACK);
  set(node, said ? `The server answers: ${said}`
    : way.failed ? `Reconnecting: no answer${way.failed > 1 ? ` for the ${ordinal(way.failed)} time` : ''}`
    : reset && now - reset.at < KEPT ? `Reset: ${reset.lost === null ? 'the topic began anew, what was not read is gone' : `${decimal.format(reset.lost)} are gone`}`
    : isBack ? 'Back: the server answers again' : '');
}

function ordinal(number) {
  const ending = { one: 'st', two: 'nd', few: 'rd', other: 'th' }[ordinals.select(number)];
  return `${decimal.format(number)}${ending}`;
}

function set(node, text) {
  const value = String(text);
  if (node.textContent !== value) node.textContent = value;
}

function formatDelay(ms) { return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`; }

function formatBytes(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

const noAnswer = setTimeout(() => { $('last').textContent = 'The server has not answered yet; it is asked again and again.'; }, PATIENCE);
const head = await measureHead();
clearTimeout(noAnswer);
$('last').textContent = 'No news yet.';
$('head-size').textContent = formatBytes(head);
const polling = addPane(0, onMessage => new Polling(TOPIC, head, onMessage));
addPane(1, onMessage => new LongPolling(TOPIC, head, onMessage));
addPane(2, onMessage => new EventStream(TOPIC, head, onMessage));
addPane(3, onMessage => new Socket(TOPIC, head, onMessage));

const slider = document.createElement('label');
const range = document.createElement('input');
const shown = document.createElement('output');
Object.assign(range, { type: 'range', min: '0.5', max: '10', step: '0.5', value: '3', id: 'interval' });
slider.append('Asks every', range, shown);
polling.querySelector('.how').append(document.createElement('br'), slider);
range.addEventListener('input', showInterval);
function showInterval() {
  shown.textContent = `${Number(range.value).toFixed(1)} s`;
  panes[0].way.interval = Number(range.value) * 1000;
}

showInterval();
$('publish').addEventListener('click', publish);
$('rate').addEventListener('change', setRate);
for (const { way } of panes) way.start();
drawSoon();
// Where one does not get through, the others are not kept waiting for it.
await Promise.race([Promise.all(panes.map(({ way }) => way.ready)), pause(PATIENCE)]);
document.body.dataset.ready = 'true';
setRate();
publish();
