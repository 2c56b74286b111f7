// Several Redis servers behind one address that moves, as a managed Redis or a virtual address does it: each node dials its
// own proxy, and a fail-over points the proxies elsewhere. Replication runs through proxies as well, so that it can lag.
import { Redis } from "../clients/support/redis.mjs";
import { until } from "../clients/support/waiting.mjs";
import { Proxy, replicas } from "./proxy.mjs";

export class Moving {
  /// The first of `count` servers is the primary, the others replicate from it, each through a proxy of its own.
  static async start(nodes, count) {
    const moving = new Moving();
    moving.servers = [];
    moving.copies = [];
    for (let index = 0; index < count; index += 1) {
      const from = index > 0 ? await Proxy.start(moving.servers[0].port) : undefined;
      moving.copies.push(from);
      const extra = from ? ["--replicaof", "127.0.0.1", String(from.port)] : [];
      moving.servers.push(await Redis.start({ extra: [...extra, "--repl-diskless-sync-delay", "0"] }));
    }
    moving.lines = await Promise.all(Array.from({ length: nodes }, () => Proxy.start(moving.servers[0].port)));
    moving.primary = 0;
    await moving.level();
    return moving;
  }

  get redis() {
    return this.servers[0];
  }

  url(index) {
    return this.lines[index].redisUrl;
  }

  /// Waits until the replicas (or the one named) are connected and have everything that was there when this began.
  async level(only) {
    const others = this.servers.filter((_, index) => index !== this.primary && index === (only ?? index));
    const head = Number(field(await this.servers[this.primary].cli("INFO", "replication"), "master_repl_offset"));
    await Promise.all(others.map((server) => until("the replica to be level", async () => {
      const own = await server.cli("INFO", "replication");
      return own.includes("master_link_status:up") && Number(field(own, "slave_repl_offset")) >= head;
    }, 30_000)));
  }

  /// From now on this replica gets nothing more.
  lag(index) {
    if (this.copies[index].halfOpen(replicas) === 0) throw new Error("no replication was held");
    this.copies[index].refuse();
  }

  /// The server becomes the primary, and the address points at it.
  async promote(index) {
    await this.servers[index].cli("REPLICAOF", "NO", "ONE");
    this.primary = index;
    for (const line of this.lines) {
      line.upstream = this.servers[index].port;
      line.cut();
    }
  }

  async kill(index) {
    this.servers[index].process.signal("SIGKILL");
    await this.servers[index].process.ended;
  }

  async stop() {
    [...this.lines, ...this.copies].forEach((proxy) => proxy?.stop());
    await Promise.allSettled(this.servers.map((server) => server.stop("SIGKILL")));
  }
}

const field = (text, name) => new RegExp(`${name}:(\\d+)`).exec(text)[1];
