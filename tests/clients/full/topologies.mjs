// Redis as production runs it: a replicated pair under three sentinels, and a Cluster of three masters.
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { Process } from "../support/process.mjs";
import { Redis } from "../support/redis.mjs";
import { freePort, until } from "../support/waiting.mjs";

const SERVICE = "fanfare";
const SLOTS = 16_384;
const FORM_MS = 30_000;
const MIGRATE_BATCH = 100;

/// A master, its replica and three sentinels that watch them.
export class Sentinels {
  /// `announced(port)` may name another port for the replica, of a proxy before it.
  static async start({ announced = (port) => port } = {}) {
    const topology = new Sentinels();
    topology.master = await Redis.start();
    const port = await freePort();
    topology.replicaPort = await announced(port);
    const announcement = ["--replica-announce-ip", "127.0.0.1", "--replica-announce-port", String(topology.replicaPort)];
    topology.replica = await Redis.start({ port, extra: ["--replicaof", "127.0.0.1", String(topology.master.port), ...announcement] });
    await topology.replicated();
    topology.sentinels = await Promise.all([1, 2, 3].map(() => topology.#sentinel()));
    await until("the sentinels to know each other and the replica", async () => {
      const known = await Promise.all(topology.ports.map(async (port) => field(await topology.#ask(port, "MASTER", SERVICE))));
      return known.every((master) => master("num-other-sentinels") === "2" && master("num-slaves") === "1");
    }, FORM_MS);
    return topology;
  }

  get ports() {
    return this.sentinels.map(({ port }) => port);
  }

  get url() {
    const [first, ...others] = this.ports.map((port) => `127.0.0.1:${port}`);
    return `redis-sentinel://${first}?sentinelServiceName=${SERVICE}${others.map((node) => `&node=${node}`).join("")}`;
  }

  /// Waits until the replica holds everything the master has.
  async replicated() {
    await until("the replica to be level", async () => {
      const info = await this.master.cli("INFO", "replication");
      const head = /master_repl_offset:(\d+)/.exec(info)?.[1];
      return /slave0:.*state=online/.test(info) && info.includes(`offset=${head},`);
    }, FORM_MS);
  }

  /// Kills the master at once and waits until the sentinels have named the replica.
  async failOver() {
    await this.master.process.stop("SIGKILL");
    await until("the replica to be promoted", async () => {
      const [port] = (await this.#ask(this.ports[0], "GET-MASTER-ADDR-BY-NAME", SERVICE)).split("\n").slice(1);
      return port === String(this.replicaPort) && (await this.replica.cli("INFO", "replication")).includes("role:master");
    }, FORM_MS);
  }

  async stop() {
    await Promise.allSettled((this.sentinels ?? []).map(({ process }) => process.stop()));
    await Promise.allSettled([this.master, this.replica].map((redis) => redis?.stop()));
  }

  async #sentinel() {
    const port = await freePort();
    const file = path.join(this.master.directory, `sentinel-${port}.conf`);
    writeFileSync(file, [
      `port ${port}`, "bind 127.0.0.1", `dir ${this.master.directory}`,
      `sentinel monitor ${SERVICE} 127.0.0.1 ${this.master.port} 2`,
      `sentinel down-after-milliseconds ${SERVICE} 1000`, `sentinel failover-timeout ${SERVICE} 5000`, "",
    ].join("\n"));
    return { port, process: new Process(`sentinel:${port}`, "redis-sentinel", [file]) };
  }

  #ask(port, ...words) {
    return cli(port, "SENTINEL", ...words);
  }
}

/// Three masters that share the slots, each with as many replicas as asked for. The masters are the first three nodes.
export class Cluster {
  static async start({ replicas = 0 } = {}) {
    const cluster = new Cluster();
    cluster.nodes = await Promise.all(Array.from({ length: 3 * (1 + replicas) }, async () =>
      // The default bus port, 10,000 above, may not exist for a high port.
      Redis.start({ extra: [
        "--cluster-enabled", "yes", "--cluster-port", String(await freePort()), "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0",
      ] })));
    const addresses = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`);
    await cli(cluster.nodes[0].port, "--cluster", "create", ...addresses, "--cluster-replicas", replicas, "--cluster-yes");
    await cluster.whole();
    await Promise.all(cluster.nodes.slice(3).map((node) => until("the replicas to have a copy", async () =>
      (await node.cli("INFO", "replication")).includes("master_link_status:up"), FORM_MS)));
    return cluster;
  }

  get url() {
    const [first, ...others] = this.nodes.map(({ port }) => `127.0.0.1:${port}`);
    return `redis-cluster://${first}?${others.map((node) => `node=${node}`).join("&")}`;
  }

  /// Waits until every node sees all slots served.
  async whole() {
    await until("the cluster to be whole", async () => {
      const states = await Promise.all(this.nodes.map((node) => node.cli("CLUSTER", "INFO")));
      return states.every((state) => state.includes("cluster_state:ok") && state.includes(`cluster_slots_assigned:${SLOTS}`));
    }, FORM_MS);
  }

  async slotOf(key) {
    return Number(await this.nodes[0].cli("CLUSTER", "KEYSLOT", key));
  }

  /// The index of the node that serves the slot.
  async ownerOf(slot, asked = 0) {
    const ids = await this.#ids();
    const lines = (await this.nodes[asked].cli("CLUSTER", "NODES")).split("\n");
    const holds = (range) => {
      const [low, high = low] = range.split("-").map(Number);
      return low <= slot && slot <= high;
    };
    const line = lines.find((text) => !/master,fail|,fail /.test(text) && text.split(" ").slice(8).some((range) => !range.startsWith("[") && holds(range)));
    return line ? ids.indexOf(line.split(" ")[0]) : -1;
  }

  /// Kills the master of a slot at once and waits until one of its replicas serves it; returns that one's index.
  async failOver(slot) {
    const from = await this.ownerOf(slot);
    this.nodes[from].process.signal("SIGKILL");
    const asked = (from + 1) % 3;
    let owner = from;
    await until("a replica to be promoted", async () => (owner = await this.ownerOf(slot, asked)) !== from && owner >= 0, FORM_MS);
    await until("the slot to be served", async () => (await this.nodes[owner].cli("CLUSTER", "INFO")).includes("cluster_state:ok"), FORM_MS);
    return owner;
  }

  /// Moves a slot with all its keys to another node, as resharding does; returns the new owner's index.
  async moveSlot(slot) {
    const ids = await this.#ids();
    const from = await this.ownerOf(slot);
    const to = (from + 1) % this.nodes.length;
    await this.nodes[to].cli("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[from]);
    await this.nodes[from].cli("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to]);
    for (;;) {
      const keys = (await this.nodes[from].cli("CLUSTER", "GETKEYSINSLOT", slot, MIGRATE_BATCH)).split("\n").filter(Boolean);
      if (keys.length === 0) break;
      await this.nodes[from].cli("MIGRATE", "127.0.0.1", this.nodes[to].port, "", 0, 5_000, "KEYS", ...keys);
    }
    for (const node of [this.nodes[to], this.nodes[from], this.nodes[3 - from - to]]) await node.cli("CLUSTER", "SETSLOT", slot, "NODE", ids[to]);
    return to;
  }

  async stop() {
    await Promise.allSettled(this.nodes.map((node) => node.stop()));
  }

  async #ids() {
    for (const node of this.nodes) node.id ??= await node.cli("CLUSTER", "MYID");
    return this.nodes.map(({ id }) => id);
  }
}

const run = promisify(execFile);

async function cli(port, ...words) {
  const { stdout } = await run("redis-cli", ["-h", "127.0.0.1", "-p", String(port), ...words.map(String)], { timeout: FORM_MS });
  return stdout.trim();
}

/// Reads a flat reply of alternating names and values.
function field(reply) {
  const lines = reply.split("\n");
  return (name) => lines[lines.indexOf(name) + 1];
}
