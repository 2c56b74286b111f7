// What operators rely on: probes, metrics, the log, the end of a process, and a Redis that goes away and comes back.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { Client } from "../support/clients.mjs";
import { fanfare, file, running } from "../support/command.mjs";
import { API_KEY, Gateway } from "../support/gateway.mjs";
import { Redis } from "../support/redis.mjs";
import { System } from "../support/system.mjs";
import { freePort, until, within } from "../support/waiting.mjs";

const TEST = { timeout: 30_000 };
const SLOW_TEST = { timeout: 90_000 };
const RETURN_MS = 30_000;
const config = (more = {}) => ({
  namespaces: { "/": { anonymous: true, join: ["*"] } },
  publish: { keys: [{ name: "suite", key: API_KEY }] },
  drain: { grace_ms: 100, window_ms: 300 },
  ...more,
});

describe("the admin port", () => {
  test("answers the probes", TEST, () => withGateway(config(), async (gateway) => {
    assert.equal((await gateway.admin("/livez")).status, 200);
    for (const path of ["/readyz", "/readyz?deep=1"]) {
      const { status, body } = await gateway.admin(path);
      assert.deepEqual([status, JSON.parse(body)], [200, { ready: true }]);
    }
    assert.equal((await gateway.admin("/nothing-here")).status, 404);
  }));

  test("serves metrics that promtool takes, after traffic of every kind", TEST, () => withSystem(async (system) => {
    const clients = await Promise.all(["polling", "websocket", "upgrade"].map((mode) => Client.connect(system.urls[0], "/", { mode })));
    await Promise.all(clients.map((client) => client.join("metered")));
    await system.publish({ rooms: ["metered"], event: "e" });
    // Taken at most once, and not before a node leads: so it is repeated.
    await until("a plain event", async () => {
      await system.redis.cli("PUBLISH", "fanfare:/", '{"event":"plain"}');
      return clients.every((client) => client.seen("plain").length > 0);
    });
    await system.redis.cli("PUBLISH", "fanfare:/", "{");
    await until("the refusal", async () => (await system.nodes[0].metric("fanfare_ingest_refused_total", "plain")) > 0);
    await fetch(`${system.urls[0]}/socket.io/?EIO=3&transport=polling`);
    clients.forEach((client) => client.close());
    const { body } = await system.nodes[0].admin("/metrics");
    for (const name of ["fanfare_clients", "fanfare_deliveries_total", "fanfare_publish_seconds_bucket", "fanfare_ingest_refused_total"]) {
      assert.match(body, new RegExp(`^${name}[{ ]`, "m"));
    }
    const checked = spawnSync("promtool", ["check", "metrics"], { input: body, encoding: "utf8" });
    assert.equal(checked.error, undefined, "promtool is missing; install it: sudo apt-get install -y prometheus");
    assert.deepEqual([checked.status, checked.stdout + checked.stderr], [0, ""]);
  }, 1));
});

describe("the log", () => {
  test("is JSON, line by line, and tells of each socket's coming and going [K-04 H-17 F-44]", TEST, () => withGateway(config(), async (gateway) => {
    const [leaving, vanishing, mute] = await Promise.all([0, 1, 2].map(() => Client.connect(gateway.url, "/", { reconnection: false })));
    const ids = [leaving, vanishing, mute].map(({ socket }) => socket.id);
    leaving.close();
    vanishing.socket.io.engine.close();
    mute.socket.io.engine.transport.ws.send("4nonsense");
    const left = (id) => gateway.logged("realtime.disconnect").find(({ socket }) => socket === id);
    await until("all three to have left", () => ids.every(left));
    assert.deepEqual(ids.map((id) => left(id).reason), ["client_disconnect", "transport_close", "parse_error"]);
    for (const id of ids) {
      const line = gateway.logged("realtime.connect").find(({ socket }) => socket === id);
      assert.deepEqual([line.level, line.namespace, line.address], ["INFO", "/", "127.0.0.1"]);
      assert.ok(!Number.isNaN(Date.parse(line.timestamp)));
    }
    for (const line of gateway.process.log) assert.equal(typeof JSON.parse(line).event, "string", line);
  }));
});

