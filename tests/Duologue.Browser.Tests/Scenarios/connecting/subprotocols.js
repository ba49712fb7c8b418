const cases = [
  [[], ''],
  [[], 'chat'],
  ['chat', 'chat'],
  ['chat', 'CHAT'],
  ['chat', 'other'],
  ['chat', ''],
  [['a', 'b'], 'b'],
  [['a', 'b'], 'a, b'],
  ['Chat', 'Chat'],
];
for (const [asked, agreed] of cases) {
  const url = t.server({ note: 'Sec-WebSocket-Protocol', header: agreed ? `Sec-WebSocket-Protocol: ${agreed}` : 'X: y' });
  const ws = new WebSocket(url, asked);
  ws.addEventListener('open', () => ws.close());
  await t.watch(ws, `asked '${asked}', agreed '${agreed}'`);
  t.log(`afterwards '${ws.protocol}'`);
}
