const names = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];
t.log(names.map(name => WebSocket[name]));
t.log(names.map(name => WebSocket.prototype[name]));
const ws = new WebSocket(`ws://${t.refused}/`);
t.log(names.map(name => ws[name]));
t.log(ws instanceof WebSocket, t.kind(ws), ['onopen', 'onmessage', 'onerror', 'onclose'].map(name => ws[name]));
await t.watch(ws);
