// Waiting for conditions: everything in these suites ends at a deadline, nothing sleeps in the hope that it is enough.
import net from "node:net";

export const DEADLINE_MS = 10_000;

/// Asks `condition` until it answers something true, and returns that answer. A throwing condition counts as "not yet".
export async function until(what, condition, deadlineMs = DEADLINE_MS) {
  const end = Date.now() + deadlineMs;
  let cause;
  while (Date.now() < end) {
    try {
      const answer = await condition();
      if (answer) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what}: not so after ${deadlineMs} ms`, { cause });
}

/// Resolves with the promise's value, or rejects naming what was waited for.
export async function within(what, promise, deadlineMs = DEADLINE_MS) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/// A port of the loopback that was free a moment ago. It lies below those that the kernel gives to outgoing connections, so
/// that a server which ended can have it again.
export async function freePort() {
  for (;;) {
    const port = PORTS_FROM + Math.floor(Math.random() * (PORTS_TO - PORTS_FROM));
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
}

const PORTS_FROM = 10_000;
const PORTS_TO = 32_000;
const given = new Set();

function isFree(port) {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.on("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
