// What the suites run against: one Redis and three gateways, started together, stopped together, logs on failure.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { after } from "node:test";
import { API_KEY, Gateway, JWT_SECRET } from "./gateway.mjs";
import { Redis } from "./redis.mjs";
import { until } from "./waiting.mjs";

const STOP_MS = 60_000;
const configFile = new URL("../gateway.yaml", import.meta.url);
const ISSUER = "https://issuer.test/";

export class System {
  static async start({ nodes = 3, redis, redisUrl, edit = (text) => text } = {}) {
    const system = new System();
    system.redis = redis ?? (redisUrl ? undefined : await Redis.start());
    system.redisUrl = redisUrl ?? system.redis.url;
    system.config = edit(gatewayConfig());
    system.nodes = [];
    try {
      const starting = Array.from({ length: nodes }, (_, index) => system.#node(index + 1));
      for (const outcome of await Promise.allSettled(starting)) {
        if (outcome.status === "rejected") throw outcome.reason;
        system.nodes.push(outcome.value);
      }
      await system.#led();
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  }

  #node(number) {
    return Gateway.start({ redisUrl: this.redisUrl, config: this.config, name: `gateway-${number}` });
  }

  /// Foreign publishers are heard only once some node leads; what they send before that is lost, as it may be.
  async #led() {
    const led = async () => {
      const leads = await Promise.all(this.nodes.map((node) => node.metric("fanfare_ingest_leads")));
      return leads.some((count) => count > 0);
    };
    if (this.redisUrl && !process.env.FANFARE_STAND_IN) await until("a node to lead", led);
  }

  get urls() {
    return this.nodes.map((node) => node.url);
  }

  /// Publishes over HTTP at the given node and returns the parsed answer; any status but `expect` throws.
  async publish(publication, { node = 0, expect = 200, key = API_KEY, path = "/api/v1/publish" } = {}) {
    const response = await fetch(`${this.urls[node]}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) },
      body: JSON.stringify(publication),
    });
    const text = await response.text();
    if (response.status !== expect) throw new Error(`publish answered ${response.status}, not ${expect}: ${text}`);
    return JSON.parse(text);
  }

  logs() {
    return this.nodes.map((node) => node.process.tail()).join("\n");
  }

  async stop(signal) {
    await Promise.allSettled(this.nodes.map((node) => node.stop(signal)));
    await this.redis?.stop(signal);
  }
}

/// Starts the system of a test file and stops it after its tests. Awaited at the top of the file, since hooks of the
/// file's root run beside each other.
export async function sharedSystem(options) {
  const system = await System.start(options);
  after(async () => {
    if (process.env.FANFARE_TEST_LOGS) console.error(system.logs());
    await system.stop();
  }, { timeout: STOP_MS });
  return { system };
}

export function gatewayConfig() {
  return readFileSync(configFile, "utf8").replaceAll("${API_KEY}", API_KEY).replaceAll("${JWT_SECRET}", JWT_SECRET);
}

/// A token as an application's login would issue it: HS256, one minute.
export function token(claims, { secret = JWT_SECRET, expiresInS = 60 } = {}) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1_000);
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ iss: ISSUER, iat: now, exp: now + expiresInS, ...claims })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
