// As in line-ends-without-a-close-frame.js. The page has closed, the server has read that and ends TCP without an answer.
for (const how of ['fin', 'reset']) {
  const ws = new WebSocket(t.server({ reply: 'none', afterClose: how }));
  ws.onopen = () => ws.close(3000, 'mine');
  await t.watch(ws, how);
}
