t.attempt('without new', () => WebSocket(t.echo()));
t.attempt('without a URL', () => new WebSocket());
t.attempt('undefined', () => { const ws = new WebSocket(undefined); ws.close(); return ws.url; });
t.attempt('null', () => { const ws = new WebSocket(null); ws.close(); return ws.url; });
t.attempt('an object', () => { const ws = new WebSocket({ toString: () => t.echo() }); ws.close(); return ws.url; });
t.attempt('protocol that cannot be a string', () => new WebSocket(t.echo(), Symbol('x')));
