// The server of bench/run on Bun, whose WebSocket server is built in: /echo, /fanout, /fanout/publish; /collect collects the garbage.
import { parse } from "./arguments.js";

const { port, deflate, tls } = parse(process.argv.slice(2));
// Bun has no word for smaller windows here but this one.
const compressor = deflate && (deflate.context ? "dedicated" : "shared");
const server = Bun.serve({
  port,
  hostname: "127.0.0.1",
  tls: tls ?? undefined,
  fetch(request, server) {
    const path = new URL(request.url).pathname;
    if (path === "/collect") {
      Bun.gc(true);
      return new Response(null, { status: 204 });
    }

    return server.upgrade(request, { data: { path } }) ? undefined : new Response(null, { status: 404 });
  },
  websocket: {
    maxPayloadLength: 1024 * 1024,
    perMessageDeflate: compressor ? { compress: compressor, decompress: compressor } : false,
    open(socket) {
      if (socket.data.path === "/fanout") socket.subscribe("fanout");
    },
    message(socket, message) {
      if (socket.data.path === "/echo") socket.send(message, compressor !== null);
      else if (socket.data.path === "/fanout/publish") server.publish("fanout", message);
    },
  },
});
console.log(`listening ${server.port} ${process.pid}`);
