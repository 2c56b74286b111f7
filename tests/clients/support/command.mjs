// The command line as a script would use it: words in, status and output back.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { cleanEnvironment, gatewayBinary } from "./gateway.mjs";
import { Process } from "./process.mjs";
import { within } from "./waiting.mjs";

/// Runs `fanfare` to its end: `{status, out, errors}`.
export async function fanfare(args, { env = {}, deadlineMs } = {}) {
  const child = spawn(gatewayBinary(), args, { stdio: ["ignore", "pipe", "pipe"], env: { ...cleanEnvironment(), ...env } });
  const written = { out: "", errors: "" };
  child.stdout.on("data", (chunk) => (written.out += chunk));
  child.stderr.on("data", (chunk) => (written.errors += chunk));
  const ended = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ status: signal ?? code, ...written }));
  });
  try {
    return await within(`fanfare ${args.join(" ")}`, ended, deadlineMs);
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`${error.message}; it wrote:\n${written.out}${written.errors}`, { cause: error });
  }
}

/// A file for the length of the run with this text in it; its path.
export function file(text, name = "fanfare.yaml") {
  const directory = mkdtempSync(path.join(tmpdir(), "fanfare-file-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(path.join(directory, name), text);
  return path.join(directory, name);
}

/// Starts `fanfare` and leaves it running; its output is the process's log.
export function running(args, { env = {} } = {}) {
  return new Process(`fanfare ${args.join(" ")}`, gatewayBinary(), args, { env: { ...cleanEnvironment(), ...env } });
}
