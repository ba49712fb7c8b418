// Chromium parses a whole packet before it delivers, and loses what came before in it. The standard loses nothing: see docs/browser-api.md.
const cases = {
  'fragmented ping': t.frame(9, [], { fin: false }),
  'ping of 126 bytes': t.frame(9, Array(126).fill(1)),
  'length not minimal': '817e000161',
  'length of 64 bits with the highest set': '827f8000000000000000',
};
for (const [name, bytes] of Object.entries(cases)) {
  await t.watch(new WebSocket(t.server({ send: [t.text('before'), bytes, t.text('after')] })), name);
}
