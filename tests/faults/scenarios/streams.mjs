// Logs that lose entries, keys or their heads: what can no longer be proven complete is told, and nothing else.
import { createRequire } from "node:module";
import { draw } from "../random.mjs";
import { HEARTBEAT, sleep } from "../world.mjs";

const { createClient } = createRequire(new URL("../../clients/package.json", import.meta.url))("redis");

const AWAY = 20;
const PARTITION = "fanfare:{main/}";
const stream = (room) => `${PARTITION}:stream:r${Buffer.from(room).toString("base64url")}`;
const topic = (room) => `${PARTITION}:topic:r${Buffer.from(room).toString("base64url")}`;

export const streams = {
  // Some clients are away for longer than the log reaches back.
  trimmed: {
    bar: { lost: null }, official: false,
    world: { rooms: 4, rate: 400, roomsEach: 2, config: `${HEARTBEAT}history: { entries: 100 }\n` },
    async fault(world) {
      const away = await leave(world);
      await sleep(4_000);
      return comeBack(world, away);
    },
    after: returnersTold,
  },

  expired: {
    bar: { lost: null }, official: false,
    world: { config: `${HEARTBEAT}history: { age_s: 2 }\n` },
    async fault(world) {
      const away = await leave(world);
      await sleep(6_000);
      return comeBack(world, away);
    },
    after: returnersTold,
  },

  "deleted under live clients": {
    smoke: true, bar: {}, official: false,
    fault: (world) => remove(world, world.rooms.map(stream)),
  },
  "heads of rooms deleted under live clients": {
    smoke: true, bar: {}, official: false,
    fault: (world) => remove(world, world.rooms.map(topic)),
  },
  // The log turns into another one. What was acknowledged before was delivered, what comes after is as well.
  "head deleted under live clients": {
    smoke: true, bar: { needless: null }, official: false,
    fault: (world) => remove(world, [`${PARTITION}:head`]),
  },

  "deleted while clients are away": {
    bar: { lost: null }, official: false,
    fault: (world) => removeMeanwhile(world, world.rooms.map(stream)),
    after: returnersTold,
  },
  "head deleted while clients are away": {
    bar: { lost: null, needless: null }, official: false,
    fault: (world) => removeMeanwhile(world, [`${PARTITION}:head`]),
    after: returnersTold,
  },
};

export async function leave(world, count = AWAY) {
  const away = draw(world.random, world.members, count);
  world.crowd.leave(away);
  await world.until("some clients to be away", () => away.every(({ connected }) => !connected));
  return away;
}

export function comeBack(world, away) {
  const since = Date.now();
  world.crowd.comeBack(away);
  return { since, away };
}

async function remove(world, keys) {
  for (let round = 0; round < 5; round += 1) {
    await world.redis.cli("DEL", ...keys);
    await sleep(700);
  }
  return { since: Date.now() };
}

async function removeMeanwhile(world, keys) {
  const away = await leave(world);
  await sleep(1_000);
  await world.redis.cli("DEL", ...keys);
  await sleep(1_000);
  return comeBack(world, away);
}

/// Whoever was away came back without its session, and with a notice for each of its rooms.
async function returnersTold(world, since, { away }) {
  const recovered = away.filter(({ recovered: count }) => count > 0);
  world.check("clients that took themselves for recovered", recovered.length, 0, "clients");
  const silent = away.filter(({ history, rooms }) =>
    !rooms.every((room) => history.filter(({ kind, room: of, at }) => kind === "gap" && of === room && at >= since).length === 1));
  world.check("clients without exactly one notice for each room", silent.length, 0, "clients");
}

/// The numbers that are in the logs of these rooms, on this server.
export async function logged(url, rooms) {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  const numbers = new Set();
  for (const room of rooms) {
    for (const { message } of await client.xRange(stream(room), "-", "+")) {
      for (const [, n] of JSON.stringify(message).matchAll(/\\"n\\":(\d+)/g)) numbers.add(Number(n));
    }
  }
  client.destroy();
  return numbers;
}
