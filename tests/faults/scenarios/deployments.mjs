// Redis as production runs it, while it does what it is made for: Sentinels that promote, a Cluster that moves slots.
import { Cluster, Sentinels } from "../../clients/full/topologies.mjs";
import { Proxy } from "../proxy.mjs";
import { sleep } from "../world.mjs";
import { vanished } from "./failover.mjs";

const KEY = "fanfare:{main/}:head";
const REFUSED_MS = 2_000;
const SILENCE_MS = 10_000;

export const sentinel = {
  "clean fail-over": {
    bar: { healMs: 3_000 }, official: false, world: { backend: sentinels },
    async fault(world) {
      const { topology } = world.backend;
      await topology.replicated();
      const from = Date.now();
      await topology.failOver();
      return promoted(world, from);
    },
  },

  // The node that takes over is named before it can be reached.
  "first dials refused": {
    bar: { healMs: 5_000 }, official: false, world: { backend: sentinelsWithProxy },
    async fault(world) {
      const { topology, proxy } = world.backend;
      await topology.replicated();
      const from = Date.now();
      proxy.refuse();
      await topology.failOver();
      await sleep(REFUSED_MS);
      const deep = await Promise.all(world.nodes.map((node) => node.admin("/readyz?deep=1")));
      world.check("nodes that call themselves ready meanwhile", deep.filter(({ status }) => status === 200).length, 0, "nodes");
      proxy.refuse(false);
      return promoted(world, from);
    },
  },
};

export const cluster = {
  "slot of the partition moves": {
    bar: { healMs: 2_000 }, official: false, world: { backend: () => clustered(0) },
    async fault(world) {
      const { topology } = world.backend;
      const slot = await topology.slotOf(KEY);
      for (let move = 0; move < 3; move += 1) {
        await topology.moveSlot(slot);
        const took = await world.heal(Date.now());
        world.check("silence after a move", took, 2_000);
      }
      return { since: Date.now() };
    },
  },

  "primary killed": {
    bar: { healMs: 3_000 }, official: false, world: { backend: () => clustered(1) },
    async fault(world) {
      const { topology } = world.backend;
      const from = Date.now();
      const owner = await topology.failOver(await topology.slotOf(KEY));
      topology.primary = topology.nodes[owner];
      return promoted(world, from);
    },
  },
};

async function promoted(world, from) {
  const since = Date.now();
  const took = await world.heal(since);
  const refused = world.publisher.refusals.filter(({ at }) => at >= from);
  if (refused.length > 0) world.check("publishes refused for", Math.max(...refused.map(({ at, ms }) => at + ms)) - from, SILENCE_MS);
  const { topology } = world.backend;
  const lost = await vanished(world, (topology.primary ?? topology.replica).url);
  world.note(`served again ${took} ms after the promotion was seen; ${lost.size} acknowledged events were lost by Redis`);
  return { since, vanished: lost };
}

async function sentinels(_world, announced) {
  const topology = await Sentinels.start({ announced });
  return { topology, redis: topology.master, url: () => topology.url, stop: () => topology.stop() };
}

async function sentinelsWithProxy() {
  let proxy;
  const made = await sentinels(undefined, async (port) => (proxy = await Proxy.start(port)).port);
  return { ...made, proxy, stop: () => (proxy.stop(), made.stop()) };
}

async function clustered(replicas) {
  const topology = await Cluster.start({ replicas });
  return { topology, url: () => topology.url, stop: () => topology.stop() };
}
