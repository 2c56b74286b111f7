#!/usr/bin/env node
// Runs both protocol suites: `run.mjs gateway`, `run.mjs reference`, or `run.mjs spread`, which has three nodes of each
// behind a balancer that sends every request to the next one. Ports are free ones.
// The gateway's servers are the binary with deploy/examples/conformance.yaml and the example binary `engine_echo`.
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { cleanEnvironment, gatewayBinary } from "../clients/support/gateway.mjs";
import { Process, repository } from "../clients/support/process.mjs";
import { Redis } from "../clients/support/redis.mjs";
import { Spreader } from "../clients/support/spreader.mjs";
import { freePort, until } from "../clients/support/waiting.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const SUITES = [["engine-io.test.mjs", "ENGINE_IO_URL", "/engine.io/"], ["socket-io.test.mjs", "SOCKET_IO_URL", "/socket.io/"]];
const SUITE_MS = 120_000;
const NODES = 3;

const served = { gateway, reference, spread }[process.argv[2]];
if (!served) {
  console.error("usage: run.mjs gateway|reference|spread");
  process.exit(64);
}

/// Everything that has to be stopped.
const started = [];
let failed = false;
try {
  // For each suite the servers that it may meet, and the address in front of them.
  const sides = await served();
  for (const [index, [file, variable, prefix]] of SUITES.entries()) {
    const { servers, front } = sides[index];
    for (const { process: server, url } of servers) await listening(server, `${url}${prefix}`);
    console.log(`${file} against ${servers.map(({ process: { name } }) => name).join(", ")} at ${front}${prefix}`);
    const { status } = await run(file, { [variable]: `${front}${prefix}` });
    failed ||= status !== 0;
    if (status !== 0) for (const { process: server } of servers) console.error(server.tail());
  }
} finally {
  // Their graceful end is another suite's subject.
  await Promise.all(started.map((server) => server.stop("SIGKILL")));
}
process.exit(failed ? 1 : 0);

async function listening(server, url) {
  await until(`${server.name} to listen`, async () => {
    if (!server.running) return true;
    return (await fetch(`${url}?EIO=4&transport=polling`)).ok;
  });
  server.assertRunning();
}

/// In a process of its own; its output goes straight through.
async function run(file, environment) {
  const suite = new Process(file, process.execPath, ["--test", "--test-reporter=tap", "--test-force-exit", here(file)], {
    env: { ...process.env, ...environment }, stdio: ["ignore", "inherit", "inherit"], timeout: SUITE_MS,
  });
  await suite.ended;
  return { status: suite.exit };
}

async function gateway() {
  return alone([await engineEcho("engine_echo"), await socketServer("gateway")]);
}

async function reference() {
  const server = (kind) => launched(`reference ${kind}`, process.execPath, [here("reference/server.mjs"), kind]);
  return alone([await server("engine"), await server("socket")]);
}

function alone(servers) {
  return servers.map((server) => ({ servers: [server], front: server.url }));
}

async function spread() {
  const redis = await Redis.start();
  started.push(redis);
  const numbers = Array.from({ length: NODES }, (_, index) => index + 1);
  const sides = [];
  for (const [name, start] of [["engine_echo", engineEcho], ["gateway", socketServer]]) {
    const servers = await Promise.all(numbers.map((number) => start(`${name}-${number}`, ["--redis", redis.url])));
    const front = await Spreader.start(servers.map(({ url }) => url));
    started.push(front);
    sides.push({ servers, front: front.url });
  }
  return sides;
}

function engineEcho(name, args = []) {
  const binary = process.env.FANFARE_ENGINE_ECHO ?? path.join(path.dirname(gatewayBinary()), "examples", "engine_echo");
  if (!existsSync(binary)) throw new Error(`no engine_echo at ${binary}: cargo build --example engine_echo`);
  return launched(name, binary, args);
}

async function socketServer(name, args = []) {
  const config = path.join(repository, "deploy/examples/conformance.yaml");
  return launched(name, gatewayBinary(), ["--config", config, "--admin", `127.0.0.1:${await freePort()}`, ...args]);
}

async function launched(name, binary, args) {
  const port = await freePort();
  const server = new Process(name, binary, [...args, "--listen", `127.0.0.1:${port}`], { env: cleanEnvironment() });
  started.push(server);
  return { process: server, url: `http://127.0.0.1:${port}` };
}
