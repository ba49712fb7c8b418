// Read when a message's task runs; what it is not is ignored.
const ws = new WebSocket(t.server({ with: [1, 2, 3, 4].map(i => t.binary([i])).join('') + t.close(1000) }));
const closed = t.watch(ws);
t.log(ws.binaryType);
const types = ['arraybuffer', 'blob', 'nonsense', 'Blob'];
ws.onmessage = () => {
  ws.binaryType = types.shift();
  t.log(ws.binaryType);
};
for (const value of ['ArrayBuffer', '', null, undefined, 1]) {
  t.attempt(String(value), () => { ws.binaryType = value; return ws.binaryType; });
}
await closed;
