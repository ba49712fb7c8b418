const ws = new WebSocket(t.echo());
const removed = () => t.log('never');
ws.addEventListener('message', () => {
  t.log('first');
  ws.removeEventListener('message', removed);
  ws.addEventListener('message', () => t.log('added'), { once: true });
}, { once: true });
ws.addEventListener('message', removed);
ws.onmessage = () => {
  t.log('handler');
  ws.onmessage = () => t.log('another handler');
};
ws.onopen = () => {
  ws.send('1');
  ws.send('2');
  ws.send('3');
};
for (let i = 0; i < 3; i++) {
  await t.next(ws, 'message');
  t.log('--');
}
ws.close();
await t.next(ws, 'close');
