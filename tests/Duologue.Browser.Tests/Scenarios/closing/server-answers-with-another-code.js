const ws = new WebSocket(t.server({ reply: t.close(4000, 'answer') }));
ws.onopen = () => ws.close(3000, 'question');
await t.watch(ws);
const none = new WebSocket(t.server({ reply: t.close() }));
none.onopen = () => none.close(3000, 'question');
await t.watch(none);
