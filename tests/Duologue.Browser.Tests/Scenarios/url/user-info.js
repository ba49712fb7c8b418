// The address is shown without it, unlike a browser's: see docs/browser-api.md.
for (const text of ['ws://user:secret@h.test/p', 'ws://user@h.test/', 'ws://:pw@h.test/', 'ws://a@b:c@h.test/', 'ws://@h.test/', 'ws://:@h.test/', 'ws://u/:p@h.test/']) {
  t.attempt(text, () => {
    const ws = new WebSocket(text);
    ws.close();
    return ws.url;
  });
}
