const ws = new WebSocket(t.echo());
ws.binaryType = 'arraybuffer';
const closed = t.watch(ws);
await t.next(ws, 'open');
const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer;
for (const data of [
  '', 'text', 'é\ud83d\ude00', '\udc00x\ud800', 'a\u0000b', 5, null, undefined, { toString: () => 'an object' }, ['a', 'b'], true, new Date(0).getTime(),
  buffer, new ArrayBuffer(0), new Uint8Array(buffer, 2, 3), new Uint16Array(buffer, 2, 2), new Int32Array(buffer, 4), new Float64Array(buffer), new DataView(buffer, 1, 2), new Uint8ClampedArray([300]),
  new Blob(), new Blob(['text', new Uint8Array([1, 2]), new Blob(['blob'])]), new Blob([buffer]).slice(2, 4), new Blob(['typed'], { type: 'text/plain' }),
]) {
  ws.send(data);
  await t.next(ws, 'message');
}
ws.close();
await closed;
