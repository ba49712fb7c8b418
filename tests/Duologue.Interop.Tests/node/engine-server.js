// npm's official `engine.io` server, which echoes, driven by a test: commands come as JSON lines on stdin, events leave as JSON lines on stdout.
//   node engine-server.js
'use strict';

const http = require('node:http');
const readline = require('node:readline');
const { Server } = require('engine.io');

const emit = (event, fields) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');

// The heart beats often, and a machine that is busy for a minute ends no session.
const engine = new Server({ pingInterval: 500, pingTimeout: 120_000, upgradeTimeout: 120_000 });
const sockets = new Set();
engine.on('connection', (socket) => {
  sockets.add(socket);
  socket.on('message', (data) => socket.send(data));
  socket.on('upgrade', () => emit('upgrade', {}));
  socket.on('heartbeat', () => emit('heartbeat', {}));
  socket.on('close', (reason) => {
    sockets.delete(socket);
    emit('close', { reason });
  });
});

const server = http.createServer();
engine.attach(server);
server.listen(0, '127.0.0.1', () => emit('listening', { port: server.address().port }));

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', () => sockets.forEach((socket) => socket.close())); // the one command
lines.on('close', () => process.exit(0)); // the test has ended
