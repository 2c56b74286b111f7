// The command line as people type and script it: words, variables, output, exit codes.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Client } from "../support/clients.mjs";
import { fanfare, file, running } from "../support/command.mjs";
import { API_KEY, Gateway } from "../support/gateway.mjs";
import { Redis } from "../support/redis.mjs";
import { token } from "../support/system.mjs";
import { freePort, until, within } from "../support/waiting.mjs";

const TEST = { timeout: 30_000 };
const SECRET = "commandline-secret-0123456789abcdef0123456789";
const ID = /^\d+-\d+$/;
const started = [];
after(() => Promise.all(started.map((process) => process.stop("SIGKILL"))));

describe("fanfare alone", async () => {
  const [port, adminPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const gateway = start(["--listen", `127.0.0.1:${port}`, "--admin", `127.0.0.1:${adminPort}`]);
  await ready(adminPort, gateway);
  const printed = () => gateway.log.join("\n");

  test("says where it is, that it is alone and open to anybody, and what to try", TEST, async () => {
    await until("the announcement", () => printed().includes("watch"));
    for (const line of [`open      ${url}/`, `connect   io("${url}")`, /development mode, open to anybody/, /embedded backplane: one node/]) {
      assert.match(printed(), typeof line === "string" ? new RegExp(line.replace(/[().]/g, "\\$&")) : line);
    }
  });

  test("serves a page to try it with, and nothing else there", TEST, async () => {
    const page = await fetch(`${url}/`);
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-type"), /^text\/html/);
    assert.match(await page.text(), /<title>Fanfare<\/title>/);
    assert.equal((await fetch(`${url}/anything-else`)).status, 404);
  });

  test("prints a publish line that works as it stands", TEST, async () => {
    const client = await Client.connect(url);
    await client.join("kitchen");
    const line = /publish {3}fanfare (publish .*) (order:created) '(.*)'$/m.exec(printed());
    const { status, out, errors } = await fanfare([...line[1].split(" "), line[2], line[3]]);
    assert.equal(status, 0, errors);
    assert.match(out.trim(), ID);
    assert.deepEqual(await client.take("order:created"), [[JSON.parse(line[3])]]);
    client.close();
  });

  test("prints a watch line that works, too: tail shows what is published", TEST, async () => {
    const line = /watch {5}fanfare (tail .*)$/m.exec(printed());
    const tail = start(line[1].trim().split(" "));
    await until("tail to be connected", () => tail.log.some((text) => text.includes("connected to")));
    await until("an event in tail", async () => {
      await fanfare(["publish", "--url", url, "--room", "kitchen", "news", '{"hello": ["world", 1]}']);
      return tail.log.some((text) => /^\S+Z \d+-\d+ news \{"hello": \["world", 1\]\}$/.test(text));
    });
    tail.signal("SIGINT");
    await within("tail to end", tail.ended);
    assert.equal(tail.exit, 0);
  });

  test("health tells whether it is ready", TEST, async () => {
    assert.deepEqual(await fanfare(["health", "--admin", `127.0.0.1:${adminPort}`]), { status: 0, out: "ready\n", errors: "" });
    const nobody = await fanfare(["health", "--admin", `127.0.0.1:${await freePort()}`]);
    assert.equal(nobody.status, 1);
    assert.match(nobody.errors, /refused/);
  });

  test("ends with Ctrl-C", TEST, async () => {
    const other = await quick();
    other.signal("SIGINT");
    other.signal("SIGINT");
    await within("the gateway to end", other.ended);
    assert.equal(other.exit, 0);
  });
});

describe("defaults, file, variables and flags", () => {
  test("an anonymous gateway listens to this machine alone", TEST, async () => {
    const { out } = await fanfare(["serve", "--help"]);
    assert.match(out, /FANFARE_LISTEN\] \[default: 127\.0\.0\.1:3001\]/);
    assert.match(out, /FANFARE_ADMIN\] \[default: 127\.0\.0\.1:9090\]/);
    for (const name of ["FANFARE_CONFIG", "REDIS_URL", "FANFARE_ADVERTISE"]) assert.ok(out.includes(`[env: ${name}]`), name);
  });

  test("flags win over variables, and those over the file", TEST, async () => {
    const [byFile, byVariable, byFlag] = [await freePort(), await freePort(), await freePort()];
    const admins = [await freePort(), await freePort()];
    const config = file(`listen: 127.0.0.1:${byFile}\nadmin: 127.0.0.1:${admins[0]}\nnamespaces: { "/": { anonymous: true } }\n`);
    const env = { FANFARE_CONFIG: config };
    const listening = async (args, more, adminPort, expected) => {
      const process = start(args, { ...env, ...more });
      await ready(adminPort, process);
      const line = process.log.filter((text) => text.startsWith("{")).map(JSON.parse).find(({ event }) => event === "realtime.listening");
      assert.equal(line.url, `http://127.0.0.1:${expected}`);
      await process.stop("SIGKILL");
    };
    await listening([], {}, admins[0], byFile);
    await listening([], { FANFARE_LISTEN: `127.0.0.1:${byVariable}` }, admins[0], byVariable);
    const both = { FANFARE_LISTEN: `127.0.0.1:${byVariable}`, FANFARE_ADMIN: `127.0.0.1:${admins[1]}` };
    await listening(["--listen", `127.0.0.1:${byFlag}`], both, admins[1], byFlag);
    await listening(["serve", "--listen", `127.0.0.1:${byFlag}`], both, admins[1], byFlag);
    // A file that is named by the flag takes the place of the one in the variable.
    const other = file(`listen: 127.0.0.1:${byFlag}\nadmin: 127.0.0.1:${admins[1]}\nnamespaces: { "/": { anonymous: true } }\n`);
    await listening(["--config", other], {}, admins[1], byFlag);
  });

  test("REDIS_URL, FANFARE_REDIS_URL and --redis name the Redis", TEST, () => withRedis(async (redis) => {
    const nowhere = `redis://127.0.0.1:${await freePort()}`;
    const connected = async (args, env) => {
      const process = await quick(args, env);
      const line = process.log.filter((text) => text.startsWith("{")).map(JSON.parse).find(({ event }) => event === "realtime.backplane");
      assert.equal(line.kind, "redis");
      await process.stop("SIGKILL");
    };
    await connected([], { REDIS_URL: redis.url });
    await connected([], { REDIS_URL: nowhere, FANFARE_REDIS_URL: redis.url });
    await connected(["--redis", redis.url], { REDIS_URL: nowhere, FANFARE_REDIS_URL: nowhere });
  }));

  test("FANFARE_CLUSTER_ADVERTISE and --advertise are read, and refused where they are no address", TEST, async () => {
    const ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    for (const [args, env, origin] of [[[], { FANFARE_CLUSTER_ADVERTISE: "no address" }, /FANFARE_CLUSTER_ADVERTISE/], [["--advertise", "no address"], {}, /--advertise/]]) {
      const { status, errors } = await fanfare([...ports, ...args], { env });
      assert.equal(status, 64, errors);
      assert.match(errors, origin);
    }
    const process = await quick([], { FANFARE_ADVERTISE: "node-1.internal:3001" });
    await process.stop("SIGKILL");
  });

  test("a file that is not there, a variable that is no address, and a misspelt one are told", TEST, async () => {
    const told = async (env, ...expected) => {
      const { status, errors } = await fanfare(["--admin", "127.0.0.1:0"], { env });
      assert.equal(status, 64, errors);
      for (const text of expected) assert.match(errors, text);
    };
    await told({ FANFARE_CONFIG: "/nowhere/fanfare.yaml" }, /FANFARE_CONFIG/, /\/nowhere\/fanfare\.yaml cannot be read/);
    await told({ FANFARE_LISTEN: "here", REDIS_URL: "http://redis" }, /FANFARE_LISTEN/, /REDIS_URL/);
    await told({ FANFARE_LISTN: "127.0.0.1:0" }, /FANFARE_LISTN/, /FANFARE_LISTEN/);
  });

  test("words that are not understood end with 2", TEST, async () => {
    for (const words of [["--colour"], ["sing"], ["publish", "x"], ["check"], ["token"]]) {
      const { status, errors } = await fanfare(words);
      assert.equal(status, 2, words.join(" "));
      assert.match(errors, /Usage|--help/);
    }
    assert.match((await fanfare(["--version"])).out, /^fanfare \d+\.\d+\.\d+/);
  });
});

