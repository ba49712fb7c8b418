const ws = new WebSocket(t.echo());
for (const data of ['', 'text', new Uint8Array(1), new ArrayBuffer(2), new Blob(['x'])]) {
  t.attempt(t.kind(data), () => ws.send(data));
}
t.attempt('nothing', () => ws.send());
t.log(ws.bufferedAmount);
ws.onopen = () => ws.close();
await t.watch(ws);
