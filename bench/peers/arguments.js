// What the servers here take: [--port N] [--deflate off|shared|dedicated[:BITS]] [--tls CERTIFICATE.pem KEY.pem]
// Each prints "listening PORT PID" once it accepts connections, as bench/Duologue.EchoServer does.
import { readFileSync } from "node:fs";

export function parse(given) {
  const options = { port: 0, deflate: null, tls: null };
  for (let i = 0; i < given.length; i++) {
    switch (given[i]) {
      case "--port":
        options.port = Number(given[++i]);
        break;
      case "--deflate": {
        const [mode, bits] = given[++i].split(":");
        options.deflate = mode === "off" ? null : { context: mode === "dedicated", bits: Number(bits ?? 15) };
        break;
      }
      case "--tls":
        options.tls = { cert: readFileSync(given[++i]), key: readFileSync(given[++i]) };
        break;
      default:
        console.error(`unknown option: ${given[i]}`);
        process.exit(2);
    }
  }

  return options;
}
