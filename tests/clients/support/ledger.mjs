// The count that faults are judged by: what was accepted, in order, against what each client's callback saw.
import assert from "node:assert/strict";
import { until } from "./waiting.mjs";

const EVENT = "numbered";

/// Publishes 1..count to `rooms`, one after the other, each at the next node, while `whenever(number)` may break things.
/// A publish that is not accepted is repeated under its idempotency key until it is: the ledger holds accepted ones only.
export async function publishNumbered(system, count, { namespace = "/", rooms = ["load"], nodes = [0], whenever = () => {}, deadlineMs } = {}) {
  const run = `${process.pid}-${Date.now()}`;
  for (let number = 1; number <= count; number += 1) {
    await whenever(number);
    const publication = { namespace, rooms, event: EVENT, data: number, idempotencyKey: `${run}-${number}` };
    await until(`number ${number} to be accepted`, async () => {
      const node = nodes[number % nodes.length];
      return system.publish(publication, { node });
    }, deadlineMs);
  }
}

/// Every client saw 1..count, each once, in order; says where the first fault lies.
export async function assertComplete(clients, count, deadlineMs = 20_000) {
  for (const [index, client] of clients.entries()) {
    const numbers = () => client.seen(EVENT).map(([number]) => number);
    await until(`client ${index} to have all`, () => numbers().length >= count, deadlineMs).catch((error) => {
      throw new Error(`client ${index}: ${fault(numbers(), count)}`, { cause: error });
    });
    assert.equal(fault(numbers(), count), "none", `client ${index}`);
  }
}

/// What is wrong with a list that should be 1..count, in words.
export function fault(numbers, count) {
  const missing = Array.from({ length: count }, (_, index) => index + 1).filter((number) => !numbers.includes(number));
  const twice = numbers.filter((number, index) => numbers.indexOf(number) !== index);
  const early = numbers.findIndex((number, index) => index > 0 && number < numbers[index - 1]);
  if (missing.length > 0) return `${missing.length} missing, first ${missing[0]}`;
  if (twice.length > 0) return `${twice.length} twice, first ${twice[0]}`;
  return early < 0 ? "none" : `${numbers[early]} after ${numbers[early - 1]}`;
}
