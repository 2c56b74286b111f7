// Everything that a scenario needs, started together and stopped together: Redis, a proxy before it for each node, the
// nodes, a proxy before each node, a balancer before those, clients in processes of their own, and a publisher.
//
//   clients ── balancer ── doors[i] ── nodes[i] ── lines[i] ── Redis
import { readFileSync } from "node:fs";
import { Balancer } from "../clients/support/balancer.mjs";
import { Gateway } from "../clients/support/gateway.mjs";
import { Redis } from "../clients/support/redis.mjs";
import { gatewayConfig } from "../clients/support/system.mjs";
import { until } from "../clients/support/waiting.mjs";
import { Crowd } from "./crowd.mjs";
import { healed, judge } from "./judge.mjs";
import { Proxy } from "./proxy.mjs";
import { Publisher } from "./publisher.mjs";
import { draw, seeded } from "./random.mjs";

// Short enough for a fault of six seconds to be longer than both, long enough for a busy machine.
export const HEARTBEAT = "engine: { ping_interval_ms: 3000, ping_timeout_ms: 2000 }\n";
const PROBE_MS = 500;
// Without any progress for so long, what is missing is lost.
const QUIET_MS = 8_000;
const SETTLE_EVERY_MS = 250;

const DEFAULTS = {
  nodes: 3, clients: 60, rooms: 20, roomsEach: 3, rate: 200, processes: 3, config: HEARTBEAT, doors: true, messages: false,
  drain: undefined, redis: {}, publisher: {}, options: {}, env: () => ({}), seats: undefined, backend: undefined, healMs: 30_000,
};

export class World {
  static async start(settings) {
    const world = new World({ ...DEFAULTS, ...settings });
    try {
      await world.#build();
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  constructor(settings) {
    this.settings = settings;
    // One for each purpose: how many events were published by then must not change which fault comes next.
    [this.random, this.noise, this.load, this.places] = [0, 1, 2, 3].map((purpose) => seeded(settings.seed * 4 + purpose));
    Object.assign(this, { nodes: [], lines: [], doors: [], notes: [], checks: [] });
    this.rooms = Array.from({ length: settings.rooms }, (_, index) => `room-${index}`);
  }

  async #build() {
    const { nodes, config, drain, doors, messages, env, options, processes, publisher, rate } = this.settings;
    this.backend = this.settings.backend ? await this.settings.backend(this) : await Single.start(this.settings.redis, nodes, messages);
    this.redis = this.backend.redis;
    this.lines = this.backend.lines ?? [];
    const text = gatewayConfig().replace(/^drain: .*$/m, (usual) => drain ?? usual) + config;
    this.nodes = await Promise.all(Array.from({ length: nodes }, (_, index) =>
      Gateway.start({ redisUrl: this.backend.url(index), config: text, name: `gateway-${index}`, env: env(index) })));
    if (doors) this.doors = await Promise.all(this.nodes.map((node) => Proxy.start(Number(new URL(node.url).port))));
    const upstreams = doors ? this.doors.map(({ url }) => url) : this.nodes.map(({ url }) => url);
    const admins = new Map(upstreams.map((url, index) => [url, this.nodes[index].adminUrl]));
    this.balancer = await Balancer.start(upstreams, { healthy: (url) => ready(admins.get(url)) });
    this.publisher = new Publisher({
      url: this.balancer.url, rooms: this.rooms, random: this.load, rate, redisUrl: this.redis?.url, ...publisher,
    });
    this.crowd = new Crowd(this.balancer.url, await this.#seats(), { processes, options });
  }

  /// Every room has somebody; some clients are in several rooms.
  #seats() {
    const { clients, roomsEach, seats } = this.settings;
    if (seats) return seats(this);
    return Array.from({ length: clients }, (_, id) => {
      const others = draw(this.places, this.rooms, Math.floor(this.places() * roomsEach));
      return { rooms: [...new Set([this.rooms[id % this.rooms.length], ...others])] };
    });
  }

  get members() {
    return this.crowd.members;
  }

  async begin() {
    await this.crowd.arrive();
    this.publisher.start();
    await this.heal(Date.now());
  }

  /// Waits until everyone hears again what is published after `since`, and returns how long that took.
  async heal(since, deadlineMs = this.settings.healMs) {
    const at = await until("everyone to be served again", () => healed(this.members, this.publisher, since), deadlineMs)
      .catch((error) => {
        const away = this.members.filter(({ connected, gone }) => !connected && !gone).length;
        throw new Error(`${error.message}; ${away} clients are not connected`);
      });
    return at - since;
  }

  /// The end of the load: everything is acknowledged, and what is still to come has time to come.
  async settle(options) {
    await this.publisher.finish();
    let sums = judge(this.members, this.publisher, options);
    for (let [least, since] = [sums.untold, Date.now()]; sums.untold > 0 && Date.now() < since + QUIET_MS;) {
      await sleep(SETTLE_EVERY_MS);
      sums = judge(this.members, this.publisher, options);
      if (sums.untold < least) [least, since] = [sums.untold, Date.now()];
    }
    return sums;
  }

  /// A measurement that the scenario's bar names.
  check(what, value, limit, unit = "ms") {
    this.checks.push({ what, value, limit, unit, ok: value <= limit });
  }

  until(what, condition, deadlineMs) {
    return until(what, condition, deadlineMs);
  }

  note(text) {
    this.notes.push(text);
  }

  /// What was logged, without the coming and going of clients.
  logs() {
    const all = [...this.nodes.map(({ process }) => process), ...(this.crowd?.processes ?? [])].map((one) => one.tail());
    return all.join("\n").split("\n").filter((line) => !/realtime\.(dis)?connect"/.test(line)).join("\n");
  }

  async stop() {
    this.publisher?.stop();
    await this.crowd?.stop();
    this.balancer?.stop();
    this.doors.forEach((door) => door.stop());
    // Their graceful end is a scenario of its own; a paused process would not even hear SIGTERM.
    await Promise.allSettled(this.nodes.map((node) => node.stop("SIGKILL")));
    await this.backend?.stop();
  }
}

/// One Redis, and a proxy before it for each node.
export class Single {
  static async start(options, nodes, messages = false) {
    const single = new Single();
    single.redis = await Redis.start(options);
    single.lines = await Promise.all(Array.from({ length: nodes }, () => Proxy.start(single.redis.port, { messages })));
    return single;
  }

  url(index) {
    return this.lines[index].redisUrl;
  }

  async stop() {
    this.lines.forEach((line) => line.stop());
    await this.redis.stop("SIGKILL");
  }
}

/// Resident memory of a process in KiB.
export function residentKib({ process }) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${process.child.pid}/status`, "utf8"))[1]);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function ready(adminUrl) {
  return (await fetch(`${adminUrl}/readyz`, { signal: AbortSignal.timeout(PROBE_MS) })).ok;
}
