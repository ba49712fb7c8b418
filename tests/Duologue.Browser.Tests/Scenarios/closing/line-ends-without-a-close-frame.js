// RFC 6455 §7.2.1: the connection has failed, so error fires. Chromium fires none: see docs/browser-api.md.
await t.watch(new WebSocket(t.server({ send: t.text('one'), end: 'fin' })), 'FIN');
const ws = new WebSocket(t.server({ wait: 1, end: 'reset' }));
ws.onopen = () => ws.send('now');
await t.watch(ws, 'reset');
