// What a page has beside its script, as far as the scripts here use it. The WebSocket is a thin dress over the C# class: names,
// conversions of Web IDL and JavaScript's objects are made here; listeners, their order, states, events and errors are the class's own.
(function (page) {
  'use strict';

  const define = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });

  class DOMException extends Error {
    #name;
    constructor(message = '', name = 'Error') {
      super(message);
      this.#name = name;
    }
    get name() { return this.#name; }
    get code() { return { SyntaxError: 12, InvalidStateError: 11, InvalidAccessError: 15 }[this.#name] ?? 0; }
  }

  class Event {
    #type;
    #target;
    constructor(type, target = null) {
      this.#type = type;
      this.#target = target;
    }
    get type() { return this.#type; }
    get target() { return this.#target; }
    get currentTarget() { return this.#target; }
  }

  class MessageEvent extends Event {
    #data;
    #origin;
    constructor(type, target, data, origin) {
      super(type, target);
      this.#data = data;
      this.#origin = origin;
    }
    get data() { return this.#data; }
    get origin() { return this.#origin; }
  }

  class CloseEvent extends Event {
    #native;
    constructor(type, target, native) {
      super(type, target);
      this.#native = native;
    }
    get code() { return this.#native.Code; }
    get reason() { return this.#native.Reason; }
    get wasClean() { return this.#native.WasClean; }
  }

  const OWN = Symbol('made by the page');

  class Blob {
    #native;
    constructor(parts = [], options = {}) {
      this.#native = parts === OWN ? options : page.MakeBlob([...parts].map(toPart), String(options.type ?? ''));
    }
    static native(blob) { return blob.#native; }
    get size() { return Number(this.#native.Size); }
    get type() { return this.#native.Type; }
    slice(start = 0, end = this.size, type = '') { return new Blob(OWN, page.SliceBlob(this.#native, start, end, String(type))); }
    arrayBuffer() { return page.ReadBlob(this.#native); }
    async bytes() { return new Uint8Array(await this.arrayBuffer()); }
    text() { return page.ReadText(this.#native); }
  }

  const bytesOf = value =>
    value instanceof ArrayBuffer ? new Uint8Array(value)
    : ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : null;
  const toPart = part => part instanceof Blob ? Blob.native(part) : bytesOf(part) ?? String(part);

  // [Clamp] unsigned short: rounded to the nearest, halves to even.
  const clamp = value => {
    const number = Math.min(Math.max(Number(value) || 0, 0), 65535);
    const floor = Math.floor(number);
    const rest = number - floor;
    return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
  };

  const text = value => `${value}`;
  const isObject = value => (typeof value === 'object' && value !== null) || typeof value === 'function';
  const needs = (count, given) => {
    if (given < count) {
      throw new TypeError(`${count} arguments required, but only ${given} present.`);
    }
  };

  class WebSocket {
    #native;
    constructor(url, protocols = []) {
      needs(1, arguments.length);
      const list = isObject(protocols) ? Array.from(protocols, text) : [text(protocols)];
      this.#native = page.Connect(text(url), list, this);
    }
    get url() { return this.#native.Url; }
    get readyState() { return this.#native.ReadyState; }
    get bufferedAmount() { return this.#native.BufferedAmount; }
    get extensions() { return this.#native.Extensions; }
    get protocol() { return this.#native.Protocol; }
    get binaryType() { return this.#native.BinaryType; }
    set binaryType(value) { this.#native.BinaryType = String(value); }
    send(data) {
      needs(1, arguments.length);
      const bytes = bytesOf(data);
      if (bytes) {
        this.#native.SendBytes(bytes);
      } else if (data instanceof Blob) {
        this.#native.SendBlob(Blob.native(data));
      } else {
        this.#native.SendText(String(data));
      }
    }
    close(code, reason) {
      this.#native.Close(code === undefined ? -1 : clamp(code), reason === undefined ? '' : String(reason));
    }
    addEventListener(type, listener, options = {}) {
      needs(2, arguments.length);
      const { once = false, signal } = isObject(options) ? options : {};
      if (listener === null || signal?.aborted) {
        return;
      }
      this.#native.AddEventListener(String(type), listener, Boolean(once));
      signal?.addEventListener('abort', () => this.removeEventListener(type, listener));
    }
    removeEventListener(type, listener) {
      needs(2, arguments.length);
      if (listener !== null) {
        this.#native.RemoveEventListener(String(type), listener);
      }
    }
    static {
      for (const type of ['open', 'message', 'error', 'close']) {
        Object.defineProperty(WebSocket.prototype, 'on' + type, {
          get() { return this.#native.GetHandler(type); },
          set(value) { this.#native.SetHandler(type, isObject(value) ? value : null); },
          enumerable: true,
          configurable: true,
        });
      }
      ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].forEach((name, value) => {
        for (const holder of [WebSocket, WebSocket.prototype]) {
          Object.defineProperty(holder, name, { value, enumerable: true });
        }
      });
    }
  }

  // For the signal of addEventListener, and for the page's own error event.
  class EventTarget {
    #listeners = [];
    addEventListener(type, listener) { this.#listeners.push({ type, listener }); }
    dispatch(event) {
      for (const { type, listener } of [...this.#listeners]) {
        if (type === event.type) {
          listener.call(this, event);
        }
      }
    }
  }

  class AbortSignal extends EventTarget {
    aborted = false;
  }

  class AbortController {
    signal = new AbortSignal();
    abort() {
      if (!this.signal.aborted) {
        this.signal.aborted = true;
        this.signal.dispatch(new Event('abort', this.signal));
      }
    }
  }

  const window = new EventTarget();
  define('addEventListener', (type, listener) => window.addEventListener(type, listener));

  for (const type of [DOMException, Event, MessageEvent, CloseEvent, Blob, WebSocket, AbortSignal, AbortController]) {
    Object.defineProperty(type.prototype, Symbol.toStringTag, { value: type.name, configurable: true });
    define(type.name, type);
  }

  define('self', globalThis);
  define('console', { log: (...values) => page.Log(values.map(String).join(' ')) });
  define('setTimeout', (callback, delay = 0, ...values) => page.SetTimer(() => callback(...values), Number(delay) || 0));
  define('clearTimeout', timer => page.ClearTimer(timer));
  define('queueMicrotask', callback => { Promise.resolve().then(callback); });

  // <input type="file">, after someone has chosen the files that the test put there.
  define('document', {
    querySelector: selector => selector === 'input[type="file"]' ? { files: page.ChosenFiles().map(file => new Blob(OWN, file)) } : null,
  });

  return {
    error: (name, message) => new DOMException(message, name),
    event: (type, target) => new Event(type, target),
    message: (target, data, origin) => new MessageEvent('message', target, data, origin),
    close: (target, native) => new CloseEvent('close', target, native),
    blob: native => new Blob(OWN, native),
    uncaught: error => {
      const event = new Event('error', globalThis);
      event.error = error;
      window.dispatch(event);
    },
  };
});
