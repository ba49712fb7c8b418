const ws = new WebSocket(t.echo());
const closed = t.watch(ws);
t.log(ws.readyState, ws.protocol, ws.extensions, ws.bufferedAmount, ws.binaryType);
ws.onopen = () => ws.send('hello everyone');
ws.onmessage = () => ws.close(1000, 'done');
await closed;
