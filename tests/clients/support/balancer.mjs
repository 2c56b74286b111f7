// A round-robin TCP balancer as small as can be: a connection goes to the next upstream that accepts it.
import net from "node:net";
import { freePort } from "./waiting.mjs";

const PROBE_EVERY_MS = 250;

export class Balancer {
  /// `healthy(url)`, where given, is asked all the time; who says no, or nothing in time, gets no new connections.
  static async start(upstreams, { healthy } = {}) {
    const balancer = new Balancer(upstreams, await freePort());
    await new Promise((resolve) => balancer.server.listen(balancer.port, "127.0.0.1", resolve));
    if (healthy) balancer.probe = setInterval(() => balancer.#probe(healthy), PROBE_EVERY_MS);
    return balancer;
  }

  constructor(upstreams, port) {
    this.use(upstreams);
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.next = 0;
    this.ill = new Set();
    this.sockets = new Set();
    this.server = net.createServer((client) => this.#attach(client, this.#well.length));
  }

  /// Sends new connections to these from now on; open ones stay where they are.
  use(upstreams) {
    this.upstreams = upstreams;
  }

  /// Those that may get connections: all of them if none is well, since the answers may be wrong.
  get #well() {
    const well = this.upstreams.filter((url) => !this.ill.has(url));
    return well.length > 0 ? well : this.upstreams;
  }

  #probe(healthy) {
    for (const url of this.upstreams) {
      healthy(url).catch(() => false).then((well) => (well ? this.ill.delete(url) : this.ill.add(url)));
    }
  }

  /// Ends every open connection.
  cut() {
    for (const socket of this.sockets) socket.destroy();
  }

  #attach(client, attempts) {
    if (attempts <= 0) return client.destroy();
    const well = this.#well;
    const port = Number(new URL(well[this.next++ % well.length]).port);
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
    clearInterval(this.probe);
    this.server.close();
    this.cut();
  }
}
