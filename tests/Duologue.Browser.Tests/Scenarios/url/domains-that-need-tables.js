// Composed and compatibility forms: without ICU (InvariantGlobalization, as in the tests) .NET has no tables for them; see docs/browser-api.md.
for (const host of ['mu\u0308nchen.test', 'ﬁle.test', '①.test', 'İ.test', 'ǅ.test', '㎏.test', 'ſ.test', '½.test']) {
  t.attempt(JSON.stringify(host), () => {
    const ws = new WebSocket(`ws://${host}/`);
    ws.close();
    return ws.url;
  });
}