describe("fanfare check", () => {
  test("lists every fault of a file at once, each with its line", TEST, async () => {
    const faulty = file([
      "lissten: 127.0.0.1:1",
      "admin: somewhere",
      "engine: { ping_interval_ms: 5 }",
      'cors: { origins: ["*", "example.com", "nonsense"], credentials: true }',
      "auth:",
      "  issuers:",
      "    - { name: a, issuer: i, secret: s, pem: p }",
      "    - { name: a, issuer: i, jwks_url: ftp://x }",
      "namespaces:",
      '  "/": { rooms: ["user:{sub"], join: ["{"] }',
      '  "/a": { issuers: [b], recovery: perhaps }',
      "publish: { in_flight: many }",
      "drain: { grace_ms: -1 }",
      "",
    ].join("\n"));
    const { status, out, errors } = await fanfare(["check", faulty]);
    assert.deepEqual([status, out], [64, ""]);
    const told = errors.trim().split("\n").map((line) => line.slice(faulty.length + 1));
    assert.deepEqual(told.map((line) => /^\d+: \S+( item \d)?/.exec(line)?.[0]), [
      "1: lissten", "2: admin", "3: engine.ping_interval_ms",
      "4: cors.credentials", "4: cors.origins item 2", "4: cors.origins item 3",
      "7: auth.issuers[0].pem", "8: auth.issuers[1].jwks_url", "8: auth.issuers[1].name",
      '10: namespaces."/".join item 1', '10: namespaces."/".rooms item 1',
      '11: namespaces."/a".issuers', '11: namespaces."/a".recovery', "12: publish.in_flight", "13: drain.grace_ms",
    ]);
    assert.ok(told.every((line) => line.includes("; ")), "each names its cure");
  });

  test("has nothing to say but warnings about a file that is right", TEST, async () => {
    const right = file('auth: { issuers: [{ name: a, issuer: "https://a.test/", secret: short }] }\n');
    const { status, out, errors } = await fanfare(["check", right]);
    assert.equal(status, 0, errors);
    assert.match(out, /is right/);
    assert.match(errors, /warning: the secret of issuer a is shorter than 32 bytes/);
    assert.doesNotMatch(errors, /: short/);
  });

  test("judges the file alone, whatever the environment says", TEST, async () => {
    const right = file('namespaces: { "/": { anonymous: true } }\n');
    assert.equal((await fanfare(["check", right], { env: { FANFARE_LISTEN: "nonsense" } })).status, 0);
  });
});

