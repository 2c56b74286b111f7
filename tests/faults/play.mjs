// One scenario: build the world, let everybody hear, break it, wait until it is whole, and judge.
import { within } from "../clients/support/waiting.mjs";
import { World } from "./world.mjs";

const LIMIT_MS = 120_000;
const STRICT = { lost: 0, untold: 0, duplicates: 0, reordered: 0, ghosts: 0, needless: 0, unwarned: 0 };

/// The figures and what is wrong with them. Never throws: a scenario that breaks down has failed.
export async function play(name, scenario, { seed, short = false, minutes }) {
  const started = Date.now();
  let world;
  const result = { name, seed, faults: [] };
  try {
    const whole = (async () => {
      world = await World.start({ ...scenario.world, seed, short, minutes });
      await world.begin();
      const { since, ...more } = await scenario.fault(world);
      result.healMs = await world.heal(since);
      Object.assign(result, await world.settle(more));
      await scenario.after?.(world, since, more);
    })();
    await within(name, whole, scenario.limitMs ?? LIMIT_MS);
  } catch (error) {
    result.faults.push(error.message);
    result.logs = world?.logs();
    if (world?.crowd) Object.assign(result, await world.settle().catch(() => ({})));
  } finally {
    await world?.stop();
  }
  result.seconds = Math.round((Date.now() - started) / 1_000);
  result.notes = world?.notes ?? [];
  result.checks = world?.checks ?? [];
  result.refusals = world?.publisher?.refusals ?? [];
  compare(result, scenario.bar ?? {});
  if (result.faults.length > 0) {
    result.logs ??= world?.logs();
    result.histories = { members: world?.crowd?.members, entries: [...(world?.publisher?.entries.values() ?? [])] };
  }
  return result;
}

/// Adds a sentence for everything that misses its bar. `null` in a bar says that a figure may be anything.
function compare(result, bar) {
  const { recovered, healMs, publish5xx, ...others } = { ...STRICT, ...bar };
  for (const [figure, most] of Object.entries(others)) {
    if (most !== null && result[figure] > most) result.faults.push(`${figure} ${result[figure]}, at most ${most}`);
  }
  if (recovered !== undefined && share(result) < recovered) result.faults.push(`recovered ${share(result).toFixed(0)} %, at least ${recovered} %`);
  if (healMs !== undefined && result.healMs > healMs) result.faults.push(`healed after ${result.healMs} ms, at most ${healMs}`);
  const failed = result.refusals.filter(({ status }) => status >= 500).length;
  if (publish5xx !== undefined && failed > publish5xx) result.faults.push(`${failed} publishes answered 5xx, at most ${publish5xx}`);
  for (const { what, value, limit, unit, ok } of result.checks) {
    if (!ok) result.faults.push(`${what} ${value} ${unit}, at most ${limit}`);
  }
}

/// Of those that came back, how many with their session, in percent.
export function share({ returns, recovered }) {
  return returns > 0 ? (100 * recovered) / returns : 100;
}
