const ws = new WebSocket(t.echo());
ws.onopen = () => {
  ws.close(3000, 'at once');
  t.log('after close', ws.readyState);
};
await t.watch(ws);
