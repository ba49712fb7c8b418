// What a scenario has to hand, in a browser and in Jint alike. `t` writes the log by which the two are compared.
globalThis.runScenario = async (body, settings) => {
  'use strict';
  const lines = [];
  const log = (...words) => { lines.push(words.join(' ')); };
  const hex = bytes => Array.from(new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength), b => b.toString(16).padStart(2, '0')).join('');
  const utf8 = text => Array.from(unescape(encodeURIComponent(text)), c => c.charCodeAt(0));
  const kind = value => Object.prototype.toString.call(value).slice(8, -1);

  // [code], or [] for a Close frame without one.
  const closeBody = (code, reason) => code === undefined ? [] : [code >> 8, code & 255, ...utf8(reason)];

  const t = {
    log,
    hex,
    kind,
    page: settings.page,
    host: settings.host,
    refused: settings.refused,

    // Frames of the server, as it is to send them.
    frame(opcode, bytes, { fin = true, mask = false, rsv = 0 } = {}) {
      const length = bytes.length < 126 ? [bytes.length] : [126, bytes.length >> 8, bytes.length & 255];
      length[0] |= mask ? 128 : 0;
      return hex(new Uint8Array([(fin ? 128 : 0) | rsv << 4 | opcode, ...length, ...(mask ? [0, 0, 0, 0] : []), ...bytes]));
    },
    text: (text, options) => t.frame(1, utf8(text), options),
    binary: (bytes, options) => t.frame(2, bytes, options),
    more: (text, options) => t.frame(0, utf8(text), options),
    ping: text => t.frame(9, utf8(text)),
    close: (code, reason = '') => t.frame(8, closeBody(code, reason)),

    // The address of a server that does what it is told; see ScenarioServer.
    server: (orders = {}) => `ws://${settings.host}/server?` + Object.entries(orders)
      .map(([name, value]) => name + '=' + encodeURIComponent(Array.isArray(value) ? value.join('') : value)).join('&'),
    echo: () => `ws://${settings.host}/server?echo=1`,

    describe(data) {
      return typeof data === 'string' ? `string '${data.length > 60 ? data.length + ' characters' : data}'`
        : data instanceof Blob ? `Blob ${data.size} '${data.type}'`
        : `${kind(data)} ${data.byteLength > 20 ? data.byteLength + ' bytes' : hex(data)}`;
    },

    // Writes down every event. Resolves with the close event.
    watch: (ws, name = '') => new Promise(resolve => {
      const prefix = name ? name + ': ' : '';
      ws.addEventListener('open', e => log(`${prefix}open ${kind(e)} state=${ws.readyState} protocol='${ws.protocol}' extensions='${ws.extensions}'`));
      ws.addEventListener('message', e => log(`${prefix}message ${kind(e)} state=${ws.readyState} ${t.describe(e.data)}`));
      ws.addEventListener('error', e => log(`${prefix}error ${kind(e)} state=${ws.readyState}`));
      ws.addEventListener('close', e => {
        log(`${prefix}close ${kind(e)} state=${ws.readyState} code=${e.code} reason='${e.reason}' clean=${e.wasClean}`);
        resolve(e);
      });
    }),
    next: (ws, type) => new Promise(resolve => ws.addEventListener(type, resolve, { once: true })),

    // Past the tasks that are queued now, and those that they queue.
    rest: (time = 50) => new Promise(resolve => setTimeout(resolve, time)),

    // What a call gives or throws.
    attempt(name, call) {
      let result;
      try {
        const value = call();
        result = value === undefined ? 'ok' : `'${value}'`;
      } catch (error) {
        result = `throws ${kind(error)} ${error.name}`;
      }
      log(`${name}: ${result}`);
    },
  };

  if (!globalThis.uncaughtIsWatched) {
    globalThis.uncaughtIsWatched = true;
    addEventListener('error', e => globalThis.reportUncaught?.(e.error?.message ?? e.message));
  }
  globalThis.reportUncaught = message => log(`uncaught ${message}`);

  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  try {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('it does not come to its end')), settings.patience));
    await Promise.race([new AsyncFunction('t', body)(t), late]);
  } catch (error) {
    log(`the scenario threw ${error.name}: ${error.message}`);
  }
  return lines.join('\n');
};
