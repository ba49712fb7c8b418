const ws = new WebSocket(t.server({ with: t.close(4001, 'server') }));
const closed = t.watch(ws);
ws.onopen = () => {
  const end = Date.now() + 60;
  while (Date.now() < end);
  t.log('state', ws.readyState);
};
await closed;
