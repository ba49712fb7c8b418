const ws = new WebSocket(t.server({ send: [t.ping(''), t.ping('ping'), t.text('between'), t.ping('x'.repeat(125)), t.frame(10, [1, 2]), t.close(1000)] }));
await t.watch(ws);
