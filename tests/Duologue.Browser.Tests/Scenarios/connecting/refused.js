const ws = new WebSocket(`ws://${t.refused}/`);
await t.watch(ws);
t.log(ws.readyState);
