const ws = new WebSocket(t.server({ with: t.text('a') + t.text('b') + t.close(1000) }));
for (const name of ['first', 'second']) {
  ws.addEventListener('message', e => {
    t.log(name, e.data);
    Promise.resolve().then(() => t.log('microtask of', name, e.data)).then(() => t.log('and its microtask'));
    queueMicrotask(() => t.log('queued by', name));
  });
}
await t.next(ws, 'close');