describe("SIGTERM", () => {
  test("drains: unready first, served through the grace, refused after it, transports closed, status 0", SLOW_TEST, () =>
    // The grace is longer than window and slack together, which are what the end may take beyond it.
    withGateway(config({ drain: { grace_ms: 7_000, window_ms: 1_000 } }), async (gateway) => {
      const clients = await Promise.all(Array.from({ length: 40 }, (_, index) =>
        Client.connect(gateway.url, "/", { mode: index % 2 ? "polling" : "websocket", reconnection: false })));
      await Promise.all(clients.map((client) => client.join("r")));
      const told = Date.now();
      gateway.process.signal("SIGTERM");
      await until("unready", async () => (await gateway.admin("/readyz")).status === 503);
      assert.equal(JSON.parse((await gateway.admin("/readyz")).body).reasons[0].what, "drain");
      assert.equal((await gateway.admin("/livez")).status, 200);
      const late = await Client.connect(gateway.url, "/", { reconnection: false });
      await late.join("r");
      await publish(gateway, { rooms: ["r"], event: "in-the-grace" });
      await Promise.all([late, ...clients].map((client) => client.take("in-the-grace")));

      const refused = await until("a refused handshake", async () => {
        const response = await gateway.handshake();
        return response.status !== 200 && response;
      }, 15_000);
      assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
      assert.ok(Date.now() - told >= 6_900, `served only ${Date.now() - told} ms of the grace`);
      await within("the process to end", gateway.process.ended, 10_000);
      assert.equal(gateway.process.exit, 0);
      for (const { disconnects } of [late, ...clients]) {
        assert.ok(disconnects.length === 1 && disconnects[0].startsWith("transport"), `${disconnects}`);
      }
      assert.deepEqual(new Set(gateway.logged("realtime.disconnect").map(({ reason }) => reason)), new Set(["drain"]));
      assert.equal(gateway.logged().at(-1).event, "realtime.stopped");
    }));

  for (const signal of ["SIGTERM", "SIGINT"]) {
    test(`a second signal (${signal}) stops at once`, TEST, () =>
      withGateway(config({ drain: { grace_ms: 600_000, window_ms: 600_000 } }), async (gateway) => {
        const client = await Client.connect(gateway.url, "/", { reconnection: false });
        gateway.process.signal("SIGTERM");
        await until("unready", async () => (await gateway.admin("/readyz")).status === 503);
        gateway.process.signal(signal);
        await within("the process to end", gateway.process.ended, 10_000);
        assert.equal(gateway.process.exit, 0);
        assert.equal(gateway.logged("realtime.stop_hard").length, 1);
        await until("the client to notice", () => client.disconnects.length === 1);
      }));
  }

  test("ends a process that still waits for its Redis", TEST, () => withRedis(async (redis) => {
    redis.process.signal("SIGSTOP");
    const starting = running(["--redis", redis.url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    starting.signal("SIGTERM");
    await within("the process to end", starting.ended, 15_000);
  }));
});

describe("a start that cannot be", () => {
  test("names the port that is taken, and the flag that helps", TEST, async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => holder.once("listening", resolve));
    const taken = `127.0.0.1:${holder.address().port}`;
    for (const [flag, other] of [["--listen", "--admin"], ["--admin", "--listen"]]) {
      const { status, errors } = await fanfare([flag, taken, other, "127.0.0.1:0"]);
      assert.equal(status, 1, errors);
      assert.match(errors, new RegExp(`cannot listen on ${taken}.*${flag}`));
      assert.match(errors, /in use/i);
    }
    holder.close();
  });

  test("names the Redis that is not there, without its password", TEST, async () => {
    const port = await freePort();
    const { status, errors } = await fanfare(
      ["--redis", `redis://user:hidden-word@127.0.0.1:${port}`, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
      { deadlineMs: 20_000 },
    );
    assert.equal(status, 1, errors);
    assert.match(errors, /realtime\.start_failed/);
    assert.match(errors, /Redis|backplane/);
    assert.match(errors, new RegExp(String(port)));
    assert.match(errors, /fanfare doctor/);
    assert.doesNotMatch(errors, /hidden-word/);
  });

  test("lists the faults of its file and opens nothing", TEST, async () => {
    const { status, errors } = await fanfare(["--config", file("lissten: 1\nengine: { ping_interval_ms: 1 }\n")]);
    assert.equal(status, 64);
    assert.match(errors, /lissten[^]*engine\.ping_interval_ms/);
  });
});

describe("Redis goes away and comes back", () => {
  const outage = (what, leave, comeBack) => test(what, SLOW_TEST, () => withSystem(async (system) => {
    const modes = ["websocket", "polling", "upgrade"];
    const clients = await Promise.all(modes.map((mode, index) => Client.connect(system.urls[index % 2], "/", { mode })));
    await Promise.all(clients.map((client) => client.join("r")));
    await system.publish({ rooms: ["r"], event: "before" });
    await Promise.all(clients.map((client) => client.take("before")));

    await leave(system);
    const refused = await until("publishes to be refused", async () => {
      const response = await attempt(system);
      return response.status === 503 && response;
    });
    assert.ok(Number(refused.headers.get("retry-after")) >= 1);
    assert.deepEqual(Object.keys(await refused.json()).sort(), ["correlationId", "error", "message"]);
    for (const node of system.nodes) {
      await until("deep readiness to be red", async () => (await node.admin("/readyz?deep=1")).status === 503);
      assert.equal(JSON.parse((await node.admin("/readyz?deep=1")).body).reasons[0].what, "backplane");
      assert.deepEqual([(await node.admin("/readyz")).status, (await node.admin("/livez")).status], [200, 200]);
      const handshake = await node.handshake();
      assert.deepEqual([handshake.status, handshake.headers.get("retry-after")], [503, "1"]);
    }
    const asked = await clients[0].ask("publish", { room: "r", event: "never" });
    assert.equal(asked.ok, false);
    assert.ok((await clients[1].ask("ping", {})).ok);

    await comeBack(system);
    for (const node of system.nodes) {
      await until("deep readiness to be green", async () => (await node.admin("/readyz?deep=1")).status === 200, RETURN_MS);
      await until("handshakes", async () => (await node.handshake()).status === 200);
    }
    await until("a publish", async () => (await attempt(system, { rooms: ["r"], event: "after", idempotencyKey: "after-1" })).ok, RETURN_MS);
    await Promise.all(clients.map((client) => client.take("after", 1, RETURN_MS)));
    clients.forEach((client) => {
      assert.deepEqual(client.disconnects, [], "nobody was sent away");
      assert.equal(client.seen("after").length, 1);
      client.close();
    });
    const late = await Client.connect(system.urls[1]);
    await late.join("late");
    await system.publish({ rooms: ["late"], event: "late" });
    await late.take("late");
    late.close();
  }, 2));

  outage("frozen and thawed", (system) => system.redis.process.signal("SIGSTOP"), (system) => system.redis.process.signal("SIGCONT"));
  outage("killed and started anew, empty", (system) => system.redis.stop("SIGKILL"), async (system) => {
    system.redis = await Redis.start({ port: system.redis.port });
  });

  test("frozen for good, a gateway still ends when told to", SLOW_TEST, () => withSystem(async (system) => {
    const client = await Client.connect(system.urls[0], "/", { reconnection: false });
    system.redis.process.signal("SIGSTOP");
    await until("deep readiness to be red", async () => (await system.nodes[0].admin("/readyz?deep=1")).status === 503);
    system.nodes[0].process.signal("SIGTERM");
    await within("the process to end", system.nodes[0].process.ended, 25_000);
    assert.equal(system.nodes[0].process.exit, 0);
    assert.ok(client.disconnects[0].startsWith("transport"), `${client.disconnects}`);
  }, 1));
});

/// A publish whose refusal is of interest.
function attempt(system, publication = { rooms: ["r"], event: "probe" }) {
  return post(system.urls[0], publication);
}

async function publish(gateway, publication) {
  const response = await post(gateway.url, publication);
  assert.equal(response.status, 200, await response.text());
}

function post(url, publication) {
  const headers = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" };
  return fetch(`${url}/api/v1/publish`, { method: "POST", headers, body: JSON.stringify(publication) });
}

async function withGateway(config, body) {
  const gateway = await Gateway.start({ config });
  await guarded(() => body(gateway), () => gateway.process.tail(), () => gateway.stop("SIGKILL"));
}

async function withRedis(body) {
  const redis = await Redis.start();
  await guarded(() => body(redis), () => redis.process.tail(), () => redis.stop("SIGKILL"));
}

async function withSystem(body, nodes) {
  const system = await System.start({ nodes });
  await guarded(() => body(system), () => system.logs(), () => system.stop("SIGKILL"));
}

async function guarded(body, logs, stop) {
  try {
    await body();
  } catch (error) {
    console.error(logs());
    throw error;
  } finally {
    await stop();
  }
}
