// A gateway that counts as started when it serves handshakes: nothing but the clients' door is needed here.
import { Gateway } from "../clients/support/gateway.mjs";
import { freePort, until } from "../clients/support/waiting.mjs";

const READY_MS = 20_000;

export class Server extends Gateway {
  static async start({ config, redisUrl, name = "gateway" }) {
    const server = new Server(name, await freePort(), await freePort(), redisUrl, config);
    await server.ready();
    return server;
  }

  /// The Engine.IO endpoint.
  get endpoint() {
    return new URL(`${this.url}/socket.io/`);
  }

  async ready() {
    await until(`${this.process.name} to be ready`, async () => {
      if (!this.process.running) return true;
      return (await fetch(`${this.endpoint}?EIO=4&transport=polling`)).ok;
    }, READY_MS).catch((error) => {
      throw new Error(`${error.message}\n${this.process.tail()}`);
    });
    this.process.assertRunning();
  }
}