describe("token, publish and tail with a configuration", async () => {
  const gateway = await Gateway.start({ config: {
    auth: { issuers: [{ name: "main", issuer: "https://main.test/", secret: SECRET }] },
    namespaces: { "/": { rooms: ["user:{sub}"], join: ["chat:{team}"] }, "/open": { anonymous: true, recovery: false } },
    publish: { keys: [{ name: "suite", key: API_KEY }] },
  } });
  started.push(gateway);
  const made = async (...more) => (await fanfare(["token", "--secret", SECRET, "--sub", "ada", "--claim", "iss=https://main.test/", ...more])).out.trim();
  const publish = (args, env) => fanfare(["publish", "--url", gateway.url, ...args], { env });

  test("token makes what the gateway takes, claims included", TEST, async () => {
    const client = await Client.connect(gateway.url, "/", { auth: { token: await made("--claim", "team=7") } });
    assert.equal((await client.ask("whoami", {})).user, "ada");
    assert.equal((await client.ask("join", { room: "chat:7" })).ok, true);
    client.close();
  });

  test("token makes short lives, too", TEST, async () => {
    const payload = JSON.parse(Buffer.from((await made("--ttl", "60")).split(".")[1], "base64url"));
    assert.equal(payload.exp - payload.iat, 60);
    const late = Client.start(gateway.url, "/", { auth: { token: await made("--claim", "exp=1") } });
    assert.equal((await late.refused()).data.code, "AUTH_EXPIRED");
    late.close();
  });

  test("publish shows its key, by flag or by variable, and names the cure without one", TEST, async () => {
    const client = await Client.connect(gateway.url, "/", { auth: { token: token({ sub: "bob", iss: "https://main.test/" }, { secret: SECRET }) } });
    assert.match((await publish(["--key", API_KEY, "--room", "user:bob", "a", "1"])).out.trim(), ID);
    assert.match((await publish(["--room", "user:bob", "b", "-2"], { FANFARE_KEY: API_KEY })).out.trim(), ID);
    const refused = await publish(["--room", "user:bob", "c", "3"]);
    assert.equal(refused.status, 1);
    assert.match(refused.errors, /401.*FANFARE_KEY/);
    assert.match((await publish(["--key", API_KEY, "--room", "user:bob", "end", '{"n":1}'])).out.trim(), ID);
    await client.take("end");
    assert.deepEqual(client.events, [["a", 1], ["b", -2], ["end", { n: 1 }]]);
    client.close();
  });

  test("publish refuses what is no JSON before it sends it, and says so of a gateway that is not there", TEST, async () => {
    const { status, errors } = await publish(["--key", API_KEY, "--room", "r", "e", "hello"]);
    assert.equal(status, 64);
    assert.match(errors, /quotes/);
    const nobody = await fanfare(["publish", "--url", `http://127.0.0.1:${await freePort()}`, "--room", "r", "e", "1"]);
    assert.deepEqual([nobody.status, /is the gateway running/.test(nobody.errors)], [1, true]);
  });

  test("tail shows its token, and says why it is refused", TEST, async () => {
    const tail = start(["tail", "--url", gateway.url, "--room", "chat:9", "--token", await made("--claim", "team=9")]);
    await until("an event in tail", async () => {
      await publish(["--key", API_KEY, "--room", "chat:9", "shown", "[1, 2]"]);
      return tail.log.some((text) => / shown \[1, 2\]$/.test(text));
    });
    await tail.stop("SIGINT");
    for (const [args, expected] of [[[], /AUTH_REQUIRED|--token/], [["--token", "no.such.token"], /AUTH_INVALID|Invalid token/], [["--namespace", "/nowhere"], /Invalid namespace/]]) {
      const { status, errors } = await fanfare(["tail", "--url", gateway.url, ...args]);
      assert.equal(status, 1, errors);
      assert.match(errors, expected);
    }
    const forbidden = await fanfare(["tail", "--url", gateway.url, "--namespace", "/open", "--room", "secret"]);
    assert.equal(forbidden.status, 1);
    assert.match(forbidden.errors, /FORBIDDEN|may not/);
  });

  test("outside development there is no page", TEST, async () => {
    assert.equal((await fetch(`${gateway.url}/`)).status, 404);
  });
});

