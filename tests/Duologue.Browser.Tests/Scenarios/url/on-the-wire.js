// The request line is what the URL says, byte for byte.
for (const [scheme, rest] of [['ws', '/%7Ep/%41?q=€\''], ['http', '/a b/é?x#'.replace('#', '')], ['ws', ''], ['ws', '?only'], ['ws', '/a/../b//c;d=e'], ['ws', '/?'], ['ws', "/'()*!$&+,;=:@[]^`{}?'()*!$&+,;=:@|[]^`{}"]]) {
  const ws = new WebSocket(`${scheme}://${t.host}${rest}`);
  t.log(ws.url);
  ws.onopen = () => ws.send('request');
  ws.onmessage = () => ws.close();
  await t.next(ws, 'close');
}
