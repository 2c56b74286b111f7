// A Cluster of three masters: partitions on different shards, sharded announcements.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client } from "../support/clients.mjs";
import { onReference } from "../support/gateway.mjs";
import { assertComplete, publishNumbered } from "../support/ledger.mjs";
import { System } from "../support/system.mjs";
import { Cluster } from "./topologies.mjs";

const TEST = { timeout: 120_000 };
// Their hash tags lie in the slots of the third, the first and the second master.
const NAMESPACES = ["/", "/family", "/teams"];
const keyOf = (namespace) => `fanfare:{main${namespace}}:head`;
const edit = (text) => text.replace("  \"/orders\": *plain\n", "  \"/family\": *plain\n  \"/teams\": *plain\n");
const cluster = await Cluster.start();
const system = onReference ? undefined : await System.start({ redisUrl: cluster.url, edit });
after(async () => {
  await system?.stop();
  await cluster.stop();
});

const onGateway = { ...TEST, skip: onReference && "the stand-in knows no Cluster" };

test("namespaces on different shards are served in order by every node", onGateway, async () => {
  const owners = await Promise.all(NAMESPACES.map(async (namespace) => cluster.ownerOf(await cluster.slotOf(keyOf(namespace)))));
  assert.equal(new Set(owners).size, NAMESPACES.length, "each partition lies on a shard of its own");
  await Promise.all(NAMESPACES.map(async (namespace) => {
    const clients = await audience(namespace);
    await publishNumbered(system, 100, { namespace, nodes: [0, 1, 2] });
    await assertComplete(clients, 100);
    clients.forEach((client) => client.close());
  }));
});

test("the topology itself moves slots", { ...TEST, skip: !onReference && "the fault scenarios do it, with gateways on it" }, async () => {
  const slot = await cluster.slotOf(keyOf("/"));
  const before = await cluster.ownerOf(slot);
  await cluster.nodes[before].cli("SET", keyOf("/"), "kept");
  const owner = await cluster.moveSlot(slot);
  assert.notEqual(owner, before);
  assert.equal(await cluster.ownerOf(slot), owner);
  assert.equal(await cluster.nodes[owner].cli("GET", keyOf("/")), "kept");
});

async function audience(namespace) {
  const clients = await Promise.all(system.urls.map((url) => Client.connect(url, namespace)));
  await Promise.all(clients.map((client) => client.join("load")));
  return clients;
}
