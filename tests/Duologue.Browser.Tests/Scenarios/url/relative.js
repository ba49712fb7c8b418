for (const text of ['test', '?', '?x', 'null', '123', '', '/c', '../c', '\\c', '//other.test/c', 'http:c', 'http:/c', 'ws:c.test', 'wss://other.test', ' x ', './', 'a:b', '1:2', '\\\\other.test', '///other.test', '?a#b', '#x', '/a#']) {
  t.attempt(JSON.stringify(text), () => {
    const ws = new WebSocket(text);
    ws.close();
    return ws.url;
  });
}
