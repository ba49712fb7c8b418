// Within the task that made the object, and within microtasks of it, no event can be missed.
const ws = new WebSocket(t.server({ with: t.text('early') }));
await Promise.resolve();
const end = Date.now() + 150;
while (Date.now() < end);
await null;
const closed = t.watch(ws);
ws.onmessage = () => ws.close();
await closed;
