// It counts bytes of UTF-8, stands still for as long as a task runs, and is back at 0 at the echo.
const ws = new WebSocket(t.echo());
const closed = t.watch(ws);
await t.next(ws, 'open');
ws.send('é\ud800€');
t.log(ws.bufferedAmount);
ws.send(new Uint8Array(1000));
ws.send(new Blob(['1234']));
t.log(ws.bufferedAmount);
const end = Date.now() + 80;
while (Date.now() < end);
t.log('after 80 ms of work', ws.bufferedAmount);
await Promise.resolve();
t.log('in a microtask', ws.bufferedAmount);
for (let i = 0; i < 3; i++) {
  await t.next(ws, 'message');
}
t.log('at the echo', ws.bufferedAmount);
ws.close();
await closed;
t.log('in the end', ws.bufferedAmount);
