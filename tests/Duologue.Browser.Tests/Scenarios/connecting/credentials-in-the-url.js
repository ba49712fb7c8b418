const ws = new WebSocket(t.server({ note: 'Authorization' }).replace('//', '//user:s%3Acret@'));
ws.onopen = () => ws.close();
await t.watch(ws);
// A browser keeps them for the server's question, 401; here they are sent at once: see docs/browser-api.md.
