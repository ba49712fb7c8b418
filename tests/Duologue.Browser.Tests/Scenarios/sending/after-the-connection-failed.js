const ws = new WebSocket(`ws://${t.refused}/`);
await t.watch(ws);
t.attempt('closed', () => ws.send('four'));
t.log(ws.bufferedAmount);
