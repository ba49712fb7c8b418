// RFC 6455 §1.4: it is discarded. Chromium fails the connection: see docs/browser-api.md.
await t.watch(new WebSocket(t.server({ send: t.close(4000, 'end') + t.text('after the end') })));
