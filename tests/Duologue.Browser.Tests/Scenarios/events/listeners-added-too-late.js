// What has been fired is gone.
const ws = new WebSocket(t.server({ with: t.text('early') }));
await t.rest(300);
t.log(ws.readyState);
const closed = t.watch(ws);
ws.close();
await closed;
