// A child process with its log kept, ended by its own id. Whatever a failed run leaves behind is ended at exit.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "./waiting.mjs";

const STOP_MS = 10_000;
const LOG_LINES_KEPT = 20_000;
const LOG_LINES_SHOWN = 200;
const alive = new Set();

process.on("exit", () => alive.forEach((process_) => process_.child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

export const repository = fileURLToPath(new URL("../../../", import.meta.url));

export class Process {
  constructor(name, command, args, options = {}) {
    this.name = name;
    this.log = [];
    this.child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    this.ended = new Promise((resolve) => {
      this.child.on("error", (error) => {
        this.log.push(`cannot start ${command}: ${error.message}`);
        this.#over(resolve);
      });
      this.child.on("exit", (code, signal) => {
        this.exit = signal ?? code;
        this.#over(resolve);
      });
    });
    for (const stream of [this.child.stdout, this.child.stderr]) this.#keep(stream);
    alive.add(this);
  }

  get running() {
    return alive.has(this);
  }

  /// Throws with the log when the process has ended; for use inside a wait.
  assertRunning() {
    if (!this.running) throw new Error(`${this.name} ended (${this.exit}):\n${this.tail()}`);
  }

  signal(name) {
    this.child.kill(name);
  }

  async stop(signal = "SIGTERM") {
    if (!this.running) return;
    this.child.kill(signal);
    try {
      await within(`${this.name} to stop`, this.ended, STOP_MS);
    } catch (error) {
      this.child.kill("SIGKILL");
      throw error;
    }
  }

  tail() {
    return this.log.slice(-LOG_LINES_SHOWN).map((line) => `  [${this.name}] ${line}`).join("\n");
  }

  /// Whole lines only: a chunk may end in the middle of one.
  #keep(stream) {
    if (!stream) return;
    createInterface({ input: stream }).on("line", (line) => {
      if (line) this.log.push(line);
      this.log.splice(0, Math.max(0, this.log.length - LOG_LINES_KEPT));
    });
  }

  #over(resolve) {
    alive.delete(this);
    resolve();
  }
}
