const ws = new WebSocket(t.echo() + "&quiet=1");
let wrong = 0;
let rounds = 0;
ws.onopen = () => ws.send('x'.repeat(100));
ws.onmessage = () => {
  wrong += ws.bufferedAmount === 0 ? 0 : 1;
  if (++rounds === 200) {
    ws.close();
    return;
  }
  ws.send('x'.repeat(rounds));
  wrong += ws.bufferedAmount === rounds ? 0 : 1;
};
await t.next(ws, 'close');
t.log(rounds, wrong);
