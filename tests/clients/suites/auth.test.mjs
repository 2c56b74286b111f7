// Who comes in and who does not: tokens of several issuers, what a refusal tells the client and the log, rights and rooms.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Client } from "../support/clients.mjs";
import { fanfare, file } from "../support/command.mjs";
import { API_KEY, Gateway } from "../support/gateway.mjs";
import { Key, KeyServer, nowS } from "../support/issuers.mjs";
import { until } from "../support/waiting.mjs";

const TEST = { timeout: 20_000 };
// A key set is fetched every half minute at most, and tests of that have to live through one such time.
const KEYS_TEST = { timeout: 90_000 };
const FETCH_INTERVAL_MS = 30_000;
const ROTATION_DEADLINE_MS = 45_000;

const keys = {
  shared: new Key("HS256", { secret: "auth-suite-secret-0123456789abcdef0123456789" }),
  rsa: new Key("RS256"),
  curve: new Key("ES256"),
  setRsa: new Key("RS256", { kid: "set-rsa" }),
  setCurve: new Key("ES256", { kid: "set-curve" }),
  stranger: new Key("RS256", { kid: "set-rsa" }),
};
const keySet = await KeyServer.start([keys.setRsa, keys.setCurve]);
after(() => keySet.stop());

const issuer = (name, key) => ({ name, issuer: `https://${name}.test/`, leeway_s: 5, ...key });
const gateway = await Gateway.start({ config: {
  auth: { issuers: [
    issuer("shared", { secret: keys.shared.secret, algorithms: ["HS256"], audiences: ["chat"], required_claims: ["exp", "tenant"] }),
    issuer("rsa", { pem: keys.rsa.pem }),
    issuer("curve", { pem: keys.curve.pem, algorithms: ["ES256"], subject_claim: "uid", authorized_parties: ["web"] }),
    issuer("set", { jwks_url: keySet.url, algorithms: ["RS256", "ES256"], max_lifetime_s: 3_600 }),
  ] },
  namespaces: {
    "/": {
      rooms: ["user:{sub}", "org:{org.id}", "everyone"],
      join: ["user:{sub}:*", "team:{org.id}"], publish: ["inbox:{sub}:*"],
    },
    "/open": { anonymous: true, rooms: ["user:{sub}", "everyone"] },
    "/curve-only": { issuers: ["curve"] },
    "/closed": { refuse: { message: "moved away", data: { to: "/elsewhere" } } },
  },
  publish: { keys: [{ name: "suite", key: API_KEY }] },
} });
const opened = [];
after(async () => {
  opened.forEach((client) => client.close());
  await gateway.stop();
});

const claims = {
  shared: (more) => ({ iss: "https://shared.test/", aud: "chat", sub: "ada", tenant: 7, ...more }),
  rsa: (more) => ({ iss: "https://rsa.test/", sub: "bob", ...more }),
  curve: (more) => ({ iss: "https://curve.test/", uid: "cleo", azp: "web", ...more }),
  set: (more) => ({ iss: "https://set.test/", sub: "dora", ...more }),
};

describe("a good token admits [W-46 K-23 F-05 F-18]", () => {
  const admits = (what, token, user, namespace = "/") => {
    test(`${what}, from auth.token`, TEST, async () => {
      assert.equal(await whoami(await open(namespace, { auth: { token: token() } })), user);
    });
    for (const mode of ["polling", "websocket"]) {
      test(`${what}, from the Authorization header (${mode})`, TEST, async () => {
        const extraHeaders = { authorization: `Bearer ${token()}` };
        assert.equal(await whoami(await open(namespace, { mode, extraHeaders })), user);
      });
    }
  };

  admits("by shared secret", () => keys.shared.token(claims.shared()), "ada");
  admits("by RSA key", () => keys.rsa.token(claims.rsa()), "bob");
  admits("by elliptic key, its subject in another claim", () => keys.curve.token(claims.curve()), "cleo");
  admits("by RSA key of a set", () => keys.setRsa.token(claims.set()), "dora");
  admits("by elliptic key of a set", () => keys.setCurve.token(claims.set()), "dora");
  admits("where one issuer counts", () => keys.curve.token(claims.curve()), "cleo", "/curve-only");

  test("one of several audiences, and clocks apart by less than the leeway", TEST, async () => {
    await open("/", { auth: { token: keys.shared.token(claims.shared({ aud: ["mail", "chat"] })) } });
    await open("/", { auth: { token: keys.rsa.token(claims.rsa({ exp: nowS() - 2 })) } });
    await open("/", { auth: { token: keys.rsa.token(claims.rsa({ nbf: nowS() + 3 })) } });
  });

  test("auth.token before the header", TEST, async () => {
    const extraHeaders = { authorization: `Bearer ${keys.rsa.token(claims.rsa())}` };
    assert.equal(await whoami(await open("/", { auth: { token: keys.shared.token(claims.shared()) }, extraHeaders })), "ada");
  });

  test("one user here and another there over one connection", TEST, async () => {
    const first = await open("/", { auth: { token: keys.rsa.token(claims.rsa()) } });
    const second = new Client(first.socket.io.socket("/curve-only", { auth: { token: keys.curve.token(claims.curve()) } }));
    await second.connected();
    assert.deepEqual([await whoami(first), await whoami(second)], ["bob", "cleo"]);
  });
});

