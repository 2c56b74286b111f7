// Redis pub/sub connections killed under load, and a node told to stop: nobody loses, doubles or reorders an event.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Balancer } from "../support/balancer.mjs";
import { Client } from "../support/clients.mjs";
import { onReference } from "../support/gateway.mjs";
import { assertComplete, fault, publishNumbered } from "../support/ledger.mjs";
import { Redis } from "../support/redis.mjs";
import { System } from "../support/system.mjs";
import { Tap } from "../support/tap.mjs";
import { until } from "../support/waiting.mjs";

const TEST = { timeout: 90_000 };

describe("the ledger", () => {
  test("sees what is missing, double or out of order", () => {
    assert.deepEqual(
      [[1, 2, 3], [1, 3], [1, 2, 2, 3], [1, 3, 2]].map((numbers) => fault(numbers, 3)),
      ["none", "1 missing, first 2", "1 twice, first 2", "2 after 3"],
    );
  });
});

describe("pub/sub connections killed under load", { skip: onReference && "the reference does not recover what it missed" }, () => {
  for (const namespace of ["/", "/chat"]) {
    test(`every client of ${namespace} sees 1 to 600 once and in order`, TEST, () => withSystem(async (system) => {
      const clients = await audience(system, namespace);
      let killed = 0;
      const kill = async () => (killed += Number(await system.redis.cli("CLIENT", "KILL", "TYPE", "pubsub")));
      await publishNumbered(system, 600, { namespace, nodes: [0, 1, 2], whenever: (number) => number % 40 === 0 && kill() });
      await assertComplete(clients, 600);
      assert.ok(killed > 0, "no connection was killed: the test proved nothing");
      clients.forEach((client) => assert.deepEqual(client.disconnects, []));
      clients.forEach((client) => client.close());
    }));
  }

  test("a lost last event is found without a next one", TEST, () => withSystem(async (system) => {
    const clients = await audience(system, "/");
    await publishNumbered(system, 5);
    await system.redis.cli("CLIENT", "KILL", "TYPE", "pubsub");
    await publishNumbered(system, 1);
    await Promise.all(clients.map((client) => client.take("numbered", 6)));
    clients.forEach((client) => client.close());
  }));
});

describe("publications of several rooms while connections break", { skip: onReference && "the reference does not recover what it missed" }, () => {
  const rooms = Array.from({ length: 8 }, (_, index) => `room ${index} #{}`);
  const some = (number) => rooms.filter((_, index) => index === number % 8 || (number % 4 === 0 && index === (number * 3 + 1) % 8));

  test("each socket sees each once, in the order of every room, and is told of no gap", TEST, () => withSystem(async (system) => {
    const clients = await Promise.all(system.urls.flatMap((url) => [0, 1, 2].map(async (seat) => {
      const client = await Client.connect(url);
      client.rooms = rooms.filter((_, index) => index % 3 !== seat);
      return client.join(...client.rooms);
    })));
    const accepted = new Map();
    // Eight publishers, so that some publication is always under way while connections are made again.
    await Promise.all(Array.from({ length: 8 }, async (_, publisher) => {
      for (let number = publisher; number < 3_000; number += 8) {
        if (number % 160 === 0) await system.redis.cli("CLIENT", "KILL", "TYPE", "pubsub");
        const { id } = await system.publish({ rooms: some(number), event: "numbered", data: number }, { node: number % 3 });
        accepted.set(number, id);
      }
    }));
    for (const client of clients) {
      const owed = [...accepted.keys()].filter((number) => some(number).some((room) => client.rooms.includes(room)));
      const seen = () => client.seen("numbered").map(([number]) => number);
      await until("every client to have all", () => seen().length >= owed.length, 20_000);
      assert.deepEqual(seen().toSorted((one, other) => one - other), owed.toSorted((one, other) => one - other));
      for (const room of client.rooms) {
        const ids = seen().filter((number) => some(number).includes(room)).map((number) => accepted.get(number));
        assert.deepEqual(ids, ids.toSorted(byId), `the order of ${room}`);
      }
      assert.deepEqual(client.seen("fanfare:gap"), []);
      client.close();
    }
  }));

  test("frozen subscriber connections are replaced and what they missed is read back", TEST, async () => {
    const redis = await Redis.start();
    const tap = await Tap.start(redis.port);
    const system = await System.start({ redis, redisUrl: tap.url });
    try {
      const clients = await audience(system, "/");
      await publishNumbered(system, 300, { nodes: [0, 1, 2], whenever: (number) => number === 100 && tap.freezeSubscribers() });
      await assertComplete(clients, 300);
      // The leader of the foreign ways in listens on a connection of its own.
      await until("new connections", () => tap.subscribers >= 4);
      await Promise.all(system.nodes.map((node) => until("a proven node", async () => (await fetch(`${node.adminUrl}/readyz?deep=1`)).ok)));
      tap.loseOnce("numbered");
      await publishNumbered(system, 1);
      await Promise.all(clients.map((client) => client.take("numbered", 301, 2_000)));
      assert.equal(tap.lost, 3, "each node lost the one announcement");
      clients.forEach((client) => assert.deepEqual(client.seen("fanfare:gap"), []));
      clients.forEach((client) => client.close());
    } finally {
      tap.stop();
      await system.stop();
    }
  });

  test("what is volatile comes once, however many of its rooms a socket is in", TEST, () => withSystem(async (system) => {
    const clients = await Promise.all(system.urls.map(async (url) => (await Client.connect(url)).join(...rooms)));
    for (let number = 0; number < 20; number += 1) await system.publish({ rooms, event: "numbered", data: number, volatile: true });
    await system.publish({ rooms, event: "last", data: 0 });
    for (const client of clients) {
      await client.take("last");
      assert.deepEqual(client.seen("numbered").map(([number]) => number), Array.from({ length: 20 }, (_, number) => number));
      client.close();
    }
  }));
});

