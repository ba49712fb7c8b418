// Fetch §2.9, "bad port". A browser may say so at once or by its events; either way it must not connect.
for (const port of [1, 25, 110, 6000, 6697, 10080]) {
  let ws;
  try {
    ws = new WebSocket(`ws://127.0.0.1:${port}/`);
  } catch (error) {
    t.log(`port ${port} throws ${error.name}`);
    continue;
  }
  await t.watch(ws, `port ${port}`);
}
