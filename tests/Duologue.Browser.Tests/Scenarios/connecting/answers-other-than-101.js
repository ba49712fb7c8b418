const hex = text => t.hex(new Uint8Array(Array.from(text, c => c.charCodeAt(0))));
const answers = [
  'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi',
  'HTTP/1.1 302 Found\r\nLocation: /server?echo=1\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n',
  'nonsense\r\n\r\n',
  '',
];
for (const answer of answers) {
  await t.watch(new WebSocket(t.server({ answer: hex(answer) })), answer.split('\r')[0]);
}
