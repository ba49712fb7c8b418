for (const [code, reason] of [[1000, ''], [3000, ''], [3999, 'bye'], [4000, 'tschüß'], [4999, '€'.repeat(41)], [1000.4, ''], ['3001', 'a string'], [1000, '\ud800lone\udc00'], [3000, null], [3000, undefined]]) {
  const ws = new WebSocket(t.echo());
  ws.onopen = () => ws.close(code, reason);
  await t.watch(ws);
}
