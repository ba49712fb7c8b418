// All has arrived before the first task runs; each message is still delivered, and OPEN while it is.
const ws = new WebSocket(t.server({ with: t.text('one') + t.text('two') + t.close(1001, 'leaving') }));
const closed = t.watch(ws);
ws.onmessage = () => {
  const end = Date.now() + 60;
  while (Date.now() < end);
  t.log('after work', ws.readyState);
};
await closed;
