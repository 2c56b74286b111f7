// The way between clients and nodes: cut, held, late, and without any memory of who belongs where.
import { choose } from "../random.mjs";
import { sleep } from "../world.mjs";

const POLLING = { transports: ["polling"] };
const UPGRADE = { transports: ["polling", "websocket"] };

export const network = {
  "every connection cut": {
    smoke: true, bar: { recovered: 99, healMs: 6_000 },
    async fault(world) {
      const since = Date.now();
      world.doors.forEach((door) => door.cut());
      return { since };
    },
  },

  "cut again and again while coming back": {
    bar: { recovered: 99 },
    async fault(world) {
      for (let round = 0; round < 20; round += 1) {
        choose(world.random, world.doors).cut(() => world.random() < 0.5);
        await sleep(200 + world.random() * 800);
      }
      return { since: Date.now() };
    },
  },

  // Shorter than a client waits for a ping.
  "held for 2 s": {
    smoke: true, bar: { healMs: 2_000 },
    async fault(world) {
      world.doors.forEach((door) => door.hold());
      await sleep(2_000);
      const since = Date.now();
      world.doors.forEach((door) => door.release());
      return { since };
    },
  },

  "200 ms late with stalls": {
    bar: {},
    async fault(world) {
      const random = world.noise;
      world.doors.forEach((door) => door.delay({ ms: 100, stallShare: 0.02, stallMs: 300, random }));
      await sleep(10_000);
      world.doors.forEach((door) => door.delay(undefined));
      return { since: Date.now() };
    },
  },
};

export const balancer = {
  "polling, any node answers": {
    bar: {}, world: { options: POLLING, rate: 50 },
    async fault() {
      await sleep(5_000);
      return { since: Date.now() };
    },
  },

  "polling, owner killed": {
    bar: { recovered: 99, healMs: 8_000 }, world: { options: POLLING, rate: 50 },
    async fault(world) {
      const since = Date.now();
      world.nodes[0].process.signal("SIGKILL");
      await world.nodes[0].process.ended;
      return { since };
    },
  },

  "upgrade lands on another node": {
    bar: {}, world: { options: UPGRADE },
    async fault() {
      await sleep(3_000);
      return { since: Date.now() };
    },
  },
};
