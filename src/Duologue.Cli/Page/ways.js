// The four ways to hear of a topic, each with what it asked and what that took.

const encoder = new TextEncoder();
const LINE = 4;            // ": " and the line end of a header.
const HELD_SECONDS = 25;
const RETRY = 1000;
const ANSWER = 15_000;     // How long an answer may take, beyond the time for which it is held: who takes a connection and stands still never answers.
const LONGEST = 200;       // Letters of a sentence of the server's.

// The heads of the answers that a script does not see: to an EventSource, and to a WebSocket.
const STREAM_HEAD = 208;
const UPGRADE_HEAD = 166;

/** The server, or a proxy before it, has answered that it does not, or not now. */
class Refusal extends Error {
  constructor(answer, text) {
    // What is no plain text is a proxy's page.
    const isSentence = answer.headers.get('content-type')?.startsWith('text/plain') && text.trim();
    const sentence = isSentence ? shorten(text) : `status ${answer.status}`;
    super(`The server answers: ${sentence}`);
    this.status = answer.status;
    this.sentence = sentence;
  }
}

/** Fetches a text, all of it within a time. */
export async function ask(url, options = {}, held = 0) {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(new Error('no answer in time')), ANSWER + held);
  try {
    const answer = await fetch(url, { cache: 'no-store', signal: control.signal, ...options });
    const text = await answer.text();
    if (!answer.ok) throw new Refusal(answer, text);
    return { answer, text };
  } finally {
    clearTimeout(timer);
  }
}

/** What this browser sends as the head of a request, in bytes: no script may see it, so the server says it. */
export async function measureHead() {
  for (;;) {
    try {
      return Number((await ask('three-ways/head')).text);
    } catch {
      await pause(RETRY);
    }
  }
}

class Way {
  requests = 0;
  empty = 0;
  bytes = 0;
  open = 0;
  failed = 0;   // Attempts in a row that came to nothing: it is reconnecting.
  said = '';    // Why, where the server has said it: it is there, and does not do what it is asked.
  isAway = false;    // Whether it has said so with 503: what it needs for a topic is away.
  back = { at: -Infinity, wasAway: false };   // When an attempt came to something again, and whether it had said so before.
  resets = [];  // { at, lost }: when the server said that messages are gone, and how many; null if it cannot know, because the topic has begun anew.
  asked = [];   // { from, to, news }: requests, to is null as long as one is open.

  constructor(topic, head, onMessage) {
    this.topic = topic;
    this.head = head;
    this.onMessage = onMessage;
    this.ready = new Promise(resolve => { this.isReady = resolve; });
  }

  // Forgets what is no longer drawn.
  forget(before) {
    while (this.asked.length && this.asked[0].to !== null && this.asked[0].to < before) this.asked.shift();
  }

  begin() {
    const request = { from: performance.now(), to: null, news: false };
    this.asked.push(request);
    this.requests++;
    this.open++;
    this.bytes += this.head;
    return request;
  }

  end(request, news) {
    request.to = performance.now();
    request.news = news;
    this.open--;
    if (!news) this.empty++;
  }

  noteReset({ lost }) { this.resets.push({ at: performance.now(), lost }); }

  fail({ sentence, status } = {}) {
    this.failed++;
    this.said = sentence ?? '';
    this.isAway = status === 503;
  }

  succeed() {
    if (this.failed) this.back = { at: performance.now(), wasAway: this.isAway };
    this.failed = 0;
    this.said = '';
    this.isAway = false;
  }

  async ask(held) {
    const request = this.begin();
    let items = [];
    try {
      const { answer, text } = await ask(`topics/${this.topic}?after=${this.cursor}${held ? `&wait=${held}` : ''}`, {}, held * 1000);
      this.bytes += headOf(answer) + encoder.encode(text).length;
      const page = JSON.parse(text);
      if (page.reset) this.noteReset(page);
      this.cursor = page.next;
      this.succeed();
      items = page.items;
    } finally {
      this.end(request, items.length > 0);
    }

    items.forEach(this.onMessage);
  }

  // Whether the server can say something of the topic, and where it begins: what was published before the page was opened is no news.
  async probe() {
    const { text } = await ask(`topics/${this.topic}?after=${this.cursor ?? 'now'}&limit=1`);
    this.cursor ??= JSON.parse(text).next;
  }

