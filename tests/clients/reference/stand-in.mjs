#!/usr/bin/env node
// A stand-in for the gateway built from the Node.js server and its Redis adapter: same flags, same verbs, same publish
// call. It exists to prove the suites right; it promises neither order over nodes nor replay.
import http from "node:http";
import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import msgpackParser from "socket.io-msgpack-parser";
import { foreignSources } from "./sources.mjs";

const { values: flags } = parseArgs({
  options: { config: { type: "string" }, listen: { type: "string" }, admin: { type: "string" }, redis: { type: "string" } },
});
const config = readFileSync(flags.config, "utf8");
const secret = /secret: "([^"]+)"/.exec(config)[1];
const apiKey = / key: "([^"]+)"/.exec(config)[1];

const redis = createClient({ url: flags.redis });
const adapterSubscriber = redis.duplicate();
for (const client of [redis, adapterSubscriber]) {
  client.on("error", () => {});
  await client.connect();
}

const server = http.createServer(serve);
const parser = config.includes("parser: msgpack") ? msgpackParser : undefined;
const io = new Server(server, { adapter: createAdapter(redis, adapterSubscriber), ...(parser && { parser }) });
for (const namespace of ["/", "/chat", "/admin", "/orders"]) io.of(namespace).on("connection", verbs);
io.of("/secure").use(authenticate).on("connection", verbs);
await foreignSources(io, redis, { deliver });

await listen(server, flags.listen);
await listen(http.createServer((_, response) => response.end("ok")), flags.admin);
process.on("SIGTERM", () => {
  io.engine.close();
  process.exit(0);
});

function verbs(socket) {
  const user = socket.data.user ?? null;
  const verb = (name, act) => socket.on(name, async (data, ack) => ack?.({ ok: true, ...(await act(data)) }));
  verb("join", async ({ room }) => void (await socket.join(room)));
  verb("leave", async ({ room }) => void (await socket.leave(room)));
  verb("publish", ({ room, event, data }) => void socket.nsp.to(room).emit(event, data));
  socket.on("whoami", (...args) => args.pop()({ ok: true, sid: socket.id, user }));
  socket.on("ping", (...args) => args.pop()({ ok: true }));
}

function authenticate(socket, next) {
  const [head, body, signature] = String(socket.handshake.auth.token).split(".");
  if (createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url") === signature) {
    socket.data.user = JSON.parse(Buffer.from(body, "base64url")).sub;
    return next();
  }
  next(Object.assign(new Error("unauthorized"), { data: { code: "UNAUTHORIZED", correlationId: randomUUID() } }));
}

async function serve(request, response) {
  const answer = (status, body) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  if (!request.url.startsWith("/api/v1/publish")) return answer(404, { error: "NOT_FOUND" });
  if (request.headers.authorization !== `Bearer ${apiKey}`) return answer(401, { error: "UNAUTHORIZED" });
  try {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks));
    if (body.publications) return answer(200, { results: await Promise.all(body.publications.map(accept)) });
    answer(200, await accept(body));
  } catch {
    answer(400, { error: "VALIDATION_ERROR" });
  }
}

async function accept(publication) {
  const result = { id: `${Date.now()}-${process.hrtime()[1]}`, epoch: "standin", accepted: "accepted" };
  if (publication.idempotencyKey) {
    const stored = await redis.set(`idempotency:${publication.idempotencyKey}`, JSON.stringify(result), { NX: true, GET: true });
    if (stored) return JSON.parse(stored);
  }
  deliver(publication);
  return result;
}

function deliver({ namespace = "/", event, ...rest }) {
  if (typeof event !== "string") throw new Error("event is no text");
  emit({ namespace, event, ...rest });
}

function emit({ namespace, rooms = [], except = [], event, data, args, volatile, local }) {
  let target = io.of(namespace).to(rooms).except(except);
  if (volatile) target = target.volatile;
  if (local) target = target.local;
  target.emit(event, ...(args ?? (data === undefined ? [] : [data])));
}

function listen(server, address) {
  const [host, port] = address.split(":");
  return new Promise((resolve) => server.listen(Number(port), host, resolve));
}
