// An event waits for the task that runs, also when all has come.
const ws = new WebSocket(t.server({ with: t.text('a') + t.text('b') }));
const closed = t.watch(ws);
await t.next(ws, 'message');
const end = Date.now() + 60;
while (Date.now() < end);
t.log('after work');
await t.rest();
ws.close();
await closed;