  // Asks for ever; a server that is away is asked again a little later, from where it was.
  async askOn(once) {
    for (;;) {
      try {
        if (!this.cursor) await this.probe();
        this.isReady();
        await once();
      } catch (error) {
        this.fail(error);
        await pause(RETRY);
      }
    }
  }
}

export class Polling extends Way {
  interval = 3000;

  start() {
    this.askOn(async () => {
      await this.ask(0);
      const last = performance.now();
      // The interval may be moved while it runs.
      while (performance.now() - last < this.interval) await pause(Math.min(50, this.interval));
    });
  }
}

export class LongPolling extends Way {
  // Behind a failure the first question is not held: its answer says that the server is there.
  start() { this.askOn(() => this.ask(this.failed ? 0 : HELD_SECONDS)); }
}

export class EventStream extends Way {
  async start() {
    try {
      // Of an EventSource no script hears why it failed: before another is made, the server is asked in a way that tells.
      if (!this.cursor || this.failed) await this.probe();
    } catch (error) {
      this.fail(error);
      setTimeout(() => this.start(), RETRY);
      return;
    }

    let request = null;
    const source = new EventSource(`topics/${this.topic}?after=${this.cursor}`);
    const lost = () => {
      clearTimeout(limit);
      if (request) this.end(request, true);
      request = null;
      this.fail();
    };
    const giveUp = () => {
      source.close();
      lost();
      setTimeout(() => this.start(), RETRY);
    };
    let limit = setTimeout(giveUp, ANSWER);
    source.onopen = () => {
      clearTimeout(limit);
      request = this.begin();
      this.bytes += STREAM_HEAD;
      this.succeed();
      this.isReady();
    };
    // "id: … LF data: … LF LF", and perhaps its name, in one chunk with its length in hexadecimal and two line ends.
    const take = (event, name) => {
      const length = name.length + 4 + event.lastEventId.length + 1 + 6 + encoder.encode(event.data).length + 2;
      this.bytes += length + length.toString(16).length + LINE;
      this.cursor = event.lastEventId;
      return JSON.parse(event.data);
    };
    source.onmessage = event => this.onMessage(take(event, ''));
    source.addEventListener('reset', event => this.noteReset(take(event, 'event: reset\n')));
    source.onerror = () => {
      // It comes back by itself, but not after an answer that is no stream: that of a server that is about to stop, or of a proxy that found none. Then from where it was.
      if (source.readyState === EventSource.CLOSED) {
        giveUp();
        return;
      }

      lost();
      limit = setTimeout(giveUp, ANSWER);
    };
  }
}

export class Socket extends Way {
  start() {
    const url = new URL(`topics/${this.topic}?after=${this.cursor ?? 'now'}`, location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    let request = null;

    // Its first page comes at once. Who has no answer to the handshake gets none to a Close either: that socket is left to its fate.
    const limit = setTimeout(() => {
      socket.onclose();
      socket.onclose = socket.onopen = socket.onmessage = null;
      socket.close();
    }, ANSWER);
    socket.onopen = () => {
      request = this.begin();
      this.bytes += UPGRADE_HEAD;
    };
    socket.onmessage = ({ data }) => {
      const length = encoder.encode(data).length;
      // RFC 6455 §5.2: a server's frame has a head of 2 bytes, or of 4 from 126 bytes on.
      this.bytes += length + (length < 126 ? 2 : 4);
      const page = JSON.parse(data);
      if (page.reset) this.noteReset(page);
      this.cursor = page.next;
      clearTimeout(limit);
      this.succeed();
      page.items.forEach(this.onMessage);
      this.isReady();
    };
    socket.onclose = event => {
      clearTimeout(limit);
      if (request) this.end(request, true);
      this.fail({ sentence: event?.reason });
      setTimeout(() => this.start(), RETRY);
    };
  }
}

// A page of the same origin may see all headers of an answer.
function headOf(answer) {
  let length = `HTTP/1.1 ${answer.status} OK`.length + LINE;
  for (const [name, value] of answer.headers) length += name.length + value.length + LINE;
  return length;
}

function shorten(text) {
  const sentence = text.trim().replace(/\s+/g, ' ');
  return sentence.length > LONGEST ? `${sentence.slice(0, LONGEST)}…` : sentence;
}

export function pause(ms) { return new Promise(resolve => setTimeout(resolve, ms)); }
