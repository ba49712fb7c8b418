const ws = new WebSocket(t.echo());
ws.binaryType = 'arraybuffer';
const closed = t.watch(ws);
await t.next(ws, 'open');
const part = new Uint8Array(999).map((_, i) => i * 7);
const bytes = new Uint8Array(1_000_000);
for (let i = 0; i + part.length <= bytes.length; i += part.length) {
  bytes.set(part, i);
}
let same;
ws.onmessage = e => {
  const got = new Uint8Array(e.data);
  same = got.length === bytes.length && [0, 1, 65_535, 65_536, 500_000, 999_998].every(i => got[i] === bytes[i]);
};
ws.send(bytes);
t.log(ws.bufferedAmount);
await t.next(ws, 'message');
t.log('same', same, ws.bufferedAmount);
ws.send(new Blob([bytes, bytes]));
t.log(ws.bufferedAmount);
ws.onmessage = null;
await t.next(ws, 'message');
t.log(ws.bufferedAmount);
ws.send('ß'.repeat(100_000));
t.log(ws.bufferedAmount);
await t.next(ws, 'message');
ws.close();
await closed;
