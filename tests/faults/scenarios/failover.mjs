// A primary dies and a replica takes over, with everything or without the last of it.
import { Moving } from "../failover.mjs";
import { logged } from "./streams.mjs";

const TAIL_ROOMS = 4;
const TAIL_EVENTS = 40;
const backend = (count) => (world) => Moving.start(world.settings.nodes, count);

export const failover = {
  // Live clients have seen what Redis then lost: they are told in the rooms concerned, and nobody else is.
  "lost tail": {
    smoke: true, bar: { lost: null, healMs: 5_000 }, world: { backend: backend(2) },
    async fault(world) {
      await loseTail(world, 1);
      return finish(world, 1);
    },
  },

  "lost tail twice, to a staler one": {
    bar: { lost: null, healMs: 5_000 }, world: { backend: backend(3) },
    async fault(world) {
      await writeTail(world, 2, world.rooms.slice(-TAIL_ROOMS));
      await loseTail(world, 1);
      await world.heal(Date.now());
      await world.backend.kill(1);
      await world.backend.promote(2);
      return finish(world, 2);
    },
  },

  // The old primary was only cut off. It follows the new one, and is promoted again.
  "old primary promoted again": {
    bar: { lost: null, healMs: 5_000 }, world: { backend: backend(2) },
    async fault(world) {
      const { backend: moving } = world;
      await writeTail(world, 1, world.rooms.slice(0, TAIL_ROOMS));
      await moving.promote(1);
      world.publisher.start();
      await world.heal(Date.now());
      const lost = await vanished(world, moving.servers[1].url);
      await moving.servers[0].cli("REPLICAOF", "127.0.0.1", moving.servers[1].port);
      await moving.level();
      await moving.promote(0);
      return finish(world, 0, lost);
    },
  },
};

async function loseTail(world, to) {
  await writeTail(world, to, world.rooms.slice(0, TAIL_ROOMS));
  await world.backend.kill(0);
  await world.backend.promote(to);
  world.publisher.start();
}

/// A tail in some rooms only, so that it shows who is told without need.
async function writeTail({ backend: moving, publisher }, replica, rooms) {
  await publisher.finish();
  await moving.level(replica);
  moving.lag(replica);
  for (let number = 0; number < TAIL_EVENTS; number += 1) await publisher.publish([rooms[number % rooms.length]]);
}

async function finish(world, primary, before = new Set()) {
  const since = Date.now();
  await world.heal(since);
  const lost = new Set([...before, ...(await vanished(world, world.backend.servers[primary].url))]);
  if (lost.size === 0) throw new Error("no tail was lost: the fault proved nothing");
  world.note(`${lost.size} acknowledged events were lost by Redis`);
  return { since, vanished: lost };
}

/// What was acknowledged and is in no log of this server.
export async function vanished({ rooms, publisher }, url) {
  const acknowledged = publisher.acknowledged.map(({ n }) => n);
  const kept = await logged(url, rooms);
  return new Set(acknowledged.filter((n) => !kept.has(n)));
}