describe("with Redis", () => {
  test("publish --redis reaches the gateways through the inbox", TEST, () => withRedis(async (redis) => {
    const gateway = await Gateway.start({ redisUrl: redis.url, config: { namespaces: { "/": { anonymous: true, join: ["*"] } } } });
    started.push(gateway);
    const client = await Client.connect(gateway.url);
    await client.join("r");
    const { status, out, errors } = await fanfare(["publish", "--redis", redis.url, "--room", "r", "by-redis", '{"n": 12345678901234567890}']);
    assert.equal(status, 0, errors);
    assert.match(out.trim(), ID);
    assert.equal((await client.take("by-redis")).length, 1);
    client.close();
    await gateway.stop();
    const nobody = await fanfare(["publish", "--redis", `redis://127.0.0.1:${await freePort()}`, "--room", "r", "e", "1"]);
    assert.equal(nobody.status, 1);
    assert.match(nobody.errors, /Redis cannot be reached at 127\.0\.0\.1:\d+: Connection refused/);
  }));

  test("doctor finds everything in order, or names the cure", TEST, () => withRedis(async (redis) => {
    const ports = { FANFARE_LISTEN: `127.0.0.1:${await freePort()}`, FANFARE_ADMIN: `127.0.0.1:${await freePort()}` };
    const healthy = await fanfare(["doctor", "--redis", redis.url], { env: ports });
    assert.equal(healthy.status, 0, healthy.out + healthy.errors);
    for (const line of [/^ok {7}the configuration is right/m, /^ok {7}Redis \d/m, /noeviction/, /function/i, /files/i]) assert.match(healthy.out, line);
    assert.doesNotMatch(healthy.out, /^fault/m);

    await redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    await redis.cli("ACL", "SETUSER", "poor", "on", ">word", "~*", "&*", "+@all", "-fcall", "-function", "-eval", "-evalsha", "-xadd");
    const poor = await fanfare(["doctor", "--redis", redis.url.replace("//", "//poor:word@")], { env: ports });
    assert.equal(poor.status, 1, poor.out);
    assert.match(poor.out, /^warning {2}maxmemory-policy is allkeys-lru — CONFIG SET/m);
    assert.match(poor.out, /^fault .* — .*ACL SETUSER/m);
    assert.doesNotMatch(poor.out, /word/);

    const gone = await fanfare(["doctor", "--redis", `redis://127.0.0.1:${await freePort()}`], { env: ports });
    assert.equal(gone.status, 1);
    assert.match(gone.out, /^fault .*cannot be reached at .* — /m);
    const faulty = await fanfare(["doctor", "--config", file("lissten: 1\nadmin: 7\n")]);
    assert.equal(faulty.status, 1);
    assert.match(faulty.out, /^fault .*lissten[^]*^fault .*admin/m);
  }));
});

function start(args, env) {
  const process = running(args, { env });
  started.push(process);
  return process;
}

/// A gateway on free ports that is ready.
async function quick(args = [], env = {}) {
  const adminPort = await freePort();
  const process = start(["--listen", "127.0.0.1:0", "--admin", `127.0.0.1:${adminPort}`, ...args], env);
  await ready(adminPort, process);
  return process;
}

async function ready(adminPort, process) {
  await until("the gateway to be ready", async () => {
    if (!process.running) return true;
    return (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok;
  });
  process.assertRunning();
}

async function withRedis(body) {
  const redis = await Redis.start();
  try {
    await body(redis);
  } finally {
    await redis.stop("SIGKILL");
  }
}
