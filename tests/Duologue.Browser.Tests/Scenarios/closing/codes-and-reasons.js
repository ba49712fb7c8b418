// Checked in every state, the code before the reason.
const long = 'x'.repeat(124);
const check = ws => {
  for (const code of [0, 999, 1001, 1005, 1006, 1015, 2999, 5000, 65535, 65536, -1, null, NaN, 999.4, 'x']) {
    t.attempt(`state ${ws.readyState} close(${code})`, () => ws.close(code));
  }
  t.attempt(`state ${ws.readyState} close(999, 124 bytes)`, () => ws.close(999, long));
  t.attempt(`state ${ws.readyState} close(1000, 124 bytes)`, () => ws.close(1000, long));
  t.attempt(`state ${ws.readyState} close(1000, 62 é)`, () => ws.close(1000, 'é'.repeat(62)));
  t.attempt(`state ${ws.readyState} close(1000, 41 € and 1 lone surrogate)`, () => ws.close(1000, '€'.repeat(41) + '\ud800'));
};
const ws = new WebSocket(t.echo());
const closed = t.watch(ws);
check(ws);
await t.next(ws, 'open');
check(ws);
ws.close(3000, 'x'.repeat(123));
check(ws);
await closed;
check(ws);
