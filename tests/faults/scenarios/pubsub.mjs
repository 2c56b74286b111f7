// Announcements that do not arrive: what is lost on the way must be read back from the log.
import { until } from "../../clients/support/waiting.mjs";
import { subscribers } from "../proxy.mjs";
import { sleep } from "../world.mjs";

const KILLS = 50;

export const pubsub = {
  "connections killed 50 times a minute": {
    smoke: true, bar: {}, official: false,
    async fault(world) {
      const healing = [];
      for (let round = 0; round < (world.settings.short ? 12 : KILLS); round += 1) {
        const killed = world.lines.reduce((sum, line) => sum + line.cut(subscribers), 0);
        if (killed === 0) throw new Error("no connection was killed: the fault proved nothing");
        healing.push(await world.heal(Date.now()));
        await sleep(Math.max(0, 1_200 - healing.at(-1)));
      }
      world.note(`healing, longest: ${Math.max(...healing)} ms`);
      world.check("healing, median", healing.sort((one, other) => one - other)[Math.floor(healing.length / 2)], 1_000);
      return { since: Date.now() };
    },
  },

  // A last message has no next one that would show its absence.
  "one announcement dropped, then silence": {
    smoke: true, bar: {}, official: false, world: { messages: true },
    async fault(world) {
      await world.publisher.finish();
      const longest = [];
      for (const room of world.rooms.slice(0, 5)) {
        world.lines.forEach((line) => line.swallow("numbered"));
        const { n, acked } = await world.publisher.publish([room]);
        const audience = world.members.filter(({ rooms }) => rooms.includes(room));
        const arrivals = () => audience.map(({ history }) => history.find((record) => record.n === n)?.at);
        await until("the dropped event to be delivered", () => arrivals().every(Boolean), 10_000);
        longest.push(Math.max(...arrivals()) - acked);
      }
      const swallowed = world.lines.reduce((sum, line) => sum + line.swallowed, 0);
      if (swallowed < 5) throw new Error(`${swallowed} announcements were dropped: the fault proved nothing`);
      world.note(`${swallowed} dropped`);
      world.check("delivered after", Math.max(...longest), 2_000);
      const since = Date.now();
      world.publisher.start();
      return { since };
    },
  },

  "half open": {
    smoke: true, bar: { healMs: 5_000 }, official: false,
    async fault(world) {
      const since = Date.now();
      const dead = world.lines.reduce((sum, line) => sum + line.halfOpen(subscribers), 0);
      if (dead < world.nodes.length) throw new Error(`${dead} connections: the fault proved nothing`);
      const replaced = (line) => [...line.links].some((link) => link.subscribes && !link.dead);
      await until("every dead connection to be replaced", () => world.lines.every(replaced), 15_000);
      world.check("dead connections replaced after", Date.now() - since, 5_000);
      return { since };
    },
  },

  // Redis drops a subscriber that does not read, and with it what had waited for it.
  "reader starved until Redis drops it": {
    bar: {}, official: false, world: {
      redis: { extra: ["--client-output-buffer-limit", "pubsub 256kb 128kb 2"] }, publisher: { fill: "x".repeat(16_384) },
    },
    async fault(world) {
      const [line] = world.lines;
      line.hold(subscribers);
      await until("Redis to have dropped a subscriber", async () =>
        /client_output_buffer_limit_disconnections:[1-9]/.test(await world.redis.cli("INFO", "stats")), 20_000)
        .catch(async () => world.note(`dropped: ${/client_output.*:\d+/.exec(await world.redis.cli("INFO", "stats"))?.[0] ?? "this Redis does not say"}`));
      line.release();
      return { since: Date.now() };
    },
  },
};
