// One conversation with the server, over the browser's own WebSocket. It owns the socket, counts what passes,
// measures the round trip and comes back when the server does. It knows nothing of the document: it raises events.

export const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];
export const SUBPROTOCOL = 'duologue.talk.v1';

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15000;
const PING_EVERY = 1000;
const HANDSHAKE_LIMIT = 10000;
const SILENCE_LIMIT = 6500;   // The server pushes a clock each second: longer silence means that the line is dead.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Conversation extends EventTarget {
  #socket = null;
  #attempt = 0;
  #retryTimer = 0;
  #retryAt = 0;
  #wanted = true;
  #pings = new Map();
  #nextPing = 1;
  #pingTimer = 0;
  #heard = 0;
  #state = -1;
  #key = '';

  // Payload is exact. Frame headers are what RFC 6455 needs for messages of these sizes in one frame each:
  // the browser does not tell how a message was framed.
  traffic = { textIn: 0, textOut: 0, binaryIn: 0, binaryOut: 0, bytesIn: 0, bytesOut: 0, overheadIn: 0, overheadOut: 0 };
  history = [];
  name = '';

  constructor(url) {
    super();
    this.url = url;
    addEventListener('online', () => {
      if (this.#wanted) this.retryNow();
    });
    addEventListener('pagehide', () => this.#socket?.close(1000, 'page closed'));
  }

  get readyState() { return this.#socket ? this.#socket.readyState : 3; }
  get isOpen() { return this.readyState === 1; }
  get bufferedAmount() { return this.#socket ? this.#socket.bufferedAmount : 0; }
  get protocol() { return this.#socket ? this.#socket.protocol : ''; }
  get extensions() { return this.#socket ? this.#socket.extensions : ''; }
  get retryIn() { return this.#retryTimer ? Math.max(0, this.#retryAt - performance.now()) : null; }
  get wanted() { return this.#wanted; }

  open() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    this.#wanted = true;
    const url = new URL(this.url);
    if (this.name) url.searchParams.set('name', this.name);
    if (this.#key) url.searchParams.set('was', this.#key);   // Who comes back is who it was, also before its old line is known to be dead.
    const socket = new WebSocket(url, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#noteState();
    const tooLong = setTimeout(() => socket.close(), HANDSHAKE_LIMIT);
    socket.onopen = () => {
      clearTimeout(tooLong);
      this.#heard = performance.now();
      this.#noteState();
      this.#raise('open');
      this.#pingTimer = setInterval(() => this.#ping(), PING_EVERY);
    };
    socket.onmessage = event => this.#receive(event.data);
    socket.onclose = event => {
      clearTimeout(tooLong);
      if (socket !== this.#socket) return;   // One that was left to its fate: the timer is another's by now.
      clearInterval(this.#pingTimer);
      this.#pings.clear();
      this.#noteState();
      if (this.#wanted) this.#scheduleRetry();
      this.#raise('close', { code: event.code, reason: event.reason, wasClean: event.wasClean });
    };
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    if (this.#socket) {
      this.#socket.close(1000, 'closed by the user');
      this.#noteState();
    }
  }

  retryNow() {
    if (this.readyState === 3) {
      this.#attempt = 0;
      this.open();
    }
  }

  say(text, ref) { return this.#sendEvent({ type: 'say', text, ref }); }

  rename(name) {
    this.name = name;
    return this.#sendEvent({ type: 'name', name });
  }

  // A file travels as one binary message: two bytes with the length of a JSON head, the head, the file.
  // The Blob is composed of parts, so the browser reads the file as it sends it.
  sendFile(file, ref) {
    if (!this.isOpen) return false;
    const head = encoder.encode(JSON.stringify({ name: file.name || 'pasted', mime: file.type, ref }));
    const blob = new Blob([new Uint8Array([head.length >> 8, head.length & 255]), head, file]);
    this.#socket.send(blob);
    this.#countOut(blob.size, true);
    return true;
  }

  #sendEvent(value) {
    if (!this.isOpen) return false;
    const text = JSON.stringify(value);
    this.#socket.send(text);
    this.#countOut(encoder.encode(text).length, false);
    return true;
  }

  #receive(data) {
    this.#heard = performance.now();
    const binary = typeof data !== 'string';
    const size = binary ? data.byteLength : encoder.encode(data).length;
    this.traffic[binary ? 'binaryIn' : 'textIn']++;
    this.traffic.bytesIn += size;
    this.traffic.overheadIn += headerLength(size);
    const event = binary ? openEnvelope(data) : parse(data);
    if (!event) return;
    if (event.type === 'pong') {
      const sent = this.#pings.get(event.id);
      if (sent !== undefined) {
        this.#pings.delete(event.id);
        this.#raise('roundtrip', { ms: performance.now() - sent });
      }
      return;
    }
    if (event.type === 'welcome') {
      this.#attempt = 0;
      this.#key = event.key;
    }
    this.#raise('talk', event);
  }

  // Browsers cannot send a WebSocket ping, so the talk has one of its own.
  #ping() {
    if (performance.now() - this.#heard > SILENCE_LIMIT && this.#pings.size > 1) {
      this.#drop();
      return;
    }
    const id = this.#nextPing++;
    this.#pings.set(id, performance.now());
    if (this.#pings.size > 8) this.#pings.delete(this.#pings.keys().next().value);
    this.#sendEvent({ type: 'ping', id });
  }

  // A dead line never answers a Close, and the browser would wait for it: leave that socket to its fate.
  #drop() {
    const socket = this.#socket;
    clearInterval(this.#pingTimer);
    this.#pings.clear();
    socket.onmessage = null;
    socket.close(4000, 'silence');
    this.#noteState();
    this.#socket = null;
    this.#noteState();
    if (this.#wanted) this.#scheduleRetry();
    this.#raise('close', { code: 1006, reason: 'nothing heard from the server', wasClean: false });
  }

  #scheduleRetry() {
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempt++) * (0.75 + Math.random() * 0.5);
    this.#retryAt = performance.now() + wait;
    this.#retryTimer = setTimeout(() => this.open(), wait);
  }

  #noteState() {
    const state = this.readyState;
    if (state === this.#state) return;
    this.#state = state;
    this.history.push({ state, at: Date.now() });
    if (this.history.length > 200) this.history.shift();
    this.#raise('state', { state });
  }

  #countOut(size, binary) {
    this.traffic[binary ? 'binaryOut' : 'textOut']++;
    this.traffic.bytesOut += size;
    this.traffic.overheadOut += headerLength(size) + 4;
  }

  #raise(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}

function headerLength(size) { return size < 126 ? 2 : size < 65536 ? 4 : 10; }

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    console.warn('Not an event of the talk:', text);
    return null;
  }
}

function openEnvelope(buffer) {
  if (buffer.byteLength < 2) return null;
  const length = new DataView(buffer).getUint16(0);
  if (buffer.byteLength < 2 + length) return null;
  const event = parse(decoder.decode(new Uint8Array(buffer, 2, length)));
  if (event) event.bytes = new Uint8Array(buffer, 2 + length);
  return event;
}
