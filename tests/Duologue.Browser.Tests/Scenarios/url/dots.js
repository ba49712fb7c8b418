for (const path of ['a/./b/../c', 'a/%2e/b/%2E./c', '../../a', 'a/..', 'a/b/.', 'a//b/', 'a/...', '.', '..', './', '%2e%2E', 'a/.%2e/b', '..a', 'a\\..\\b', 'C:/..', 'a/b/..?x/../y']) {
  t.attempt(path, () => {
    const ws = new WebSocket('ws://h.test/' + path);
    ws.close();
    return ws.url;
  });
}
