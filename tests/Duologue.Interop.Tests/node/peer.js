// One WebSocket of npm's `ws`, driven by a test: commands come as JSON lines on stdin, events leave as JSON lines on stdout.
//   node peer.js listen [SUBPROTOCOL]          accepts one conversation on a free port, says which
//   node peer.js connect URL [SUBPROTOCOL ...]
'use strict';

const readline = require('node:readline');
const { WebSocket, WebSocketServer } = require('ws');

const emit = (event, fields) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');

// What to agree about compression, as ws spells it; then everything is sent compressed.
const deflate = process.env.DEFLATE ? JSON.parse(process.env.DEFLATE) : undefined;

let socket;

function attach(ws) {
  socket = ws;
  ws.on('message', (data, binary) => emit('message', { binary, data: data.toString('base64') }));
  ws.on('pong', (data) => emit('pong', { data: data.toString('base64') }));
  ws.on('close', (code, reason) => emit('close', { code, reason: reason.toString() }));
  ws.on('error', (error) => emit('error', { message: error.message }));
}

const commands = {
  send: ({ binary, data, fin }) => socket.send(Buffer.from(data, 'base64'), { binary, fin, compress: deflate !== undefined }),
  ping: ({ data }) => socket.ping(Buffer.from(data, 'base64')),
  close: ({ code, reason }) => (code === undefined || code === null ? socket.close() : socket.close(code, reason)),
  cut: () => socket.terminate(),
};

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
});
lines.on('close', () => process.exit(0)); // the test has ended

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'listen') {
  const [chosen] = rest;
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    perMessageDeflate: deflate ?? true,
    handleProtocols: (offered) => (offered.has(chosen) ? chosen : false),
  });
  server.on('listening', () => emit('listening', { port: server.address().port }));
  server.on('connection', (ws) => {
    attach(ws);
    emit('open', { protocol: ws.protocol });
  });
} else {
  const [url, ...subprotocols] = rest;
  const ws = new WebSocket(url, subprotocols, { perMessageDeflate: deflate ?? true });
  attach(ws);
  ws.on('open', () => emit('open', { protocol: ws.protocol }));
}
