const ws = new WebSocket(t.server({ send: [...Array.from({ length: 300 }, (_, i) => t.text(String(i))), t.close(1000)] }));
const got = [];
ws.onmessage = e => got.push(e.data);
await t.watch({ addEventListener: (type, listener) => type === 'message' || ws.addEventListener(type, listener), get readyState() { return ws.readyState; }, get protocol() { return ws.protocol; }, get extensions() { return ws.extensions; } });
t.log(got.length, got.every((text, i) => text === String(i)));
