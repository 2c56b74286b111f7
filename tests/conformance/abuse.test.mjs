// What a hostile or broken client can do to the door, by raw connections. After each test a bystander that was connected
// all along is still served, and so is a newcomer.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, before, describe } from "node:test";
import { Redis } from "../clients/support/redis.mjs";
import { freePort } from "../clients/support/waiting.mjs";
import { headAbuse } from "./abuse/heads.mjs";
import { packetAbuse } from "./abuse/packets.mjs";
import { pollingAbuse } from "./abuse/polling.mjs";
import { ask, joinedWire } from "./abuse/sockets.mjs";
import { upgradeAbuse } from "./abuse/upgrades.mjs";
import { Server } from "./server.mjs";
import { config } from "./vectors/files.mjs";

const { Emitter } = createRequire(new URL("../clients/package.json", import.meta.url))("@socket.io/redis-emitter");

describe("abuse", () => {
  let redis, publisher, gateway, bystander, servers;

  before(async () => {
    redis = await Redis.start();
    publisher = await redis.client();
    const [impatient, restless] = [await freePort(), await freePort()];
    const text = config("../abuse/gateway.yaml", { IMPATIENT_PORT: impatient, RESTLESS_PORT: restless });
    gateway = await Server.start({ config: text, redisUrl: redis.url });
    const endpoint = (port) => new URL(`http://127.0.0.1:${port}/socket.io/`);
    servers = {
      main: gateway.endpoint, impatient: endpoint(impatient), restless: endpoint(restless), emitter: new Emitter(publisher),
    };
    bystander = await joinedWire(gateway.endpoint);
  });
  after(async () => {
    assert.doesNotMatch(gateway.process.tail(), /panicked/);
    publisher.destroy();
    await gateway.stop();
    await redis.stop();
  });
  afterEach(async () => {
    assert.deepEqual(await ask(bystander, 5, "echo", "bystander"), ["bystander"]);
    const newcomer = await joinedWire(gateway.endpoint);
    assert.deepEqual(await ask(newcomer, 6, "echo", "newcomer"), ["newcomer"]);
    newcomer.close();
  });

  describe("heads", () => headAbuse(() => servers));
  describe("polling", () => pollingAbuse(() => servers));
  describe("upgrades", () => upgradeAbuse(() => servers));
  describe("packets", () => packetAbuse(() => servers));
});
