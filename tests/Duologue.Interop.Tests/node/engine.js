// One session of npm's official `engine.io-client`, driven by a test: commands come as JSON lines on stdin, events leave as JSON lines on stdout.
//   node engine.js URL TRANSPORT ...
'use strict';

const readline = require('node:readline');
const { Socket } = require('engine.io-client');

const emit = (event, fields) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');

const [url, ...transports] = process.argv.slice(2);
const socket = new Socket(url, { path: '/talk', transports });
socket.binaryType = 'arraybuffer';
socket.on('open', () => emit('open', { transport: socket.transport.name }));
socket.on('upgrade', (transport) => emit('upgrade', { transport: transport.name }));
socket.on('upgradeError', () => emit('upgradeError', {}));
socket.on('message', (data = '') => { // an empty text has no data at all
  const binary = typeof data !== 'string';
  emit('message', { binary, data: (binary ? Buffer.from(data) : Buffer.from(data, 'utf8')).toString('base64') });
});
socket.on('ping', () => emit('ping', {}));
socket.on('close', (reason) => emit('close', { reason }));

const commands = {
  send: ({ binary, data }) => {
    const bytes = Buffer.from(data, 'base64');
    socket.send(binary ? bytes : bytes.toString('utf8'));
  },
  close: () => socket.close(),
};

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
});
lines.on('close', () => process.exit(0)); // the test has ended
