const ws = new WebSocket(t.echo());
const f = () => t.log('f');
ws.onopen = f;
t.log(ws.onopen === f);
for (const value of [null, undefined, 5, 'text', true]) {
  ws.onopen = value;
  t.log(String(value), ws.onopen);
}
const object = { handleEvent() { t.log('never called'); } };
ws.onopen = object;
t.log(ws.onopen === object);
ws.onmessage = f;
ws.addEventListener('message', f);
ws.removeEventListener('message', f);
await t.next(ws, 'open');
ws.send('x');
await t.next(ws, 'message');
ws.close();
await t.next(ws, 'close');
