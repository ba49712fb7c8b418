await t.watch(new WebSocket(t.server({ with: t.close(4001, 'early') })), 'close');
await t.watch(new WebSocket(t.server({ with: t.text('hello') + t.close(4002, 'bye') })), 'message and close');
