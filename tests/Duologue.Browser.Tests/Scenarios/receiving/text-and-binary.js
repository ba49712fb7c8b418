const ws = new WebSocket(t.server({ send: [t.text(''), t.text('grüße €\u{1f600}'), t.binary([]), t.binary([1, 2, 255]), t.text('x'.repeat(125)), t.text('x'.repeat(126)), t.text('\ufeffbom'), t.text('a\u0000b'), t.close(1000)] }));
await t.watch(ws);
