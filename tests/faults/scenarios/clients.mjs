// Clients that do not read, vanish, or come all at once.
import { readdirSync } from "node:fs";
import { percentile } from "../judge.mjs";
import { residentKib, sleep } from "../world.mjs";
import { comeBack, leave } from "./streams.mjs";

const STALL_MS = 6_000;
const REAPED_MS = 3_000 + 2_000 + 1_000;
// A busy machine is not a dead client.
const CALM = "engine: { ping_interval_ms: 25000, ping_timeout_ms: 20000 }\n";
const SLOW_KIB = 2 * 1_024;
const OUTBOX_KIB = 1_024;

export const clients = {
  // 5 MB a second go to a client that takes nothing; it is on its node's own port, so that only the kernel helps it.
  "slow reader among 59 healthy": {
    bar: {}, limitMs: 90_000,
    world: { publisher: { fill: "x".repeat(25_000) }, seats: oneInEveryRoom },
    async fault(world) {
      const [slow, ...healthy] = world.members;
      const from = Date.now();
      await sleep(5_000);
      const usual = percentile(healthy, world.publisher, from, Date.now(), 0.99);
      const memory = residentKib(world.nodes[0]);
      const paused = Date.now();
      world.crowd.pause([slow]);
      await world.until("the slow client to be given up", async () => (await closed(world, "slow_consumer")) > 0, 30_000);
      world.check("given up after", Date.now() - paused, STALL_MS);
      world.check("memory of its node", residentKib(world.nodes[0]) - memory, SLOW_KIB, "KiB more");
      world.check("p99 of the healthy", percentile(healthy, world.publisher, paused, Date.now(), 0.99), Math.round(usual * 1.2) + 5);
      world.note(`p99 before ${usual} ms`);
      world.crowd.resume([slow]);
      return { since: Date.now() };
    },
  },

  "500 readers stop at once": {
    bar: {}, limitMs: 180_000,
    world: { clients: 560, rooms: 20, roomsEach: 1, rate: 100, doors: false, publisher: { fill: "x".repeat(20_000) }, config: CALM, processes: 4 },
    async fault(world) {
      const before = world.nodes.map(residentKib);
      const stopped = world.members.slice(60);
      world.crowd.pause(stopped);
      await sleep(15_000);
      const more = world.nodes.map((node, index) => residentKib(node) - before[index]);
      world.check("memory of a node", Math.max(...more), 0.25 * OUTBOX_KIB * stopped.length / world.nodes.length, "KiB more");
      world.crowd.resume(stopped);
      return { since: Date.now() };
    },
  },

  // Their packets go nowhere and nobody says so.
  "half-open sockets are reaped": {
    smoke: true, bar: {}, limitMs: 120_000, official: false,
    world: { seats: manyOnOneDoor },
    async fault(world) {
      const [node] = world.nodes;
      const lost = world.members.filter(({ own }) => own.url === world.doors[0].url);
      const files = () => readdirSync(`/proc/${node.process.child.pid}/fd`).length;
      const before = { files: files(), clients: await node.metric("fanfare_clients") };
      world.crowd.forget(lost);
      const from = Date.now();
      if (world.doors[0].halfOpen() < lost.length) throw new Error("not every connection went through the door");
      const left = async () => before.clients - (await node.metric("fanfare_clients"));
      await world.until("every half-open client to be reaped", async () => (await left()) >= lost.length, 60_000);
      world.check(`${lost.length} reaped after`, Date.now() - from, REAPED_MS);
      // Others come and go meanwhile: to Redis, to other nodes, to whoever asks for the metrics.
      await world.until("their files to be closed", () => before.files - files() >= lost.length - 16, 10_000);
      return { since: Date.now() };
    },
  },

  "5,000 come back at once": {
    bar: { recovered: 99, healMs: 30_000 }, limitMs: 300_000,
    world: { clients: 5_000, rooms: 100, roomsEach: 1, rate: 100, doors: false, processes: 4, config: CALM },
    async fault(world) {
      const reads = await calls(world, "xrange");
      const away = await leave(world, world.members.length);
      // Twenty events for each of them.
      await sleep((20 * world.rooms.length * 1_000) / world.settings.rate);
      const outcome = comeBack(world, away);
      await world.until("everybody to be connected", () => world.crowd.seated, 120_000);
      world.check("everybody connected after", Date.now() - outcome.since, 30_000);
      world.check("reads of the log", (await calls(world, "xrange")) - reads, world.rooms.length * 3 * 1.1, "calls");
      return outcome;
    },
  },

  "rolling restart of 3 under 2,000": {
    bar: { recovered: 100, publish5xx: 0 }, limitMs: 240_000,
    world: {
      clients: 2_000, rooms: 100, roomsEach: 2, rate: 100, doors: false, processes: 4, config: CALM, drain: "drain: { grace_ms: 1000, window_ms: 5000 }",
    },
    async fault(world) {
      for (const node of world.nodes) {
        node.process.signal("SIGTERM");
        await node.restart();
        await world.until("everybody to be back", () => world.crowd.seated, 30_000);
      }
      return { since: Date.now() };
    },
  },
};

function oneInEveryRoom({ rooms, nodes }) {
  const slow = { rooms, own: { url: nodes[0].url } };
  return [slow, ...Array.from({ length: 59 }, (_, id) => ({ rooms: [rooms[id % rooms.length]] }))];
}

function manyOnOneDoor({ rooms, doors, settings }) {
  const count = settings.short ? 200 : 1_000;
  const lost = Array.from({ length: count }, () => ({ rooms: [rooms[0]], own: { url: doors[0].url } }));
  // The others are on other nodes, since the door takes all of its own with it.
  const others = (id) => ({ rooms: [rooms[id % rooms.length]], own: { url: doors[1 + (id % 2)].url } });
  return [...lost, ...Array.from({ length: 40 }, (_, id) => others(id))];
}

async function closed({ nodes }, reason) {
  const counts = await Promise.all(nodes.map((node) => node.metric("fanfare_disconnects_total", reason)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/// How often Redis has run a command.
async function calls({ redis }, name) {
  const text = await redis.cli("INFO", "commandstats");
  return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(text)?.[1] ?? 0);
}
