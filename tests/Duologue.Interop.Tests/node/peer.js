// One WebSocket of npm's `ws`, driven by a test: commands come as JSON lines on stdin, events leave as JSON lines on stdout.
//   node peer.js listen [SUBPROTOCOL]          accepts one conversation on a free port, says which
//   node peer.js connect URL [SUBPROTOCOL ...]
//   node peer.js listen-h2 [SUBPROTOCOL]       the same over HTTP/2 in clear text (RFC 8441): Node.js has the streams, ws the frames
//   node peer.js connect-h2 URL [SUBPROTOCOL ...]
'use strict';

const http2 = require('node:http2');
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

// ws knows no HTTP/2: it is given the stream when the handshake is over.
function attachStream(stream, isServer, protocol = '') {
  const ws = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30_000 });
  ws._isServer = isServer; // the constructor without an address takes itself for a server's
  ws._protocol = protocol;
  stream.setNoDelay = () => {}; // what ws asks of a socket, and a stream has not
  ws.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 0, skipUTF8Validation: false });
  attach(ws);
  emit('open', { protocol });
}

function listenOverHttp2([chosen]) {
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream, headers) => {
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((token) => token.trim());
    const protocol = offered.includes(chosen) ? chosen : undefined;
    stream.respond({ ':status': 200, ...(protocol && { 'sec-websocket-protocol': protocol }) });
    attachStream(stream, true, protocol);
  });
  server.listen(0, '127.0.0.1', () => emit('listening', { port: server.address().port }));
}

function connectOverHttp2([url, ...subprotocols]) {
  const { host, pathname } = new URL(url);
  const session = http2.connect(`http://${host}`);
  session.once('remoteSettings', () => {
    const stream = session.request(
      {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'http',
        ':path': pathname,
        ':authority': host,
        'sec-websocket-version': '13',
        ...(subprotocols.length > 0 && { 'sec-websocket-protocol': subprotocols.join(', ') }),
      },
      { endStream: false },
    );
    stream.on('response', (headers) => attachStream(stream, false, headers['sec-websocket-protocol']));
  });
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'listen-h2') {
  listenOverHttp2(rest);
} else if (mode === 'connect-h2') {
  connectOverHttp2(rest);
} else if (mode === 'listen') {
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
