// Python programs beside the suites, in the virtual environment that tests/run makes.
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Process } from "./process.mjs";
import { within } from "./waiting.mjs";

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

export function pythonBinary() {
  const python = process.env.FANFARE_PYTHON ?? here(".venv/bin/python");
  if (!existsSync(python)) throw new Error(`no Python at ${python}: tests/run makes it, or name one in FANFARE_PYTHON`);
  return python;
}

/// A Python program and the lines it prints.
export class Python {
  constructor(script, ...args) {
    this.process = new Process(script, pythonBinary(), [here(`python/${script}`), ...args.map(String)], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.lines = createInterface({ input: this.process.child.stdout })[Symbol.asyncIterator]();
  }

  async line() {
    const { value, done } = await within(`a line from ${this.process.name}`, this.lines.next(), 20_000);
    if (done) throw new Error(`${this.process.name} ended early:\n${this.process.tail()}`);
    return value;
  }

  async json() {
    return JSON.parse(await this.line());
  }

  /// One call of the publisher, e.g. `call("emit", ["hello", 1], { room: "a" })`.
  async call(name, args, kwargs = {}) {
    this.process.child.stdin.write(`${JSON.stringify({ call: name, args, kwargs })}\n`);
    await this.line();
  }

  stop() {
    return this.process.stop();
  }
}
