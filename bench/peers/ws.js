// The server of bench/run on Node.js with the package ws: /echo, /fanout, /fanout/publish; /collect collects the garbage (node --expose-gc).
// ws checks UTF-8 by default; it pings nobody by itself.
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { WebSocketServer } from "ws";
import { parse } from "./arguments.js";

const { port, deflate, tls } = parse(process.argv.slice(2));
const answer = (request, response) => {
  const collects = request.url === "/collect" && globalThis.gc !== undefined;
  if (collects) globalThis.gc();
  response.writeHead(collects ? 204 : 404).end();
};
const server = tls ? createSecureServer(tls, answer) : createServer(answer);
const perMessageDeflate = deflate && {
  threshold: 0,
  serverNoContextTakeover: !deflate.context,
  clientNoContextTakeover: !deflate.context,
  serverMaxWindowBits: deflate.bits,
};
const sockets = new WebSocketServer({ server, perMessageDeflate: perMessageDeflate ?? false, maxPayload: 1024 * 1024 });
const subscribers = new Set();
sockets.on("connection", (socket, request) => {
  socket.on("error", () => {}); // a load may end without a close handshake
  switch (request.url) {
    case "/echo":
      socket.on("message", (data, binary) => socket.send(data, { binary }));
      break;
    case "/fanout":
      subscribers.add(socket);
      socket.on("close", () => subscribers.delete(socket));
      break;
    case "/fanout/publish":
      socket.on("message", (data, binary) => {
        for (const subscriber of subscribers) subscriber.send(data, { binary });
      });
      break;
    default:
      socket.close(1008);
  }
});
server.listen({ port, host: "127.0.0.1", backlog: 4096 }, () => console.log(`listening ${server.address().port} ${process.pid}`));
