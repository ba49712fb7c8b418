// Receives given streams of bytes with npm's `ws` and says what it made of them: one case a line on stdin, one answer a line on stdout.
//   in:  { server, takeover: null | 'On' | 'Off', chunks: [base64, ...] }      out: { messages: [{ binary, data }], written: base64, ended, error }
'use strict';

const readline = require('node:readline');
const { Duplex } = require('node:stream');
const { PerMessageDeflate, WebSocket } = require('ws');

// A socket without a network: what is pushed arrives, what is written is kept.
class Wire extends Duplex {
  written = [];

  _read() {}

  _write(chunk, encoding, done) {
    this.written.push(chunk);
    done();
  }
}

const pause = () => new Promise((resolve) => setImmediate(resolve));

// What a handshake would have agreed.
function agree(ws, server, takeover) {
  const deflate = new PerMessageDeflate({ isServer: server, maxPayload: 1 << 20 });
  const params = takeover === 'On' ? {} : { client_no_context_takeover: [true], server_no_context_takeover: [true] };
  deflate.accept([params]);
  ws._extensions = { [PerMessageDeflate.extensionName]: deflate };
}

async function play({ server, takeover, chunks }) {
  const messages = [];
  let error = null;
  const ws = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 5000 });
  ws._isServer = server; // the constructor without an address takes itself for a server's
  const closed = new Promise((resolve) => ws.on('close', () => resolve(true)));
  ws.on('message', (data, binary) => messages.push({ binary, data: data.toString('base64') }));
  ws.on('error', (e) => (error = e.message));
  if (takeover) {
    agree(ws, server, takeover);
  }
  const wire = new Wire();
  ws.setSocket(wire, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 1 << 20, skipUTF8Validation: false });
  const receiver = ws._receiver;
  for (const chunk of chunks) {
    wire.push(Buffer.from(chunk, 'base64'));
    // While ws inflates it reads on behind a violation: one chunk at a time.
    do {
      await pause();
    } while (receiver.writableLength > 0 && !receiver.errored && !receiver.destroyed);
  }
  wire.push(null);
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(() => resolve(false), 5000)));
  const ended = await Promise.race([closed, late]);
  clearTimeout(timer);
  return { messages, written: Buffer.concat(wire.written).toString('base64'), ended, error };
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await play(JSON.parse(line))) + '\n');
  }
})();
