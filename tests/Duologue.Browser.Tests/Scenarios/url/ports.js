for (const text of [
  'ws://h.test:80/', 'wss://h.test:443/', 'http://h.test:80/', 'https://h.test:443/', 'ws://h.test:443/', 'wss://h.test:80/', 'ws://h.test:/', 'ws://h.test:0008080/',
  'ws://h.test:65535/', 'ws://h.test:65536/', 'ws://h.test:99999999999999999999/', 'ws://h.test:8o/', 'ws://h.test:-1/', 'ws://h.test:80:80/', 'ws://h.test: 80/', 'ws://:80/', 'ws://h.test:+80/', 'ws://h.test:８０/',
]) {
  t.attempt(JSON.stringify(text), () => {
    const ws = new WebSocket(text);
    ws.close();
    return ws.url;
  });
}
