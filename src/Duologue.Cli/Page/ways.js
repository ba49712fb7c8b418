// The four ways to hear of a topic, each with what it asked and what that took.

const encoder = new TextEncoder();
const LINE = 4;            // ": " and the line end of a header.
const HELD_SECONDS = 25;
const RETRY = 1000;

// The heads of the answers that a script does not see: to an EventSource, and to a WebSocket.
const STREAM_HEAD = 208;
const UPGRADE_HEAD = 166;

/** What this browser sends as the head of a request, in bytes: no script may see it, so the server says it. */
export async function measureHead() {
  const answer = await fetch('three-ways/head');
  return Number(await answer.text());
}

class Way {
  requests = 0;
  empty = 0;
  bytes = 0;
  open = 0;
  failed = 0;   // Attempts in a row that came to nothing: it is reconnecting.
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

  async ask(more) {
    const request = this.begin();
    let items = [];
    try {
      const answer = await fetch(`topics/${this.topic}?after=${this.cursor}${more}`, { cache: 'no-store' });
      const text = await answer.text();
      this.bytes += headOf(answer) + encoder.encode(text).length;
      if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
      const page = JSON.parse(text);
      if (page.reset) this.noteReset(page);
      this.cursor = page.next;
      this.failed = 0;
      items = page.items;
    } finally {
      this.end(request, items.length > 0);
    }

    items.forEach(this.onMessage);
  }

  // Where it begins: what was published before the page was opened is no news.
  async findBeginning() {
    const answer = await fetch(`topics/${this.topic}?after=now`, { cache: 'no-store' });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    this.cursor = (await answer.json()).next;
  }

  // Asks for ever; a server that is away is asked again a little later, from where it was.
  async askOn(once) {
    for (;;) {
      try {
        if (!this.cursor) await this.findBeginning();
        this.isReady();
        await once();
      } catch {
        this.failed++;
        await pause(RETRY);
      }
    }
  }
}

export class Polling extends Way {
  interval = 3000;

  start() {
    this.askOn(async () => {
      await this.ask('');
      const last = performance.now();
      // The interval may be moved while it runs.
      while (performance.now() - last < this.interval) await pause(Math.min(50, this.interval));
    });
  }
}

export class LongPolling extends Way {
  // Behind a failure the first question is not held: its answer says that the server is there.
  start() { this.askOn(() => this.ask(this.failed ? '' : `&wait=${HELD_SECONDS}`)); }
}

export class EventStream extends Way {
  async start() {
    try {
      if (!this.cursor) await this.findBeginning();
    } catch {
      this.failed++;
      setTimeout(() => this.start(), RETRY);
      return;
    }

    let request = null;
    const source = new EventSource(`topics/${this.topic}?after=${this.cursor}`);
    const lost = () => {
      if (request) this.end(request, true);
      request = null;
    };
    source.onopen = () => {
      lost();
      request = this.begin();
      this.bytes += STREAM_HEAD;
      this.failed = 0;
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
      lost();
      this.failed++;
      // It comes back by itself, but not after an answer that is no stream: that of a server that is about to stop, or of a proxy that found none. Then from where it was.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.start(), RETRY);
    };
  }
}

export class Socket extends Way {
  start() {
    const url = new URL(`topics/${this.topic}?after=${this.cursor ?? 'now'}`, location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    let request = null;
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
      this.failed = 0;
      page.items.forEach(this.onMessage);
      this.isReady();
    };
    socket.onclose = () => {
      if (request) this.end(request, true);
      this.failed++;
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

export function pause(ms) { return new Promise(resolve => setTimeout(resolve, ms)); }
