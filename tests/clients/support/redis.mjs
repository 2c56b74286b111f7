// Redis servers of our own: loopback, a free port, nothing on disk that outlives them.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { createClient } from "redis";
import { Process } from "./process.mjs";
import { freePort, until } from "./waiting.mjs";

const run = promisify(execFile);

export class Redis {
  static async start({ binary = "redis-server", extra = [], port } = {}) {
    const redis = new Redis(binary, port ?? (await freePort()), extra);
    await redis.ready();
    return redis;
  }

  constructor(binary, port, extra) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.directory = mkdtempSync(path.join(tmpdir(), "fanfare-redis-"));
    this.launch = () => new Process(`redis:${port}`, binary, [
      "--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
      "--dir", this.directory, "--daemonize", "no", ...extra,
    ]);
    this.process = this.launch();
  }

  /// The same server again after its process has ended, with whatever it finds in its directory.
  async restart() {
    await this.process.ended;
    this.process = this.launch();
    await this.ready();
  }

  async ready() {
    await until(`redis on ${this.port}`, async () => {
      this.process.assertRunning();
      return (await this.cli("PING")) === "PONG";
    });
  }

  /// Runs redis-cli as an operator would, and returns what it printed.
  async cli(...args) {
    const { stdout } = await run("redis-cli", ["-h", "127.0.0.1", "-p", String(this.port), ...args.map(String)], { timeout: 5_000 });
    return stdout.trim();
  }

  /// A connected node-redis client; the caller closes it.
  async client() {
    const client = createClient({ url: this.url });
    client.on("error", () => {});
    await client.connect();
    return client;
  }

  async stop(signal) {
    await this.process.stop(signal);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
