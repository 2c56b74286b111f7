// Which web pages may use the gateway: what a browser is answered over polling, and what a WebSocket from elsewhere is.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, describe, test } from "node:test";
import WebSocket from "ws";
import { Client } from "../support/clients.mjs";
import { fanfare, file, running } from "../support/command.mjs";
import { Gateway } from "../support/gateway.mjs";
import { freePort, until, within } from "../support/waiting.mjs";

const TEST = { timeout: 20_000 };
const APP = "https://app.example.com";
const ADMIN = "http://admin.example.com:8080";
const FOREIGN = "https://elsewhere.example.com";
const ENDPOINT = "/socket.io/?EIO=4&transport=polling";

const started = [];
after(() => Promise.all(started.map((process) => process.stop())));

describe("a list of origins", async () => {
  const gateway = await serving({ origins: [APP, ADMIN], credentials: true, max_age_s: 77 });

  for (const origin of [APP, ADMIN]) {
    test(`names ${origin} back, with credentials`, TEST, async () => {
      const { status, headers } = await ask(gateway, { origin });
      assert.deepEqual([status, cors(headers)], [200, { "allow-origin": origin, "allow-credentials": "true" }]);
      assert.match(headers.vary, /origin/i);
    });
  }

  test("names nobody else back, however alike", TEST, async () => {
    for (const origin of [FOREIGN, "null", `${APP}.evil.com`, `${APP}:8443`, APP.replace("https", "http"), APP.toUpperCase()]) {
      const { headers } = await ask(gateway, { origin });
      assert.deepEqual(cors(headers), {}, origin);
      assert.match(headers.vary, /origin/i);
    }
  });

  test("answers a preflight with methods, the headers asked for, and how long it holds", TEST, async () => {
    const { status, headers, body } = await preflight(gateway, APP);
    assert.deepEqual([status, body], [204, ""]);
    const { "allow-methods": methods, ...rest } = cors(headers);
    assert.deepEqual(rest, {
      "allow-origin": APP, "allow-credentials": "true", "allow-headers": "content-type,x-mine", "max-age": "77",
    });
    for (const method of ["GET", "POST"]) assert.ok(methods.split(",").includes(method), methods);
    assert.deepEqual(cors((await preflight(gateway, FOREIGN)).headers), {});
  });

  test("puts the headers on errors, so that pages can read them", TEST, async () => {
    const errors = [
      ["/socket.io/?EIO=4&transport=polling&sid=nobody", {}, 400],
      ["/socket.io/?EIO=3&transport=polling", {}, 400],
      ["/socket.io/?EIO=4&transport=pigeon", {}, 400],
      [ENDPOINT, { method: "POST" }, 400],
    ];
    for (const [path, options, expected] of errors) {
      const { status, headers } = await ask(gateway, { path, origin: APP, ...options });
      assert.deepEqual([status, cors(headers)["allow-origin"]], [expected, APP], path);
    }
  });

  test("puts them on every answer of a session", TEST, async () => {
    const { sid } = JSON.parse((await ask(gateway, { origin: APP })).body.slice(1));
    const posted = await ask(gateway, { path: `${ENDPOINT}&sid=${sid}`, method: "POST", origin: APP, body: "40" });
    const polled = await ask(gateway, { path: `${ENDPOINT}&sid=${sid}`, origin: APP });
    assert.deepEqual([posted, polled].map(({ status, headers }) => [status, cors(headers)["allow-origin"]]), [[200, APP], [200, APP]]);
    assert.match(polled.body, /^40/);
  });

  test("refuses a WebSocket of another page with 403, and serves its own", TEST, async () => {
    for (const origin of [FOREIGN, "null", `${APP}.evil.com`]) {
      assert.deepEqual(await websocket(gateway, origin), 403, origin);
    }
    assert.equal(await websocket(gateway, APP), "open");
    assert.ok((await gateway.metric("fanfare_requests_refused_total", '"origin"')) >= 3);
  });

  test("refuses a foreign upgrade of a session, too", TEST, async () => {
    const { sid } = JSON.parse((await ask(gateway, { origin: APP })).body.slice(1));
    assert.equal(await websocket(gateway, FOREIGN, sid), 403);
  });

  test("serves clients that are no browsers", TEST, async () => {
    for (const mode of ["polling", "websocket", "upgrade"]) {
      const client = await Client.connect(gateway.url, "/", { mode });
      client.close();
    }
    assert.deepEqual(cors((await ask(gateway, {})).headers), {});
  });
});

