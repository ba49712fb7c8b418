for (const code of [1005, 1006, 1015]) {
  await t.watch(new WebSocket(t.server({ send: t.close(code) })), String(code));
}
