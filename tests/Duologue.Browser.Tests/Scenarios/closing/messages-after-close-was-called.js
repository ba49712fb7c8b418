// The server has sent them before it knew; nobody hears them.
const ws = new WebSocket(t.server({ send: [t.text('one'), t.text('two'), t.text('three')] }));
ws.onmessage = () => ws.close(1000, 'enough');
await t.watch(ws);
