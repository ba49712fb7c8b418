// Receives given streams of bytes with npm's `ws` and says what it made of them: one case a line on stdin, one answer a line on stdout.
//   in:  { server, chunks: [base64, ...] }      out: { messages: [{ binary, data }], written: base64, ended, error }
'use strict';

const readline = require('node:readline');
const { Duplex } = require('node:stream');
const { WebSocket } = require('ws');

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

async function play({ server, chunks }) {
  const messages = [];
  let error = null;
  const ws = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 5000 });
  ws._isServer = server; // the constructor without an address takes itself for a server's
  const closed = new Promise((resolve) => ws.on('close', () => resolve(true)));
  ws.on('message', (data, binary) => messages.push({ binary, data: data.toString('base64') }));
  ws.on('error', (e) => (error = e.message));
  const wire = new Wire();
  ws.setSocket(wire, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 1 << 20, skipUTF8Validation: false });
  for (const chunk of chunks) {
    wire.push(Buffer.from(chunk, 'base64'));
    await pause();
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
