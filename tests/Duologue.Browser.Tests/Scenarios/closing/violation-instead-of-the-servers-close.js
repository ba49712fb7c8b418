const ws = new WebSocket(t.server({ reply: t.frame(3, []) }));
ws.onopen = () => ws.close(3000, 'mine');
await t.watch(ws);
