const ws = new WebSocket(t.echo());
for (const name of ['url', 'readyState', 'bufferedAmount', 'extensions', 'protocol']) {
  t.attempt(name, () => { 'use strict'; ws[name] = 'x'; });
}
t.log(ws.readyState, ws.bufferedAmount);
ws.onopen = () => ws.close();
await t.watch(ws);
