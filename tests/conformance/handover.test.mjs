// Sessions whose requests land on every worker: stock clients poll and upgrade, all at once, under traffic both ways.
// The connection that upgrades moves to the worker that owns its session.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "../clients/support/clients.mjs";
import { until, within } from "../clients/support/waiting.mjs";
import { Server } from "./server.mjs";

const CLIENTS = 300;
const ASKS = 30;
const ROUNDS = Number(process.env.FANFARE_HANDOVER_ROUNDS ?? 3);
const DEADLINE_MS = 60_000;
/// A stall is a client that waits for the next heartbeat to be released, so the heartbeat is longer than everything here may take.
const CONFIG = `
workers: 2
engine: { ping_interval_ms: 120000, ping_timeout_ms: 120000, upgrade_timeout_ms: 60000 }
namespaces:
  "/": { anonymous: true, recovery: false, rooms: [all], publish: [all], events: { echo: { ack: args } } }
drain: { grace_ms: 0, window_ms: 50 }
`;

describe("hand-over between workers", () => {
  let gateway;
  before(async () => (gateway = await Server.start({ config: CONFIG })));
  after(() => gateway.stop());

  for (let round = 1; round <= ROUNDS; round += 1) {
    test(`${CLIENTS} clients upgrade at once, round ${round} [C-01]`, { timeout: 2 * DEADLINE_MS }, () => storm(gateway, "upgrade", "websocket"));
  }
  test(`${CLIENTS} clients stay on polling`, { timeout: 2 * DEADLINE_MS }, () => storm(gateway, "polling", "polling"));
});

async function storm({ url }, mode, transport) {
  const publisher = await Client.connect(url, "/", { mode: "websocket" });
  const publishing = { on: true };
  const published = publish(publisher, publishing);
  const clients = await within("all clients", Promise.all(Array.from({ length: CLIENTS }, () => visit(url, mode))), DEADLINE_MS);
  await until("all transports", () => clients.every((client) => client.transport === transport), DEADLINE_MS);
  publishing.on = false;
  const last = await published;

  await until("the last event everywhere", () => clients.every((client) => client.seen("tick").at(-1)?.[0] === last), DEADLINE_MS);
  for (const client of clients) {
    const ticks = client.seen("tick").map(([number]) => number);
    assert.deepEqual(ticks, ticks.map((_, index) => ticks[0] + index), "from its first event on, each once and in order");
    assert.deepEqual(client.disconnects, []);
  }
  for (const client of [...clients, publisher]) client.close();
}

/// A client that asks one thing after another from the moment it is connected, through the upgrade.
async function visit(url, mode) {
  const client = await Client.connect(url, "/", { mode, reconnection: false, timeout: DEADLINE_MS });
  for (let number = 0; number < ASKS; number += 1) assert.equal(await client.ask("echo", number), number);
  return client;
}

/// Events to everybody for as long as it is wanted; resolves with the number of the last one.
async function publish(client, publishing) {
  let number = 0;
  while (publishing.on || number === 0) {
    number += 1;
    const answer = await client.ask("publish", { room: "all", event: "tick", data: number });
    assert.equal(answer.ok, true, JSON.stringify(answer));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return number;
}
