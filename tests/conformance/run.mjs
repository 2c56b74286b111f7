#!/usr/bin/env node
// Starts the two fixture servers on free ports and runs both protocol suites: `run.mjs gateway` or `run.mjs reference`.
// The gateway's are the binary with deploy/examples/conformance.yaml and the example binary `engine_echo`.
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { cleanEnvironment, gatewayBinary } from "../clients/support/gateway.mjs";
import { Process, repository } from "../clients/support/process.mjs";
import { freePort, until } from "../clients/support/waiting.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const SUITES = [["engine-io.test.mjs", "ENGINE_IO_URL", "/engine.io/"], ["socket-io.test.mjs", "SOCKET_IO_URL", "/socket.io/"]];
const SUITE_MS = 120_000;

const servers = { gateway: gatewayServers, reference: referenceServers }[process.argv[2]];
if (!servers) {
  console.error("usage: run.mjs gateway|reference");
  process.exit(64);
}

const started = [];
let failed = false;
try {
  const ports = [await freePort(), await freePort()];
  started.push(...(await servers(ports)));
  for (const [index, [file, variable, prefix]] of SUITES.entries()) {
    const url = `http://127.0.0.1:${ports[index]}${prefix}`;
    await until(`${started[index].name} to listen`, async () => {
      if (!started[index].running) return true;
      return (await fetch(`${url}?EIO=4&transport=polling`)).ok;
    });
    started[index].assertRunning();
    console.log(`${file} against ${started[index].name} at ${url}`);
    const { status } = await run(file, { [variable]: url });
    failed ||= status !== 0;
    if (status !== 0) console.error(started[index].tail());
  }
} finally {
  // Their graceful end is another suite's subject.
  await Promise.all(started.map((server) => server.stop("SIGKILL")));
}
process.exit(failed ? 1 : 0);

/// In a process of its own; its output goes straight through.
async function run(file, environment) {
  const suite = new Process(file, process.execPath, ["--test", "--test-reporter=tap", "--test-force-exit", here(file)], {
    env: { ...process.env, ...environment }, stdio: ["ignore", "inherit", "inherit"], timeout: SUITE_MS,
  });
  await suite.ended;
  return { status: suite.exit };
}

function referenceServers([engine, socket]) {
  const server = (kind, port) =>
    new Process(`reference ${kind}`, process.execPath, [here("reference/server.mjs"), kind, "--listen", `127.0.0.1:${port}`]);
  return [server("engine", engine), server("socket", socket)];
}

async function gatewayServers([engine, socket]) {
  const binary = gatewayBinary();
  const echo = process.env.FANFARE_ENGINE_ECHO ?? path.join(path.dirname(binary), "examples", "engine_echo");
  if (!existsSync(echo)) throw new Error(`no engine_echo at ${echo}: cargo build --example engine_echo`);
  const config = path.join(repository, "deploy/examples/conformance.yaml");
  const env = cleanEnvironment();
  const addresses = ["--listen", `127.0.0.1:${socket}`, "--admin", `127.0.0.1:${await freePort()}`];
  return [
    new Process("engine_echo", echo, ["--listen", `127.0.0.1:${engine}`], { env }),
    new Process("gateway", binary, ["--config", config, ...addresses], { env }),
  ];
}
