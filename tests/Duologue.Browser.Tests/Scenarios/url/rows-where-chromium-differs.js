// Chromium writes and takes some URLs otherwise than the standard, and so than Node.js: see docs/browser-api.md.
for (const text of ['ws://h.test/a|b', 'ws://foo bar.test/', 'ws://foo%20bar.test/', 'ws://a*b.test/', 'ws://xn--a.test/', 'ws://xn--.test/', 'ws://[::1.2.3.04]/', 'ws://%5B::1]/']) {
  t.attempt(text, () => {
    const ws = new WebSocket(text);
    ws.close();
    return ws.url;
  });
}
