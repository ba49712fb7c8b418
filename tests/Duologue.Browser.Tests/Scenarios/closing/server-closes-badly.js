await t.watch(new WebSocket(t.server({ send: t.frame(8, [3]) })), 'one byte');
await t.watch(new WebSocket(t.server({ send: t.frame(8, [3, 232, 0xc3]) })), 'reason that is no UTF-8');
await t.watch(new WebSocket(t.server({ send: t.frame(8, [3, 232], { fin: false }) })), 'fragmented');
await t.watch(new WebSocket(t.server({ send: t.frame(8, Array(126).fill(65)) })), '126 bytes');