function byId(one, other) {
  const [[ms, seq], [otherMs, otherSeq]] = [one, other].map((id) => id.split("-").map(Number));
  return ms - otherMs || seq - otherSeq;
}

describe("SIGTERM", () => {
  for (const mode of ["websocket", "polling"]) {
    test(`clients lose the transport, not the right to return (${mode})`, TEST, () => withSystem(async (system) => {
      // Polling is sent to one node at a time: requests of a session belong together.
      const width = mode === "polling" ? 1 : 3;
      const balancer = await Balancer.start(system.urls.slice(0, width));
      const clients = await Promise.all(Array.from({ length: 6 }, () => Client.connect(balancer.url, "/", { mode })));
      system.nodes[0].process.signal("SIGTERM");
      await system.nodes[0].process.ended;
      balancer.use(system.urls.slice(1, 1 + width));
      await until("clients of the node to be told", () => clients.some((client) => client.disconnects.length > 0));
      await until("everyone to be back", () => clients.every(({ socket }) => socket.connected));
      const reasons = clients.flatMap((client) => client.disconnects);
      assert.ok(reasons.every((reason) => reason.startsWith("transport")), `${reasons}`);
      await Promise.all(clients.map((client) => client.join("load")));
      // The reference keeps order only for what one node publishes.
      await publishNumbered(system, 10, { nodes: onReference ? [1] : [1, 2] });
      await assertComplete(clients, 10);
      clients.forEach((client) => client.close());
      balancer.stop();
    }));
  }

  test("the process ends with status 0 when its clients are gone", TEST, () => withSystem(async (system) => {
    const client = await Client.connect(system.urls[0]);
    client.close();
    await system.nodes[0].stop();
    assert.equal(system.nodes[0].process.exit, 0);
  }, 1));
});

async function audience(system, namespace) {
  const modes = ["websocket", "polling", "upgrade"];
  const places = system.urls.flatMap((url) => modes.map((mode) => [url, mode]));
  const clients = await Promise.all(places.map(([url, mode]) => Client.connect(url, namespace, { mode })));
  await Promise.all(clients.map((client) => client.join("load")));
  return clients;
}

async function withSystem(body, nodes = 3) {
  const system = await System.start({ nodes });
  try {
    await body(system);
  } catch (error) {
    console.error(system.logs());
    throw error;
  } finally {
    await system.stop();
  }
}
