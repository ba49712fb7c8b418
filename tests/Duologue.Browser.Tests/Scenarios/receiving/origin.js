const ws = new WebSocket(`http://user:pw@${t.host}/`);
ws.onopen = () => ws.send('x');
ws.onmessage = e => {
  t.log(e.origin);
  ws.close();
};
await t.next(ws, 'close');
