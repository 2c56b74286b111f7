// A Redis that stands still, dies, comes back with nothing, with everything, or with the past.
import { rmSync } from "node:fs";
import path from "node:path";
import { percentile } from "../judge.mjs";
import { commands } from "../proxy.mjs";
import { residentKib, sleep } from "../world.mjs";

const PUBLISH_MS = 2_500;
const MEMORY_KIB = 16 * 1_024;

export const redis = {
  "paused 10 s": {
    smoke: true, bar: { healMs: 2_000 },
    async fault(world) {
      const before = world.nodes.map(residentKib);
      const disconnects = away(world);
      const from = Date.now();
      world.redis.process.signal("SIGSTOP");
      await sleep(10_000);
      world.redis.process.signal("SIGCONT");
      const since = Date.now();
      longestRefusal(world, from);
      world.check("memory of a node", Math.max(...world.nodes.map((node, index) => residentKib(node) - before[index])), MEMORY_KIB, "KiB more");
      world.check("clients that lost their connection", away(world) - disconnects, 0, "clients");
      return { since };
    },
  },

  // Nothing of the log is left, so everybody must be told. Live sockets have seen all that was acknowledged, but for what
  // Redis had yet to announce as it died.
  "back empty": {
    smoke: true, bar: { lost: 20, needless: null, healMs: 3_000 },
    async fault(world) {
      await die(world, (directory) => rmSync(path.join(directory, "dump.rdb"), { force: true }));
      return { since: Date.now() };
    },
    after: everyoneTold,
  },

  "back from AOF": {
    world: { redis: { extra: ["--appendonly", "yes", "--appendfsync", "everysec"] } },
    bar: { healMs: 3_000 },
    async fault(world) {
      await die(world);
      return { since: Date.now() };
    },
  },

  // What was acknowledged after the snapshot is gone from the log.
  "back from an old snapshot": {
    bar: { lost: 20, needless: null, healMs: 3_000 },
    async fault(world) {
      await world.redis.cli("SAVE");
      await sleep(3_000);
      await die(world);
      return { since: Date.now() };
    },
    after: everyoneTold,
  },

  "command connections killed": {
    smoke: true, bar: {},
    async fault(world) {
      for (let round = 0; round < (world.settings.short ? 10 : 50); round += 1) {
        world.lines.forEach((line) => line.cut(commands));
        await sleep(world.settings.short ? 500 : 1_200);
      }
      return { since: Date.now() };
    },
  },

  "one node cut off 10 s": {
    bar: { healMs: 2_000 },
    async fault(world) {
      const [line] = world.lines;
      const from = Date.now();
      line.hold();
      await sleep(10_000);
      const since = Date.now();
      longestRefusal(world, from);
      line.release();
      return { since };
    },
  },

  "200 ms late with stalls": {
    bar: {},
    async fault(world) {
      const random = world.noise;
      world.lines.forEach((line) => line.delay({ ms: 100, stallShare: 0.02, stallMs: 300, random }));
      const from = Date.now();
      await sleep(15_000);
      const until = Date.now() - 2_000;
      world.check("p99 from publish to callback", percentile(world.members, world.publisher, from + 1_000, until, 0.99), 1_000);
      world.lines.forEach((line) => line.delay(undefined));
      return { since: Date.now() };
    },
  },
};

async function die(world, meanwhile = () => {}) {
  world.redis.process.signal("SIGKILL");
  await world.redis.process.ended;
  meanwhile(world.redis.directory);
  await sleep(500);
  await world.redis.restart();
}

const away = (world) => world.members.reduce((sum, { history }) => sum + history.filter(({ kind }) => kind === "disconnect").length, 0);

/// While Redis is away a publish must be refused, and soon.
function longestRefusal(world, from) {
  const refused = world.publisher.refusals.filter(({ at }) => at >= from);
  if (refused.length === 0) throw new Error("no publish was refused: the fault proved nothing");
  world.check("longest refusal of a publish", Math.max(...refused.map(({ ms }) => ms)), PUBLISH_MS);
}

/// Every client is told of each of its rooms whose log went back: those in which it has seen what is no longer there.
async function everyoneTold(world, since) {
  const silent = world.members.filter(({ history, rooms }) =>
    rooms.some((room) => !history.some(({ kind, room: of, at }) => kind === "gap" && of === room && at >= since - 5_000)));
  world.check("clients not told of a room", silent.length, 0, "clients");
}
