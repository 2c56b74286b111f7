// The foreign ways in, while the node dies that leads them.
import { until } from "../../clients/support/waiting.mjs";
import { sleep } from "../world.mjs";

const LEASE_MS = 3_000;

export const foreign = {
  // What an emitter publishes while nobody leads is lost, and counted here; nothing comes twice.
  "emitter, leader killed": {
    bar: {}, official: false,
    world: { publisher: { way: () => "emitter" }, seats: besideTheLeader },
    async fault(world) {
      const at = Date.now();
      const lost = ({ begun }) => begun >= at - 50 && begun <= at + LEASE_MS;
      await killLeader(world);
      return { since: at + LEASE_MS, excused: lost };
    },
  },

  "inbox, consumer killed": {
    smoke: true, bar: {}, official: false,
    world: { publisher: { way: () => "inbox" }, seats: besideTheLeader },
    async fault(world) {
      await killLeader(world);
      return { since: Date.now() };
    },
  },

  // With its Redis slowed down, the deaths fall between reading, publishing and settling.
  "inbox, consumers killed at every step": {
    bar: {}, official: false, limitMs: 180_000,
    world: { publisher: { way: () => "inbox" } },
    async fault(world) {
      world.lines.forEach((line) => line.delay({ ms: 20 }));
      for (let step = 0; step < 8; step += 1) {
        const node = await leader(world);
        await sleep(1_000 + step * 11);
        node.process.signal("SIGKILL");
        await node.restart();
      }
      world.lines.forEach((line) => line.delay(undefined));
      return { since: Date.now() };
    },
  },
};

async function leader({ nodes }) {
  let found;
  await until("a node to lead", async () => {
    for (const node of nodes.filter(({ process }) => process.running)) {
      if ((await node.metric("fanfare_ingest_leads")) > 0) found = node;
    }
    return found;
  });
  return found;
}

async function killLeader(world) {
  const node = await leader(world);
  node.process.signal("SIGKILL");
  await node.process.ended;
}

/// Clients on the other nodes only, so that they lose no connection.
async function besideTheLeader(world) {
  const first = await leader(world);
  const urls = world.nodes.filter((node) => node !== first).map(({ url }) => url);
  return Array.from({ length: 60 }, (_, id) => ({ rooms: [world.rooms[id % world.rooms.length]], own: { url: urls[id % urls.length] } }));
}
