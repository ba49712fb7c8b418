const ws = new WebSocket(t.server({ send: [t.text('one'), t.text('two'), t.close(1001, 'leaving')] }));
ws.addEventListener('message', () => t.log('state', ws.readyState));
await t.watch(ws);
