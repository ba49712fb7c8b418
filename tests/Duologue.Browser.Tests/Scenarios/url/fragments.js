for (const text of ['ws://h.test/#', 'ws://h.test/#x', 'ws://h.test#', 'ws://h.test/?a#b', 'ws://h.test/%23', 'ws://h.test/?%23', 'http://h.test/#x']) {
  t.attempt(text, () => {
    const ws = new WebSocket(text);
    ws.close();
    return ws.url;
  });
}
