for (const [code, reason] of [[1000, ''], [1001, 'leaving'], [1011, 'ä'.repeat(61) + 'x'], [3000, ''], [4999, 'bye'], [1002, ''], [1014, 'x']]) {
  await t.watch(new WebSocket(t.server({ send: t.close(code, reason) })));
}
await t.watch(new WebSocket(t.server({ send: t.close() })));