describe("a refusal [W-14 C-05 C-49]", () => {
  const INVALID = ["AUTH_INVALID", "Invalid token"];
  const refuses = (what, auth, [code, message], reason, namespace = "/") => test(what, TEST, async () => {
    const told = await start(namespace, auth()).refused();
    assert.deepEqual([told.data?.code, told.message], [code, message]);
    assert.deepEqual(Object.keys(told.data).sort(), ["code", "correlationId"]);
    await logged(told.data.correlationId, reason, namespace);
  });
  const token = (make) => () => ({ auth: { token: make() } });

  refuses("no token", () => ({}), ["AUTH_REQUIRED", "Authentication required"], "missing");
  refuses("an empty token", token(() => ""), ["AUTH_REQUIRED", "Authentication required"], "missing");
  refuses("nonsense", token(() => keep("no.such.token")), INVALID, "malformed");
  refuses("nonsense in the header", () => ({ extraHeaders: { authorization: `Bearer ${keep("header.no.token")}` } }), INVALID, "malformed");
  refuses("a token as long as a book", token(() => keys.rsa.token(claims.rsa({ book: "x".repeat(9_000) }))), INVALID, "malformed");
  refuses("no signature at all", token(() => unsigned(claims.rsa())), INVALID, "algorithm");
  refuses("a public key taken for a secret", token(() => new Key("HS256", { secret: keys.rsa.pem }).token(claims.rsa())), INVALID, "algorithm");
  refuses("another's signature", token(() => keys.stranger.token(claims.set())), INVALID, "signature");
  refuses("claims changed after signing", token(() => tampered(keys.shared.token(claims.shared()))), INVALID, "signature");
  refuses("the past", token(() => keys.shared.token(claims.shared({ iat: nowS() - 90, exp: nowS() - 30 }))), ["AUTH_EXPIRED", "Token expired"], "expired");
  refuses("the future", token(() => keys.shared.token(claims.shared({ nbf: nowS() + 60 }))), INVALID, "not_yet_valid");
  refuses("an issuer nobody knows", token(() => keys.rsa.token(claims.rsa({ iss: "https://nobody.test/" }))), INVALID, "issuer");
  refuses("an issuer that does not count here", token(() => keys.rsa.token(claims.rsa())), INVALID, "issuer", "/curve-only");
  refuses("another audience", token(() => keys.shared.token(claims.shared({ aud: "mail" }))), INVALID, "audience");
  refuses("no audience", token(() => keys.shared.token(claims.shared({ aud: undefined }))), INVALID, "audience");
  refuses("another party", token(() => keys.curve.token(claims.curve({ azp: "robot" }))), INVALID, "party");
  refuses("a missing claim", token(() => keys.shared.token(claims.shared({ tenant: undefined }))), INVALID, "claims");
  refuses("no end", token(() => keys.rsa.token(claims.rsa({ exp: undefined }))), INVALID, "claims");
  refuses("no subject", token(() => keys.curve.token(claims.curve({ uid: undefined }))), INVALID, "claims");
  refuses("too long a life", token(() => keys.setRsa.token(claims.set({ exp: nowS() + 86_400 }))), INVALID, "lifetime");
  refuses("a bad token where none is needed", token(() => keep("bad.where.open")), INVALID, "malformed", "/open");

  test("is counted by its reason", TEST, async () => {
    for (const reason of ["missing", "signature", "audience"]) {
      assert.ok((await gateway.metric("fanfare_connects_total", `"${reason}"`)) >= 1, reason);
    }
  });

  test("of one namespace leaves the others of the connection alone", TEST, async () => {
    const client = await open("/open");
    const refused = new Client(client.socket.io.socket("/curve-only"));
    assert.equal((await refused.refused()).data.code, "AUTH_REQUIRED");
    assert.equal((await client.ask("ping", {})).ok, true);
  });

  test("by configuration says what the configuration says", TEST, async () => {
    const told = await start("/closed", { auth: { token: keys.rsa.token(claims.rsa()) } }).refused();
    assert.deepEqual([told.message, told.data], ["moved away", { to: "/elsewhere" }]);
  });
});

