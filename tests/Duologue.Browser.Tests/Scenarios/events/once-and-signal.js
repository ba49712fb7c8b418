const ws = new WebSocket(t.echo());
const controller = new AbortController();
const once = () => t.log('once');
ws.addEventListener('message', once, { once: true });
ws.addEventListener('message', once);
ws.addEventListener('message', () => t.log('until aborted'), { signal: controller.signal });
ws.addEventListener('message', () => t.log('passive'), { passive: true });
const aborted = new AbortController();
aborted.abort();
ws.addEventListener('message', () => t.log('never'), { signal: aborted.signal });
await t.next(ws, 'open');
for (let i = 0; i < 3; i++) {
  ws.send('x');
  await t.next(ws, 'message');
  t.log('--');
  if (i === 1) {
    controller.abort();
  }
}
ws.close();
await t.next(ws, 'close');
