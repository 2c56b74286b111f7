#!/usr/bin/env node
// The official server with its Redis Streams adapter and connection state recovery, under the gateway's flags, so that the
// same scenarios run against it. A publish is acknowledged when the server has taken it: its `emit` tells no more.
import http from "node:http";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const library = createRequire(new URL("../clients/package.json", import.meta.url));
const { createAdapter } = library("@socket.io/redis-streams-adapter");
const { createClient } = library("redis");
const { Server } = library("socket.io");

const RECOVERY_MS = 120_000;

const { values: flags } = parseArgs({
  options: { config: { type: "string" }, listen: { type: "string" }, admin: { type: "string" }, redis: { type: "string" } },
});
const config = readFileSync(flags.config, "utf8");
const number = (name, otherwise) => Number(new RegExp(`${name}: (\\d+)`).exec(config)?.[1] ?? otherwise);

const redis = createClient({ url: flags.redis });
redis.on("error", () => {});
await redis.connect();

const server = http.createServer(publish);
const io = new Server(server, {
  adapter: createAdapter(redis),
  connectionStateRecovery: { maxDisconnectionDuration: RECOVERY_MS },
  pingInterval: number("ping_interval_ms", 25_000),
  pingTimeout: number("ping_timeout_ms", 20_000),
});
io.on("connection", (socket) => {
  socket.on("join", async ({ room }, ack) => {
    await socket.join(room);
    ack({ ok: true });
  });
});

await listen(server, flags.listen);
await listen(http.createServer((_, response) => response.end("ok")), flags.admin);
process.on("SIGTERM", () => io.close(() => process.exit(0)));

async function publish(request, response) {
  if (request.url !== "/api/v1/publish") return response.writeHead(404).end();
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { rooms, event, data } = JSON.parse(Buffer.concat(chunks));
  io.to(rooms).emit(event, data);
  response.writeHead(200, { "content-type": "application/json" }).end('{"id":"none"}');
}

function listen(server_, address) {
  const { hostname, port } = new URL(`http://${address}`);
  return new Promise((resolve) => server_.listen(Number(port), hostname, resolve));
}