describe("other choices", () => {
  test("reflect names every origin back but null", TEST, async () => {
    const gateway = await serving({ reflect: true, credentials: true });
    for (const origin of [APP, FOREIGN]) {
      assert.deepEqual(cors((await ask(gateway, { origin })).headers), { "allow-origin": origin, "allow-credentials": "true" });
      assert.equal(cors((await preflight(gateway, origin)).headers)["allow-origin"], origin);
      assert.equal(await websocket(gateway, origin), "open");
    }
    assert.deepEqual(cors((await ask(gateway, { origin: "null" })).headers), {});
  });

  test("the origin * is answered with *", TEST, async () => {
    const gateway = await serving({ origins: ["*"] });
    assert.deepEqual(cors((await ask(gateway, { origin: FOREIGN })).headers), { "allow-origin": "*" });
    assert.equal(await websocket(gateway, FOREIGN), "open");
  });

  test("without any there are no headers and no check", TEST, async () => {
    const gateway = await serving({});
    assert.deepEqual(cors((await ask(gateway, { origin: FOREIGN })).headers), {});
    assert.equal(await websocket(gateway, FOREIGN), "open");
  });

  test("a list without the WebSocket check lets WebSockets pass", TEST, async () => {
    const gateway = await serving({ origins: [APP], check_websocket_origin: false });
    assert.equal(await websocket(gateway, FOREIGN), "open");
  });

  test("development serves the pages of this machine and no others", TEST, async () => {
    const [port, adminPort] = [await freePort(), await freePort()];
    const process = running(["--listen", `127.0.0.1:${port}`, "--admin", `127.0.0.1:${adminPort}`]);
    started.push(process);
    const gateway = { url: `http://127.0.0.1:${port}` };
    await until("the gateway", async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok);
    for (const origin of ["http://localhost:5173", "http://127.0.0.1:8000", "http://[::1]:3000", gateway.url]) {
      assert.deepEqual(cors((await ask(gateway, { origin })).headers), { "allow-origin": origin }, origin);
      assert.equal(await websocket(gateway, origin), "open", origin);
    }
    for (const origin of [FOREIGN, "null", "http://localhost.evil.com", "http://127.0.0.1.evil.com"]) {
      assert.deepEqual(cors((await ask(gateway, { origin })).headers), {}, origin);
      assert.equal(await websocket(gateway, origin), 403, origin);
    }
  });

  test("* with credentials is refused before a port opens", TEST, async () => {
    const faulty = file('namespaces: { "/": { anonymous: true } }\ncors: { origins: ["*"], credentials: true }\n');
    for (const words of [["check", faulty], ["--config", faulty, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]]) {
      const { status, errors } = await fanfare(words);
      assert.equal(status, 64, errors);
      assert.match(errors, /cors\.credentials is not possible with the origin `\*`/);
    }
  });
});

async function serving(cors) {
  const gateway = await Gateway.start({ config: { namespaces: { "/": { anonymous: true } }, cors } });
  started.push(gateway);
  return gateway;
}

/// One request with exactly these headers; `fetch` would not let us name an origin.
function ask(gateway, { path = ENDPOINT, method = "GET", origin, headers = {}, body } = {}) {
  return within(`${method} ${path}`, new Promise((resolve, reject) => {
    const asked = request(`${gateway.url}${path}`, { method, headers: { ...(origin && { origin }), ...headers } }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
    });
    asked.on("error", reject);
    asked.end(body);
  }));
}

function preflight(gateway, origin) {
  const headers = { "access-control-request-method": "POST", "access-control-request-headers": "content-type,x-mine" };
  return ask(gateway, { method: "OPTIONS", origin, headers });
}

/// The CORS headers without their common beginning.
function cors(headers) {
  const beginning = "access-control-";
  return Object.fromEntries(Object.entries(headers)
    .filter(([name]) => name.startsWith(beginning)).map(([name, value]) => [name.slice(beginning.length), value]));
}

/// "open", or the status of the refusal.
function websocket(gateway, origin, sid) {
  const url = `${gateway.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket${sid ? `&sid=${sid}` : ""}`;
  const socket = new WebSocket(url, { origin });
  return within(`a WebSocket from ${origin}`, new Promise((resolve, reject) => {
    socket.on("open", () => {
      resolve("open");
      socket.close();
    });
    socket.on("unexpected-response", (asked, response) => {
      resolve(response.statusCode);
      asked.destroy();
    });
    socket.on("error", reject);
  }));
}
