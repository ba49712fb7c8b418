const url = t.server({ answer: '00' });
for (const protocols of [[], "!#$%&'*+-.^_`|~09azAZ", ['a', 'ab', 'b'], null, undefined, 0, new Set(['x', 'y'])]) {
  t.attempt(String(JSON.stringify(protocols)), () => {
    const ws = new WebSocket(url, protocols);
    ws.close();
    return ws.readyState;
  });
}
