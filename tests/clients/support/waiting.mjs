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

/// A port that was free a moment ago, on the loopback.
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
