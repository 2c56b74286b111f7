// Faults drawn from a seed, one after the other and sometimes two at once, for as long as asked.
import { commands, subscribers } from "../proxy.mjs";
import { choose, draw } from "../random.mjs";
import { sleep } from "../world.mjs";

const PAUSE_MS = 1_500;

/// What Redis and the network do. Each ends by itself, or has an end.
const BACKSTAGE = {
  "subscribers cut": (world) => world.lines.forEach((line) => line.cut(subscribers)),
  "commands cut": (world) => choose(world.random, world.lines).cut(commands),
  "one node cut off": (world) => held(choose(world.random, world.lines), 500 + world.random() * 4_000),
  "subscribers half open": (world) => choose(world.random, world.lines).halfOpen(subscribers),
  "Redis paused": (world) => paused(world.redis, 500 + world.random() * 3_000),
  "Redis late": (world) => late(choose(world.random, world.lines), world, 2_000),
  "clients held": (world) => held(choose(world.random, world.doors), 500 + world.random() * 1_000),
  "clients late": (world) => late(choose(world.random, world.doors), world, 2_000),
};

/// What takes clients' connections away.
const ONSTAGE = {
  "clients cut": (world) => choose(world.random, world.doors).cut(() => world.random() < 0.5),
  "node killed": async (world) => {
    const node = choose(world.random, world.nodes);
    node.process.signal("SIGKILL");
    await node.restart();
  },
  "node stopped": async (world) => {
    const node = choose(world.random, world.nodes);
    node.process.signal("SIGTERM");
    await node.restart();
  },
  "node paused": (world) => paused(choose(world.random, world.nodes), 1_000 + world.random() * 7_000),
};

export const mix = {
  "of Redis and network": { smoke: true, bar: {}, limitMs: 3_600_000, fault: (world) => play(world, BACKSTAGE) },
  "of everything": { bar: {}, limitMs: 3_600_000, fault: (world) => play(world, { ...BACKSTAGE, ...ONSTAGE }) },
};

async function play(world, faults) {
  const end = Date.now() + world.settings.minutes * 60_000;
  const played = new Map();
  while (Date.now() < end) {
    const count = world.random() < 0.3 ? 2 : 1;
    const names = draw(world.random, Object.keys(faults), count);
    names.forEach((name) => played.set(name, (played.get(name) ?? 0) + 1));
    await Promise.all(names.map((name) => faults[name](world)));
    await sleep(world.random() * PAUSE_MS);
  }
  world.note([...played].map(([name, times]) => `${name} ${times} ×`).join(", "));
  return { since: Date.now() };
}

async function held(proxy, ms) {
  proxy.hold();
  await sleep(ms);
  proxy.release();
}

async function late(proxy, { noise: random }, ms) {
  proxy.delay({ ms: 50, stallShare: 0.05, stallMs: 300, random });
  await sleep(ms);
  proxy.delay(undefined);
}

async function paused({ process }, ms) {
  process.signal("SIGSTOP");
  await sleep(ms);
  process.signal("SIGCONT");
}