describe("rights", () => {
  test("anonymous clients come in where the configuration says so, and are nobody [K-20]", TEST, async () => {
    const client = await open("/open");
    assert.ok([null, undefined].includes(await whoami(client)));
    assert.equal(await whoami(await open("/open", { auth: { token: keys.rsa.token(claims.rsa()) } })), "bob");
  });

  test("a socket is in the rooms of its claims from the start [C-06 H-10 H-12 H-13 F-15]", TEST, async () => {
    const [ada, bob] = [
      await open("/", { auth: { token: keys.shared.token(claims.shared({ org: { id: 12 } })) } }),
      await open("/", { auth: { token: keys.rsa.token(claims.rsa()) } }),
    ];
    for (const [room, event] of [["user:ada", "to-ada"], ["org:12", "to-org"], ["user:bob", "to-bob"], ["everyone", "to-all"]]) {
      await publish({ rooms: [room], event });
    }
    await Promise.all([ada, bob].map((client) => client.take("to-all")));
    assert.deepEqual(ada.events.map(([name]) => name), ["to-ada", "to-org", "to-all"]);
    assert.deepEqual(bob.events.map(([name]) => name), ["to-bob", "to-all"]);
  });

  test("patterns with a claim allow one's own and nothing else", TEST, async () => {
    const client = await open("/", { auth: { token: keys.shared.token(claims.shared({ org: { id: "x" } })) } });
    const joined = async (room) => (await client.ask("join", { room })).error ?? "ok";
    const published = async (room) => (await client.ask("publish", { room, event: "e" })).error ?? "ok";
    assert.deepEqual(
      [await joined("user:ada:notes"), await joined("team:x"), await joined("user:bob:notes"), await joined("team:y"), await joined("user:ada")],
      ["ok", "ok", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN"],
    );
    assert.deepEqual([await published("inbox:ada:1"), await published("inbox:bob:1"), await published("user:ada:notes")],
      ["ok", "FORBIDDEN", "FORBIDDEN"]);
  });

  test("a subject that looks like a pattern is only itself", TEST, async () => {
    const client = await open("/", { auth: { token: keys.rsa.token(claims.rsa({ sub: "*" })) } });
    assert.equal((await client.ask("join", { room: "user:ada:notes" })).error, "FORBIDDEN");
    assert.equal((await client.ask("join", { room: "user:*:notes" })).ok, true);
  });

  test("nothing is allowed that the configuration does not allow", TEST, async () => {
    const client = await open("/open", { auth: { token: keys.rsa.token(claims.rsa()) } });
    assert.equal((await client.ask("join", { room: "everyone" })).error, "FORBIDDEN");
    assert.equal((await client.ask("publish", { room: "everyone", event: "e" })).error, "FORBIDDEN");
  });
});

describe("key sets", { concurrency: true }, () => {
  test("a flood of unknown keys costs one fetch in half a minute, and a new key is found by it [W-46]", KEYS_TEST, () =>
    withKeySet(async ({ server, first, next, gateway }) => {
      const made = Array.from({ length: 40 }, (_, index) => new Key("ES256", { kid: `made-up-${index}` }));
      const flood = () => Promise.all(made.map(async (key) => (await attempt(gateway, key)).data?.code));
      assert.deepEqual(new Set(await flood()), new Set(["AUTH_INVALID"]));
      assert.equal(server.asked.length, 1, "fetched once, ahead of the first token");
      server.keys = [next];
      await until("the new key to be found", async () => {
        await flood();
        return (await attempt(gateway, next)) === "admitted";
      }, ROTATION_DEADLINE_MS);
      assert.equal(server.asked.length, 2);
      assert.ok(server.asked[1] - server.asked[0] >= FETCH_INTERVAL_MS - 1_000, `${server.asked[1] - server.asked[0]} ms apart`);
      assert.equal((await attempt(gateway, first)).data.code, "AUTH_INVALID", "a key taken back counts no more");
    }));

  test("cached keys serve on while the endpoint is down; who needs others is told to come back", KEYS_TEST, () =>
    withKeySet(async ({ server, first, next, gateway }) => {
      server.down = true;
      const refusal = await until("a fetch that fails", async () => {
        const told = await attempt(gateway, next);
        return told.data?.code === "UNAVAILABLE" && told;
      }, ROTATION_DEADLINE_MS);
      assert.equal(server.asked.length, 2);
      assert.equal(await attempt(gateway, first), "admitted");
      await logged(refusal.data.correlationId, "keys_unavailable", "/", gateway);
    }));

  test("all who wait for a key share one fetch", KEYS_TEST, () =>
    withKeySet(async ({ server, next, gateway }) => {
      const early = await Promise.all(Array.from({ length: 20 }, () => Client.connect(gateway.url, "/open")));
      server.keys = [next];
      server.hold();
      await until("the second fetch to start", async () => {
        // Its answer is held, so whoever started it waits.
        const waiting = attempt(gateway, next);
        return (await Promise.race([waiting, until("the fetch", () => server.asked.length === 2, 500).catch(() => false)])) === true;
      }, ROTATION_DEADLINE_MS);
      const received = () => gateway.metric("fanfare_received_packets_total");
      const before = await received();
      const late = early.map(({ socket }) => new Client(socket.io.socket("/", { auth: { token: tokenOf(next) } })));
      await until("the gateway to have all of them", async () => (await received()) >= before + late.length);
      assert.equal(server.asked.length, 2);
      server.release();
      await Promise.all(late.map((client) => client.connected()));
      assert.equal(server.asked.length, 2);
      early.forEach((client) => client.close());
    }));

  test("an endpoint that is down at the start keeps nobody else out", KEYS_TEST, () =>
    withKeySet(async ({ server, first, gateway }) => {
      await Client.connect(gateway.url, "/open").then((client) => client.close());
      assert.equal((await attempt(gateway, first)).data.code, "UNAVAILABLE");
      server.down = false;
      await until("the keys to be there", async () => (await attempt(gateway, first)) === "admitted", ROTATION_DEADLINE_MS);
    }, { down: true }));
});

describe("a file in which nobody could come in", () => {
  test("is refused by check and by serve, every fault at once [K-20]", TEST, async () => {
    const closed = file('namespaces:\n  "/": {}\n  "/other": { anonymous: false }\n  "/third": { issuers: [nobody] }\n');
    for (const words of [["check", closed], ["serve", "--config", closed, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]]) {
      const { status, errors } = await fanfare(words);
      assert.equal(status, 64, errors);
      for (const namespace of ["/", "/other", "/third"]) {
        assert.match(errors, new RegExp(`namespaces\\.?\\S*${namespace}\\S* admits nobody`), errors);
      }
      assert.match(errors, /`nobody`, which does not exist/);
    }
  });
});

test("no token ever stands in the log [C-49]", TEST, async () => {
  const log = gateway.process.log.join("\n");
  assert.ok(Key.issued.size > 50, `${Key.issued.size} tokens`);
  assert.ok(gateway.logged("realtime.auth_failed").length > 20);
  for (const token of Key.issued) {
    assert.ok(!log.includes(token), `${token} is in the log`);
    const signature = token.split(".").at(-1);
    if (signature.length > 20) assert.ok(!log.includes(signature), `${token}'s signature is in the log`);
  }
});

/// A gateway of its own with one key set. `down` begins with an endpoint that answers nothing of use.
async function withKeySet(body, { down = false } = {}) {
  const [first, next] = ["first", "next"].map((kid) => new Key("ES256", { kid }));
  const server = await KeyServer.start([first]);
  server.down = down;
  let gateway;
  try {
    gateway = await Gateway.start({ config: {
      auth: { issuers: [issuer("set", { jwks_url: server.url, algorithms: ["ES256"] })] },
      namespaces: { "/": {}, "/open": { anonymous: true } },
    } });
    await until("the first fetch", () => server.asked.length === 1);
    await body({ server, first, next, gateway });
  } finally {
    server.stop();
    await gateway?.stop();
  }
}

/// "admitted", or the refusal.
async function attempt(gateway, key) {
  const client = Client.start(gateway.url, "/", { auth: { token: tokenOf(key) }, reconnection: false });
  try {
    return await client.connected().then(() => "admitted", (refusal) => refusal);
  } finally {
    client.close();
  }
}

function tokenOf(key) {
  return key.token(claims.set());
}

/// The correlation id of a refusal leads to its line.
async function logged(correlationId, reason, namespace, at = gateway) {
  const line = await until(`the line of ${correlationId}`, () =>
    at.logged("realtime.auth_failed").find((line) => line.correlation_id === correlationId));
  assert.deepEqual([line.reason, line.namespace, line.level], [reason, namespace, "INFO"]);
}

function keep(token) {
  Key.issued.add(token);
  return token;
}

function unsigned(claims) {
  const [, payload] = keys.rsa.token(claims).split(".");
  return keep(`${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${payload}.`);
}

function tampered(token) {
  const [head, payload, signature] = token.split(".");
  const changed = { ...JSON.parse(Buffer.from(payload, "base64url")), sub: "root" };
  return keep(`${head}.${Buffer.from(JSON.stringify(changed)).toString("base64url")}.${signature}`);
}

async function publish(publication) {
  const headers = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" };
  const response = await fetch(`${gateway.url}/api/v1/publish`, { method: "POST", headers, body: JSON.stringify(publication) });
  assert.equal(response.status, 200, await response.text());
}

async function whoami(client) {
  return (await client.ask("whoami", {})).user;
}

function start(namespace, options) {
  const client = Client.start(gateway.url, namespace, { reconnection: false, ...options });
  opened.push(client);
  return client;
}

async function open(namespace, options) {
  const client = start(namespace, options);
  await client.connected();
  return client;
}
