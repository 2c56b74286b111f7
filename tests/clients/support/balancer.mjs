// A round-robin TCP balancer as small as can be: a connection goes to the next upstream that accepts it.
import net from "node:net";
import { freePort } from "./waiting.mjs";

export class Balancer {
  static async start(upstreams) {
    const balancer = new Balancer(upstreams, await freePort());
    await new Promise((resolve) => balancer.server.listen(balancer.port, "127.0.0.1", resolve));
    return balancer;
  }

  constructor(upstreams, port) {
    this.use(upstreams);
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.next = 0;
    this.sockets = new Set();
    this.server = net.createServer((client) => this.#attach(client, this.ports.length));
  }

  /// Sends new connections to these from now on; open ones stay where they are.
  use(upstreams) {
    this.ports = upstreams.map((url) => Number(new URL(url).port));
  }

  #attach(client, attempts) {
    if (attempts === 0) return client.destroy();
    const port = this.ports[this.next++ % this.ports.length];
    const upstream = net.connect(port, "127.0.0.1");
    const retry = () => this.#attach(client, attempts - 1);
    upstream.once("error", retry);
    upstream.once("connect", () => {
      upstream.off("error", retry);
      for (const [from, to] of [[client, upstream], [upstream, client]]) {
        this.sockets.add(from);
        from.on("error", () => to.destroy());
        from.on("close", () => this.sockets.delete(from));
        from.pipe(to);
      }
    });
  }

  stop() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
