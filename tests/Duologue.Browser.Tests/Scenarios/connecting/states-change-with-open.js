// Nothing changes while a task runs, however long.
const ws = new WebSocket(t.server({ note: 'Sec-WebSocket-Protocol', header: 'Sec-WebSocket-Protocol: chat', with: t.text('early') }), 'chat');
const closed = t.watch(ws);
const end = Date.now() + 100;
while (Date.now() < end);
t.log(ws.readyState, `'${ws.protocol}'`);
Promise.resolve().then(() => t.log('microtask', ws.readyState));
await t.next(ws, 'message');
ws.close();
await closed;
