const ws = new WebSocket(t.server({ send: [
  t.text('one ', { fin: false }), t.more('two ', { fin: false }), t.ping('between'), t.more('three'),
  t.text('', { fin: false }), t.more('', { fin: false }), t.more(''),
  t.frame(1, [0xe2], { fin: false }), t.frame(0, [0x82], { fin: false }), t.frame(0, [0xac]),
  t.frame(2, [1], { fin: false }), t.frame(0, [2]),
  t.close(1000),
] }));
ws.binaryType = 'arraybuffer';
await t.watch(ws);
