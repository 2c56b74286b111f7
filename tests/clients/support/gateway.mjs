// Gateway processes: the binary that `FANFARE_BIN` names, or the debug build, one per node.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Process, repository } from "./process.mjs";
import { freePort, until } from "./waiting.mjs";

const READY_MS = 20_000;

export const API_KEY = "suite-key-0123456789abcdef0123456789abcdef";
export const JWT_SECRET = "suite-secret-0123456789abcdef0123456789abcdef";

/// True when the processes under test are the Node.js stand-in by which the suites themselves are proven.
export const onReference = process.env.FANFARE_STAND_IN === "1";

export function gatewayBinary() {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(repository, "target");
  const binary = process.env.FANFARE_BIN ?? path.join(target, "debug", "fanfare");
  if (!existsSync(binary)) throw new Error(`no gateway at ${binary}: build it, or name one in FANFARE_BIN`);
  return binary;
}

/// The environment without anything that would configure a gateway behind the suites' back.
export function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("FANFARE_") && name !== "REDIS_URL"));
}

export class Gateway {
  /// `config` is the text of a file, or an object. Without `redisUrl` the gateway is one of its own.
  static async start({ redisUrl, config, name = "gateway", env = {} }) {
    const text = typeof config === "string" ? config : JSON.stringify(config, null, 2);
    const gateway = new Gateway(name, await freePort(), await freePort(), redisUrl, text, env);
    await gateway.ready();
    return gateway;
  }

  constructor(name, port, adminPort, redisUrl, config, env) {
    this.url = `http://127.0.0.1:${port}`;
    this.adminUrl = `http://127.0.0.1:${adminPort}`;
    this.directory = mkdtempSync(path.join(tmpdir(), "fanfare-node-"));
    const file = path.join(this.directory, "fanfare.yaml");
    writeFileSync(file, config);
    const args = ["--config", file, "--listen", `127.0.0.1:${port}`, "--admin", `127.0.0.1:${adminPort}`];
    if (redisUrl) args.push("--redis", redisUrl);
    this.launch = () => new Process(name, gatewayBinary(), args, { env: { ...cleanEnvironment(), ...env } });
    this.process = this.launch();
  }

  /// The same node again after its process has ended, on the same ports.
  async restart() {
    await this.process.ended;
    this.process = this.launch();
    await this.ready();
  }

  async ready() {
    await until(`${this.process.name} to be ready`, async () => {
      if (!this.process.running) return true;
      return (await fetch(`${this.adminUrl}/readyz`)).ok;
    }, READY_MS).catch((error) => {
      throw new Error(`${error.message}\n${this.process.tail()}`);
    });
    this.process.assertRunning();
  }

  /// The lines of the log, parsed; with `event` only those of that name. A line that is no JSON object is an error.
  logged(event) {
    const lines = this.process.log.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    return event ? lines.filter((line) => line.event === event) : lines;
  }

  /// Asks the admin port, and returns status and body.
  async admin(path) {
    const response = await fetch(`${this.adminUrl}${path}`);
    return { status: response.status, body: await response.text() };
  }

  /// An Engine.IO handshake over polling, as a browser begins it; the response.
  handshake(headers = {}) {
    return fetch(`${this.url}/socket.io/?EIO=4&transport=polling`, { headers });
  }

  /// The sum of a metric over the series whose text contains every one of `parts`; 0 when there is none.
  async metric(name, ...parts) {
    const text = await (await fetch(`${this.adminUrl}/metrics`)).text();
    return text.split("\n")
      .filter((line) => line.startsWith(name) && parts.every((part) => line.includes(part)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  async stop(signal) {
    await this.process.stop(signal);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
