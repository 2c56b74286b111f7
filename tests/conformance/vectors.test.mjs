// Every captured vector that needs a live server, against gateways of our own: each one is a test with the vector's name.
import { after, before, describe } from "node:test";
import { Redis } from "../clients/support/redis.mjs";
import { freePort } from "../clients/support/waiting.mjs";
import { Server } from "./server.mjs";
import { config } from "./vectors/files.mjs";
import { httpVectors } from "./vectors/http.mjs";
import { msgpackVectors } from "./vectors/msgpack.mjs";
import { recoveryVectors } from "./vectors/recovery.mjs";
import { webSocketVectors } from "./vectors/websocket.mjs";

describe("vectors", () => {
  let gateway, msgpackPort;
  const url = () => gateway.endpoint;

  before(async () => {
    msgpackPort = await freePort();
    gateway = await Server.start({ config: config("gateway.yaml", { MSGPACK_PORT: msgpackPort }) });
  });
  after(() => gateway.stop());

  describe("Socket.IO over WebSocket", () => webSocketVectors(url));
  describe("Engine.IO over HTTP", () => httpVectors(url));
  describe("msgpack parser", () => msgpackVectors(() => new URL(`http://127.0.0.1:${msgpackPort}/socket.io/`)));
});

describe("connection state recovery", () => {
  let redis, gateway;

  before(async () => {
    redis = await Redis.start();
    gateway = await Server.start({ config: config("recovery.yaml"), redisUrl: redis.url });
  });
  after(async () => {
    await gateway.stop();
    await redis.stop();
  });

  recoveryVectors(() => ({ url: gateway.endpoint, redis }));
});
