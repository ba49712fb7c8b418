const ws = new WebSocket(t.echo());
ws.onopen = () => ws.close();
await t.watch(ws);
const second = new WebSocket(t.echo());
second.onopen = () => second.close(undefined, undefined);
await t.watch(second);
