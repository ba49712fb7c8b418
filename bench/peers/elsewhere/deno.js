// The server of bench/run on Deno.
const receivers = new Set();
Deno.serve({ port: Number(Deno.args[0]), hostname: "127.0.0.1", onListen() {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.binaryType = "arraybuffer";
  switch (new URL(request.url).pathname) {
    case "/echo":
      socket.onmessage = (event) => socket.send(event.data);
      break;
    case "/fanout":
      socket.onopen = () => receivers.add(socket);
      socket.onclose = () => receivers.delete(socket);
      break;
    case "/fanout/publish":
      socket.onmessage = (event) => receivers.forEach((receiver) => receiver.send(event.data));
      break;
  }
  return response;
});
