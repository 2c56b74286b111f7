// Nodes that die, freeze, or are told to go.
import { sleep } from "../world.mjs";

const STEPS = 8;
const STEP_MS = 80;

/// Kills a node without a word and starts it again.
async function kill(node) {
  node.process.signal("SIGKILL");
  await node.process.ended;
}

export const nodes = {
  killed: {
    smoke: true, bar: { recovered: 99, healMs: 6_000 },
    async fault(world) {
      const since = Date.now();
      await kill(world.nodes[0]);
      return { since };
    },
  },

  "each killed in turn": {
    bar: { recovered: 99 }, limitMs: 180_000,
    async fault(world) {
      const end = Date.now() + (world.settings.short ? 20_000 : 120_000);
      for (let index = 0; Date.now() < end; index += 1) {
        const node = world.nodes[index % world.nodes.length];
        const due = Date.now() + 5_000;
        await kill(node);
        await node.restart();
        await sleep(Math.max(0, due - Date.now()));
      }
      return { since: Date.now() };
    },
  },

  "paused 6 s": paused(6_000),
  "paused 20 s": paused(20_000),

  // Redis is slowed down, so that the steps of a resume lie apart, and the node dies a little later each time.
  "killed during a resume, at each step": {
    bar: { recovered: 99 }, limitMs: 180_000,
    async fault(world) {
      for (let step = 0; step < STEPS; step += 1) {
        world.lines.forEach((line) => line.delay({ ms: STEP_MS / 2 }));
        const node = world.nodes[step % world.nodes.length];
        const before = world.members.map(({ comes }) => comes);
        const dialled = world.doors[step % world.nodes.length].dialled;
        world.doors.forEach((door) => door.cut());
        await world.until("somebody to come back", () => world.doors[step % world.nodes.length].dialled > dialled);
        await sleep(step * STEP_MS + STEP_MS / 2);
        await kill(node);
        world.lines.forEach((line) => line.delay(undefined));
        await node.restart();
        await world.until("everybody to be back", () => world.crowd.seated && world.members.every(({ comes }, id) => comes > before[id]), 30_000);
      }
      return { since: Date.now() };
    },
  },

  "stopped gracefully": {
    smoke: true, bar: { recovered: 100, publish5xx: 0 },
    async fault(world) {
      const since = Date.now();
      world.nodes[0].process.signal("SIGTERM");
      await world.nodes[0].process.ended;
      if (world.nodes[0].process.exit !== 0) throw new Error(`ended with ${world.nodes[0].process.exit}`);
      // After a DISCONNECT a stock client would not come back.
      const reasons = world.members.flatMap(({ history }) => history.filter(({ kind }) => kind === "disconnect").map(({ reason }) => reason));
      world.check("clients that were sent away", reasons.filter((reason) => !reason.startsWith("transport")).length, 0, "clients");
      return { since };
    },
  },

  "stopped with 1 s grace": {
    bar: {},
    async fault(world) {
      const since = Date.now();
      const [node] = world.nodes;
      node.process.signal("SIGTERM");
      await Promise.race([sleep(1_000), node.process.ended]);
      node.process.signal("SIGKILL");
      await node.process.ended;
      return { since };
    },
  },
};

/// Longer than ping interval and timeout together: its clients leave, and then it wakes and believes it still has them.
function paused(ms) {
  return {
    bar: {},
    async fault(world) {
      const [node] = world.nodes;
      node.process.signal("SIGSTOP");
      await sleep(ms);
      node.process.signal("SIGCONT");
      return { since: Date.now() };
    },
  };
}
