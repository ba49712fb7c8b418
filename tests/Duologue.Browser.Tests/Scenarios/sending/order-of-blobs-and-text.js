const ws = new WebSocket(t.echo());
ws.binaryType = 'arraybuffer';
const closed = t.watch(ws);
await t.next(ws, 'open');
ws.send('1');
ws.send(new Blob(['2']));
ws.send('3');
ws.send(new Blob(['4', '5']));
ws.send(new Uint8Array([6]));
t.log(ws.bufferedAmount);
for (let i = 0; i < 5; i++) {
  await t.next(ws, 'message');
}
ws.close();
await closed;
