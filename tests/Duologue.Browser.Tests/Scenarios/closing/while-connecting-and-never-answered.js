const ws = new WebSocket(t.server({ answer: '' , silent: 1 }));
const closed = t.watch(ws);
await t.rest(30);
t.log(ws.readyState);
ws.close();
t.log(ws.readyState);
await closed;
