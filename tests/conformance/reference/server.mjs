#!/usr/bin/env node
// The Node.js reference behind the same fixture as the gateway's: `server.mjs engine|socket --listen HOST:PORT`.
// The suites are proven against it, so that a failure on the gateway is the gateway's.
import { createRequire } from "node:module";
import http from "node:http";

const require = createRequire(new URL("../../clients/package.json", import.meta.url));
const { Server } = require("socket.io");
const engineIo = createRequire(require.resolve("socket.io"))("engine.io");

const SETTINGS = { pingInterval: 300, pingTimeout: 200, maxPayload: 1_000_000, maxHttpBufferSize: 1_000_000 };

const [kind, flag, listen] = process.argv.slice(2);
const fixtures = { engine: echoEngine, socket: fixtureNamespaces };
if (!fixtures[kind] || flag !== "--listen" || !listen) {
  console.error("usage: server.mjs engine|socket --listen HOST:PORT");
  process.exit(64);
}

const [host, port] = listen.split(":");
const server = http.createServer((_, response) => response.writeHead(404).end());
fixtures[kind](server);
server.listen(Number(port), host, () => console.log(`listening on ${listen}`));
process.on("SIGTERM", () => process.exit(0));

function echoEngine(server) {
  const engine = engineIo.attach(server, { ...SETTINGS, path: "/engine.io/" });
  engine.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
}

function fixtureNamespaces(server) {
  const io = new Server(server, { ...SETTINGS, connectTimeout: 1_000 });
  for (const namespace of ["/", "/custom"]) {
    io.of(namespace).on("connection", (socket) => {
      socket.emit("auth", socket.handshake.auth);
      socket.on("message", (...args) => socket.emit("message-back", ...args));
      socket.on("message-with-ack", (...args) => args.pop()(...args));
    });
  }
}
