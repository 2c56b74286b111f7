// A TCP proxy in front of Redis that can hold connections open and carry nothing, or lose a single message.
import net from "node:net";
import { freePort } from "./waiting.mjs";

export class Tap {
  static async start(port) {
    const tap = new Tap(port, await freePort());
    await new Promise((resolve) => tap.server.listen(tap.port, "127.0.0.1", resolve));
    return tap;
  }

  constructor(upstream, port) {
    this.upstream = upstream;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.pairs = new Set();
    this.lost = 0;
    this.server = net.createServer((client) => this.#attach(client));
  }

  /// Every connection that is a subscriber's now carries nothing more, in either direction, and stays open.
  freezeSubscribers() {
    const subscribers = [...this.pairs].filter((pair) => pair.subscribes && !pair.frozen);
    for (const pair of subscribers) {
      pair.frozen = true;
      pair.client.pause();
      pair.server.pause();
    }
    return subscribers.length;
  }

  /// How many connections of subscribers carry something.
  get subscribers() {
    return [...this.pairs].filter((pair) => pair.subscribes && !pair.frozen).length;
  }

  /// The next chunk for each subscriber that contains `text` is lost.
  loseOnce(text) {
    for (const pair of this.pairs) pair.losing = pair.subscribes ? text : undefined;
  }

  stop() {
    this.server.close();
    for (const { client, server } of this.pairs) {
      client.destroy();
      server.destroy();
    }
  }

  #attach(client) {
    const server = net.connect(this.upstream, "127.0.0.1");
    const pair = { client, server, subscribes: false, frozen: false };
    this.pairs.add(pair);
    client.on("data", (chunk) => {
      pair.subscribes ||= chunk.includes("SUBSCRIBE\r\n");
      server.write(chunk);
    });
    server.on("data", (chunk) => {
      if (pair.losing && chunk.includes(pair.losing)) {
        pair.losing = undefined;
        this.lost += 1;
        return;
      }
      client.write(chunk);
    });
    for (const [one, other] of [[client, server], [server, client]]) {
      one.on("error", () => {});
      one.on("close", () => {
        other.destroy();
        this.pairs.delete(pair);
      });
    }
  }
}
