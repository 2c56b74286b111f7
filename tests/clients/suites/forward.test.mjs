// Three nodes behind balancers without affinity: each request of a polling session, and its upgrade, lands on any node.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { exchange, pendingGet } from "../../conformance/raw.mjs";
import { Client, transports } from "../support/clients.mjs";
import { Gateway } from "../support/gateway.mjs";
import { assertComplete, publishNumbered } from "../support/ledger.mjs";
import { Proxy, proxies } from "../support/proxies.mjs";
import { Spreader } from "../support/spreader.mjs";
import { System, gatewayConfig } from "../support/system.mjs";
import { until, within } from "../support/waiting.mjs";

const TEST = { timeout: 90_000 };
const ENGINE = "/socket.io/?EIO=4&transport=polling";
const ORIGIN = "https://app.example";
const UNKNOWN = { code: 1, message: "Session ID unknown" };

describe("a session served through every node", () => {
  const place = shared({ edit: (text) => `${text}cors: { origins: ["${ORIGIN}"], credentials: true }\n` });

  test("handshake, POST and GET at three nodes, with one set of CORS headers", TEST, async () => {
    const { nodes } = await place();
    const { sid, path } = await opened(nodes[0]);
    assert.equal(sid.length, 40);
    const post = await exchange(nodes[1].url, { method: "POST", path, body: "40", headers: { origin: ORIGIN, "content-type": "text/plain" } });
    assert.deepEqual([post.status, post.body], [200, "ok"]);
    const get = await exchange(nodes[2].url, { path, headers: { origin: ORIGIN } });
    assert.match(get.body, /^40\{"sid":/);
    for (const { headers } of [post, get]) {
      // Node joins repeated headers by a comma.
      assert.equal(headers["access-control-allow-origin"], ORIGIN);
      assert.equal(headers["access-control-allow-credentials"], "true");
      assert.equal(headers.vary, "Origin");
      assert.equal(headers["fanfare-hop"], undefined);
    }
    const denied = await exchange(nodes[1].url, { method: "POST", path, body: "1", headers: { origin: "https://evil.example" } });
    assert.equal(denied.headers["access-control-allow-origin"], undefined);
  });

  test("a poll that waits at another node is answered as soon as there is something", TEST, async () => {
    const system = await place();
    const { path } = await opened(system.nodes[0]);
    await exchange(system.nodes[1].url, { method: "POST", path, body: "40" });
    assert.match((await exchange(system.nodes[1].url, { path })).body, /^40/);
    const poll = exchange(system.nodes[2].url, { path });
    await until("the poll to wait", async () => (await system.nodes[0].metric("fanfare_forwards_received_total")) >= 3);
    await system.publish({ event: "late", data: 1 }, { node: 1 });
    assert.match((await poll).body, /^42\["late",1/);
  });

  test("a client that gives its poll up ends its session, wherever it asked", TEST, async () => {
    const { nodes } = await place();
    const { path } = await opened(nodes[0]);
    assert.match((await exchange(nodes[1].url, { method: "POST", path, body: "40" })).body, /^ok/);
    await exchange(nodes[1].url, { path });
    const before = await nodes[0].metric("fanfare_forwards_received_total");
    const poll = await pendingGet(nodes[2].url, path);
    await until("the poll to wait", async () => (await nodes[0].metric("fanfare_forwards_received_total")) > before);
    poll.drop();
    await until("the end of the session", async () => {
      const answer = await exchange(nodes[1].url, { method: "POST", path, body: "42[\"nothing\"]" });
      return answer.status === 400 && JSON.parse(answer.body).code === UNKNOWN.code;
    });
  });

  test("what is wrong is answered as the owner answers it", TEST, async () => {
    const { nodes } = await place();
    const { path } = await opened(nodes[0]);
    const asked = [
      { method: "PUT", path }, { path: path.replace("EIO=4", "EIO=3") }, { path: path.replace("polling", "websocket") },
      { method: "POST", path, body: "x".repeat(1_000_001) }, { method: "POST", path, body: "4x", headers: { "content-type": "application/octet-stream" } },
    ];
    for (const request of asked) {
      const own = await opened(nodes[0]);
      const there = await exchange(nodes[0].url, { ...request, path: request.path.replace(/sid=.*/, `sid=${own.sid}`) });
      const other = await opened(nodes[0]);
      const here = await exchange(nodes[1].url, { ...request, path: request.path.replace(/sid=.*/, `sid=${other.sid}`) });
      assert.deepEqual([here.status, here.body], [there.status, there.body], `${request.method} ${request.path}`);
    }
  });
});

describe("stock clients", () => {
  const place = shared();
  const fronts = { "a balancer of single requests": (system) => Spreader.start(system.urls) };
  for (const kind of Object.keys(proxies)) fronts[kind] = (system) => Proxy.start(kind, system.nodes);

  for (const [name, start] of Object.entries(fronts)) {
    for (const mode of ["polling", "upgrade"]) {
      test(`60 clients (${mode}) behind ${name}: all events, in order, no connection lost [C-45]`, TEST, async () => {
        const system = await place();
        const front = await start(system);
        const kind = mode === "polling" ? 'kind="poll"' : 'kind="upgrade"';
        const forwards = () => total(system, "fanfare_forwards_total", kind, 'outcome="ok"');
        const before = await forwards();
        const clients = await within("clients to connect", Promise.all(Array.from({ length: 60 }, () => Client.connect(front.url, "/", { mode }))), 30_000);
        await Promise.all(clients.map((client) => client.join("load")));
        await publishNumbered(system, 100, { nodes: [0, 1, 2] });
        await assertComplete(clients, 100);
        const transport = transports[mode].at(-1);
        await until("all transports", () => clients.every((client) => client.transport === transport));
        clients.forEach((client) => assert.deepEqual(client.disconnects, []));
        assert.ok((await forwards()) > before, "nothing was forwarded: the test proved nothing");
        clients.forEach((client) => client.close());
        await until("no tunnel to be left", async () => (await total(system, "fanfare_forwarded_websockets")) === 0);
        await front.stop();
      });
    }
  }
});

describe("nodes that go", () => {
  for (const mode of ["polling", "upgrade"]) {
    test(`a killed owner's clients come back (${mode})`, TEST, () => withSystem(async (system) => {
      const { front, clients } = await settled(system, mode);
      const killed = await nodeId(system.nodes[0]);
      const lost = clients.filter((client) => ownedBy(client, killed));
      assert.ok(lost.length > 0);
      system.nodes[0].process.signal("SIGKILL");
      front.use(system.urls.slice(1));
      await until("all to be back", () => lost.every((client) => client.disconnects.length > 0) && clients.every(({ socket }) => socket.connected), 20_000);
      await Promise.all(clients.map((client) => client.join("load")));
      await publishNumbered(system, 20, { nodes: [1, 2] });
      await assertComplete(clients, 20);
      await until("the dead node to be buried", async () => (await total({ nodes: system.nodes.slice(1) }, "fanfare_nodes_buried_total")) === 1, 20_000);
      clients.forEach((client) => client.close());
      front.stop();
    }));
  }

  test("an owner that was stopped loses its lease, its polls end, and it enters again as somebody new", TEST, () => withSystem(async (system) => {
    const { path } = await opened(system.nodes[0]);
    await exchange(system.nodes[1].url, { method: "POST", path, body: "40" });
    await exchange(system.nodes[1].url, { path });
    system.nodes[0].process.signal("SIGSTOP");
    const answer = await within("an end of the poll", fetch(`${system.urls[1]}${path}`), 20_000);
    assert.deepEqual([answer.status, await answer.json()], [400, UNKNOWN]);
    system.nodes[0].process.signal("SIGCONT");
    await until("the node to enter again", () => system.nodes[0].logged("realtime.node_entered").length === 2);
    assert.equal(system.nodes[0].logged("realtime.node_fenced").length, 1);
    const [first, second] = system.nodes[0].logged("realtime.node_entered").map((line) => Number(line.incarnation));
    assert.ok(second > first);
  }));

  test("a node that drains releases the polls of others' sessions, and leaves the registry", TEST, () => withSystem(async (system) => {
    const { front, clients } = await settled(system, "polling");
    const drained = await nodeId(system.nodes[0]);
    const others = clients.filter((client) => !ownedBy(client, drained));
    assert.ok(others.length > 0);
    system.nodes[0].process.signal("SIGTERM");
    front.use(system.urls.slice(1));
    await system.nodes[0].process.ended;
    assert.equal(system.nodes[0].process.exit, 0);
    await until("all to be back", () => clients.every(({ socket }) => socket.connected));
    others.forEach((client) => assert.deepEqual(client.disconnects, []));
    assert.equal(await system.redis.cli("EXISTS", `fanfare:{main}:nodes:lease:${drained}`), "0");
    assert.equal((await system.redis.cli("ZRANGE", "fanfare:{main}:nodes:members", 0, -1)).includes(drained), false);
    clients.forEach((client) => client.close());
    front.stop();
  }));

  test("nodes that were given a secret keep none in Redis, and one with another secret is a stranger", TEST, () => withSystem(async (system) => {
    const { path } = await opened(system.nodes[0]);
    assert.equal((await exchange(system.nodes[1].url, { method: "POST", path, body: "40" })).status, 200);
    assert.equal(await system.redis.cli("EXISTS", "fanfare:{main}:nodes:secret"), "0");
    const stranger = await Gateway.start({ redisUrl: system.redisUrl, config: gatewayConfig(), name: "stranger" });
    try {
      assert.equal(JSON.parse((await exchange(stranger.url, { path })).body).code, UNKNOWN.code);
    } finally {
      await stranger.stop();
    }
  }, { edit: (text) => `${text}cluster: { secret: "the same on each node, and nowhere else" }\n` }));

  test("polls go on while Redis is away", TEST, () => withSystem(async (system) => {
    const { path } = await opened(system.nodes[0]);
    assert.equal((await exchange(system.nodes[1].url, { method: "POST", path, body: "40" })).status, 200);
    await exchange(system.nodes[1].url, { path });
    system.redis.process.signal("SIGSTOP");
    try {
      await until("Redis to be missed", async () => (await system.nodes[1].admin("/readyz?deep=1")).status === 503);
      const answer = await exchange(system.nodes[1].url, { method: "POST", path, body: "42[\"nothing\"]" });
      assert.deepEqual([answer.status, answer.body], [200, "ok"]);
    } finally {
      system.redis.process.signal("SIGCONT");
    }
  }));
});

describe("bad input", () => {
  const place = shared();

  test("a forged or truncated session id is unknown, and nobody is asked", TEST, async () => {
    const system = await place();
    const { sid } = await opened(system.nodes[0]);
    const flipped = (at) => sid.slice(0, at) + (sid[at] === "A" ? "B" : "A") + sid.slice(at + 1);
    const forged = ["", "x", "__proto__", sid.slice(0, 39), `${sid}A`, flipped(2), flipped(12), flipped(20), flipped(39), "A".repeat(40)];
    const before = await gets(system);
    for (let round = 0; round < 20; round += 1) {
      for (const wrong of forged) {
        for (const method of ["GET", "POST"]) {
          const answer = await exchange(system.urls[1], { method, path: `${ENGINE}&sid=${wrong}`, ...(method === "POST" && { body: "40" }) });
          assert.deepEqual([answer.status, JSON.parse(answer.body)], [400, UNKNOWN], `${method} ${wrong}`);
        }
      }
    }
    assert.equal(await total(system, "fanfare_forwards_total"), 0);
    assert.ok((await gets(system)) - before < 200, "400 forged ids did not reach Redis; leases and canaries did");
    const genuine = await exchange(system.urls[1], { method: "POST", path: `${ENGINE}&sid=${sid}`, body: "40" });
    assert.equal(genuine.status, 200);
  });

  test("what a client writes into the nodes' header has no effect", TEST, async () => {
    const system = await place();
    const { nodes } = system;
    const owner = await nodeId(nodes[0]);
    for (const spoofed of ["1", "", `${Date.now()}.0.${owner}.${"A".repeat(22)}`, "x".repeat(4_000)]) {
      const headers = { "fanfare-hop": spoofed };
      for (const node of [nodes[0], nodes[1]]) {
        const { path } = await opened(nodes[0], headers);
        const answer = await exchange(node.url, { method: "POST", path, body: "40", headers });
        assert.deepEqual([answer.status, answer.body], [200, "ok"]);
      }
    }
  });

  test("a node that dies is asked for once a moment, whoever comes", TEST, () => withSystem(async (system) => {
    const { path } = await opened(system.nodes[0]);
    system.nodes[0].process.signal("SIGKILL");
    await system.nodes[0].process.ended;
    const before = await gets(system);
    const answers = await Promise.all(Array.from({ length: 300 }, () => exchange(system.urls[1], { path })));
    answers.forEach((answer) => assert.deepEqual([answer.status, JSON.parse(answer.body)], [400, UNKNOWN]));
    assert.ok((await gets(system)) - before < 100);
  }));

  test("a registry that leads astray, to itself or out of the installation, ends in an unknown session", TEST, () => withSystem(async (system) => {
    const { path } = await opened(system.nodes[0]);
    const owner = await nodeId(system.nodes[0]);
    const lease = `fanfare:{main}:nodes:lease:${owner}`;
    const [incarnation, entered] = (await system.redis.cli("GET", lease)).split(" ");
    const addresses = system.urls.map((url) => new URL(url).host);
    for (const address of [addresses[1], addresses[2], "user@127.0.0.1:1", "127.0.0.1:1/x", "http://127.0.0.1:1", "127.0.0.1:1"]) {
      await system.redis.cli("SET", lease, `${incarnation} ${entered} ${address}`, "PX", 60_000);
      await until(`${address} to count`, async () => {
        const answer = await exchange(system.urls[1], { method: "POST", path, body: "2" });
        if (answer.status === 200) return false;
        assert.deepEqual([answer.status, JSON.parse(answer.body)], [400, UNKNOWN]);
        return true;
      });
    }
    assert.equal(await system.nodes[2].metric("fanfare_forwards_total"), 0, "who is not meant does not pass it on");
  }));
});

/// A system for all tests of a block, started by the first.
function shared(options) {
  let system;
  after(async () => (await system)?.stop(), { timeout: 60_000 });
  return () => (system ??= System.start(options));
}

async function withSystem(body, options) {
  const system = await System.start(options);
  try {
    await body(system);
  } catch (error) {
    console.error(system.logs());
    throw error;
  } finally {
    await system.stop();
  }
}

async function opened(node, headers) {
  const { body } = await exchange(node.url, { path: ENGINE, headers });
  const { sid } = JSON.parse(body.slice(1));
  return { sid, path: `${ENGINE}&sid=${sid}` };
}

/// Clients of all nodes behind a spreader, each in its final transport.
async function settled(system, mode) {
  const front = await Spreader.start(system.urls);
  const clients = await Promise.all(Array.from({ length: 18 }, () => Client.connect(front.url, "/", { mode })));
  await until("all transports", () => clients.every((client) => client.transport === transports[mode].at(-1)));
  return { front, clients };
}

/// The first twelve characters of a session id are its owner's id.
const ownedBy = (client, node) => client.socket.io.engine.id.startsWith(node);

function nodeId(node) {
  return until("the node's id", () => node.logged("realtime.node_entered")[0]?.node);
}

async function total(system, metric, ...parts) {
  const counts = await Promise.all(system.nodes.map((node) => node.metric(metric, ...parts)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/// How many GETs Redis has answered.
async function gets(system) {
  return Number(/cmdstat_get:calls=(\d+)/.exec(await system.redis.cli("INFO", "commandstats"))?.[1] ?? 0);
}
