const url = text => t.attempt(JSON.stringify(text), () => {
  const ws = new WebSocket(text);
  ws.close();
  return ws.url;
});
for (const text of [
  'ws://h.test', 'wss://h.test', 'http://h.test/a', 'https://h.test/a', 'HTTP://H.TEST/A', 'wS://H.Test',
  'wss:h.test:8080/p', 'wss:/h.test', 'wss:////h.test', 'ws:\\\\h.test\\a\\b', 'ws://h.test?x', 'ws://h.test/?',
  'ws:h.test:81/p', 'ws:/h.test', 'http:p', 'http:/p',
  'ftp://h.test/', 'file:///x', 'mailto:a@h.test', 'about:blank', 'javascript:1', 'data:,x', 'blob:http://h.test/x', 'httpx://h.test/', ':', '//', '://h.test/',
]) url(text);
