const url = text => t.attempt(JSON.stringify(text), () => {
  const ws = new WebSocket(text);
  ws.close();
  return ws.url;
});
for (const text of [
  '  ws://h.test/a \u0000\u001f', '\u0000\u0009ws://h.test/', 'w\ts://h.\nte\rst/\ra', 'ws://h.test/a\u0000b', 'ws://h.test/a\u0001b\u007f',
  'ws://h.test/a b"<>`{}^', "ws://h.test/b'[]~", 'ws://h.test/%7E%zz%', 'ws://h.test/é', 'ws://h.test/\ud83d\ude00',
  'ws://h.test/?€', 'ws://h.test/?a\'b"<>` {}|^\\', 'ws://h.test/?\u0000\u007f', 'ws://h.test/\ud83d?\udc00', 'ws://h.test/?%', 'ws://h.test/?a?b/c',
  'ws://h.test/\u3000', 'ws://h.test/a;b=c,d@e:f$g!h*(i)',
]) url(text);
