const answer = lines => t.hex(new Uint8Array(Array.from(`HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n\r\n`, c => c.charCodeAt(0))));
await t.watch(new WebSocket(t.server({ answer: answer('Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=') })), 'another value');
await t.watch(new WebSocket(t.server({ answer: answer('Upgrade: websocket\r\nConnection: Upgrade') })), 'none');
