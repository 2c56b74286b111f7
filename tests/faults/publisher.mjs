// A backend under load: numbered events, each repeated under its idempotency key until it is acknowledged, and one after
// the other within a room, so that the numbers of a room are the order in which it must be heard.
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import { API_KEY } from "../clients/support/gateway.mjs";
import { until, within } from "../clients/support/waiting.mjs";

const library = createRequire(new URL("../clients/package.json", import.meta.url));
const { createClient } = library("redis");
const { Emitter } = library("@socket.io/redis-emitter");

const EVENT = "numbered";
const ATTEMPT_MS = 3_000;
const AGAIN_MS = 100;
const TICK_MS = 20;
const WAITING_MAX = 400;
const INBOX = "fanfare:{main/}:inbox";

export class Publisher {
  /// `way(room)` is "http", "inbox" or "emitter"; `fill` makes the payload longer.
  constructor({ url, rooms, random, rate = 200, way = () => "http", redisUrl, fill = "" }) {
    Object.assign(this, { url, rooms, random, rate, way, fill });
    this.run = `${process.pid}-${Date.now()}`;
    this.agent = new Agent({ keepAlive: true, maxSockets: 64 });
    this.entries = new Map();
    this.tails = new Map();
    this.waiting = 0;
    /// Answers other than success: status or error, when, after how long.
    this.refusals = [];
    this.redisUrl = redisUrl;
  }

  /// Made when something is published by this way.
  get redis() {
    return (this.client ??= connect(this.redisUrl));
  }

  start() {
    this.begun = Date.now();
    this.base = this.entries.size;
    this.timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /// Stops making new ones and waits until those under way are acknowledged.
  async finish(deadlineMs = 20_000) {
    clearInterval(this.timer);
    await until("every publication to be acknowledged", () => this.waiting === 0, deadlineMs).catch((error) => {
      const [first] = [...this.entries.values()].filter(({ acked }) => !acked);
      throw new Error(`${error.message}; ${this.waiting} wait, the first is ${JSON.stringify(first)}`);
    });
  }

  /// One more at once, to these rooms.
  async publish(rooms) {
    const entry = this.#begin(rooms);
    await entry.done;
    return entry;
  }

  get acknowledged() {
    return [...this.entries.values()].filter(({ acked }) => acked);
  }

  stop() {
    this.stopped = true;
    clearInterval(this.timer);
    this.agent.destroy();
    this.client?.then((client) => client.destroy()).catch(() => {});
  }

  #tick() {
    const due = this.base + Math.floor(((Date.now() - this.begun) * this.rate) / 1_000);
    while (this.entries.size < due && this.waiting < WAITING_MAX) this.#begin(this.#target());
    // What could not be begun in time is not made up for.
    if (this.entries.size < due) {
      this.base = this.entries.size;
      this.begun = Date.now();
    }
  }

  /// One room, and for every tenth two rooms of the same way.
  #target() {
    const pick = () => this.rooms[Math.floor(this.random() * this.rooms.length)];
    const one = pick();
    const other = pick();
    return this.random() < 0.1 && other !== one && this.way(one) === this.way(other) ? [one, other] : [one];
  }

  #begin(rooms) {
    const entry = { n: this.entries.size + 1, rooms, way: this.way(rooms[0]), begun: undefined, acked: undefined, attempts: 0 };
    this.entries.set(entry.n, entry);
    this.waiting += 1;
    const before = Promise.all(rooms.map((room) => this.tails.get(room)));
    entry.done = before.then(() => this.#accepted(entry)).finally(() => (this.waiting -= 1));
    rooms.forEach((room) => this.tails.set(room, entry.done));
    return entry;
  }

  async #accepted(entry) {
    entry.begun = Date.now();
    while (!this.stopped) {
      entry.attempts += 1;
      const started = Date.now();
      try {
        entry.id = await WAYS[entry.way](this, entry);
        entry.acked = Date.now();
        return;
      } catch (error) {
        this.refusals.push({ n: entry.n, at: started, ms: Date.now() - started, status: error.status, error: error.message });
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  message({ n, rooms }) {
    const data = { n, rooms, ...(this.fill && { fill: this.fill }) };
    return { namespace: "/", rooms, event: EVENT, data, idempotencyKey: `${this.run}-${n}` };
  }
}

const WAYS = { http, inbox, emitter };

async function http(publisher, entry) {
  const { status, text } = await post(publisher, `${publisher.url}/api/v1/publish`, JSON.stringify(publisher.message(entry)));
  if (status !== 200) throw Object.assign(new Error(text.slice(0, 200)), { status });
  return JSON.parse(text).id;
}

async function inbox(publisher, entry) {
  const client = await publisher.redis;
  return within("XADD", client.xAdd(INBOX, "*", { json: JSON.stringify(publisher.message(entry)) }), ATTEMPT_MS);
}

/// Nobody answers an emitter: what Redis has passed on counts as acknowledged.
async function emitter(publisher, entry) {
  const client = await publisher.redis;
  const { event, data } = publisher.message(entry);
  publisher.emitter ??= new Emitter(client);
  publisher.emitter.to(entry.rooms).emit(event, data);
  await within("PING", client.ping(), ATTEMPT_MS);
}

function post({ agent }, url, body) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), authorization: `Bearer ${API_KEY}` };
    const asked = request(url, { method: "POST", agent, headers, signal: AbortSignal.timeout(ATTEMPT_MS) }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode, text })).on("error", reject);
    });
    asked.on("error", reject).end(body);
  });
}

async function connect(url) {
  const client = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: () => AGAIN_MS } });
  client.on("error", () => {});
  await client.connect();
  return client;
}
