// Chromium takes them. RFC 6455 §7.4 reserves them, and other engines fail the connection as here: see docs/browser-api.md.
for (const code of [0, 999, 1004, 1016, 2999, 5000, 65535]) {
  await t.watch(new WebSocket(t.server({ send: t.close(code) })), String(code));
}
