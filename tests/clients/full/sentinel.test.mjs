// Sentinel: the master dies, the replica takes over, and the ledger still comes out even.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client } from "../support/clients.mjs";
import { onReference } from "../support/gateway.mjs";
import { assertComplete, publishNumbered } from "../support/ledger.mjs";
import { System } from "../support/system.mjs";
import { Sentinels } from "./topologies.mjs";

const TEST = { timeout: 120_000 };
const RECOVERY_MS = 60_000;
const topology = await Sentinels.start();
after(() => topology.stop());

test("a fail-over loses nothing that was replicated", { ...TEST, skip: onReference && "the stand-in knows no Sentinel" }, async () => {
  const system = await System.start({ redisUrl: topology.url });
  try {
    const clients = await Promise.all(system.urls.map((url) => Client.connect(url, "/")));
    await Promise.all(clients.map((client) => client.join("load")));
    await publishNumbered(system, 300, {
      nodes: [0, 1, 2], deadlineMs: RECOVERY_MS,
      whenever: async (number) => {
        if (number !== 100) return;
        await topology.replicated();
        await topology.failOver();
      },
    });
    await assertComplete(clients, 300, RECOVERY_MS);
    clients.forEach((client) => assert.deepEqual(client.disconnects, []));
    clients.forEach((client) => client.close());
  } catch (error) {
    console.error(system.logs());
    throw error;
  } finally {
    await system.stop();
  }
});

test("the topology itself failed over", { ...TEST, skip: !onReference && "done above, with gateways on it" }, async () => {
  await topology.failOver();
  assert.equal(await topology.replica.cli("SET", "written", "1"), "OK");
});
