const ws = new WebSocket(t.server({ reply: t.text('late') + t.binary([1]) + t.ping('late') + t.close(1000, 'now') }));
ws.onopen = () => ws.close(1000);
await t.watch(ws);
