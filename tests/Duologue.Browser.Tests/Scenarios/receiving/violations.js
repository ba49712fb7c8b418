// What came before is delivered; then error and close.
const cases = {
  'invalid UTF-8': t.frame(1, [0xff]),
  'UTF-8 that ends too soon': t.frame(1, [0xe2, 0x82]),
  'surrogate in UTF-8': t.frame(1, [0xed, 0xa0, 0x80]),
  'invalid UTF-8 in a fragment': t.text('ok', { fin: false }) + t.frame(0, [0xc0, 0x80]),
  'masked frame': t.text('masked', { mask: true }),
  'reserved bit 1': t.frame(1, [], { rsv: 4 }),
  'reserved bit 2': t.frame(1, [], { rsv: 2 }),
  'reserved bit 3': t.frame(1, [], { rsv: 1 }),
  'reserved opcode 3': t.frame(3, []),
  'reserved opcode 11': t.frame(11, []),
  'continuation of nothing': t.more('x'),
  'new message within one': t.text('a', { fin: false }) + t.text('b'),
};
for (const [name, bytes] of Object.entries(cases)) {
  await t.watch(new WebSocket(t.server({ send: [t.text('before'), bytes, t.text('after')] })), name);
}
