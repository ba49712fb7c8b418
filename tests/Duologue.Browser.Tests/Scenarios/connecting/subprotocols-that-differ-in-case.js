// The standard compares names without case here, as Node.js does and Chromium does not: see docs/browser-api.md.
t.attempt('a, A', () => {
  const ws = new WebSocket(`ws://${t.refused}/`, ['a', 'A']);
  ws.close();
  return ws.readyState;
});
