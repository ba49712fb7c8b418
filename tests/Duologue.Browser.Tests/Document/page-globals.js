// The document writes WebScoket once; on this page that is another name of WebSocket. Its port 8080 is the test's server,
// which has a port of its own.
globalThis.WebScoket = class extends WebSocket {
  constructor(url, protocols = []) {
    super(url.replace('localhost:8080', serverHost()), protocols);
  }
};
