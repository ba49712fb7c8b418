const url = t.echo();
for (const protocols of ['', ' ', 'a b', 'a,b', 'a/b', 'a"', 'ä', '\u0000', '\u007f', 'a\t', ['a', 'a'], ['a', ''], ['a', 'b c'], '(', ')', '<', '>', '@', ';', ':', '\\', '[', ']', '?', '=', '{', '}']) {
  t.attempt(JSON.stringify(protocols), () => new WebSocket(url, protocols));
}
