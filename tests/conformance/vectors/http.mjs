// The captured HTTP exchanges, in the order they were captured: some continue the session of the one before.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { exchange, pendingGet } from "../raw.mjs";
import { vectors } from "./files.mjs";

const POLLING = "/socket.io/?EIO=4&transport=polling";

/// Headers the vectors speak about; where a vector does not name one, it must be absent, save for the type of an empty body.
const COMPARED = [
  "cache-control", "content-type", "vary", "access-control-allow-origin", "access-control-allow-credentials",
  "access-control-allow-methods", "access-control-allow-headers",
];

/// These begin a session of their own; the other ones with a live sid go on with the one before.
const BEGINS = new Set([
  "EIO mismatch on live sid", "POST over maxPayload", "POST empty body", "POST client ping (wrong direction)",
  "POST invalid Socket.IO packet",
]);

/// Captured while two requests were under way: the name of the one that was sent second, and of the one that waited.
const CONCURRENT = new Map([
  ["second concurrent poll", "first of two concurrent polls"],
  ["POST close packet", "poll pending while the client posts close"],
]);

/// Where this gateway answers otherwise, with the reason.
const DIFFERENCES = new Map([
  ["forbidden by allowRequest", {
    // There is no code to run in a gateway: who may come in is decided by tokens at the CONNECT, and by the origin.
    why: "there is no allowRequest hook, so the query is the application's own and the handshake is served",
    response: "handshake",
  }],
  ["path without trailing slash", {
    why: "what the rest of the server answers there is its own matter; only that it is no Engine.IO answer counts",
    body: undefined,
    headers: {},
  }],
  ["CORS preflight other origin", {
    why: "a page that may not read answers learns nothing about what others may do",
    headers: {},
  }],
]);

export function httpVectors(url) {
  const { cases } = vectors("engine.io-http.json");
  const named = new Map(cases.map((vector) => [vector.name, vector]));
  const waiting = new Set(CONCURRENT.values());
  const session = { sid: undefined };

  for (const vector of cases.filter(({ name }) => !waiting.has(name))) {
    const other = named.get(CONCURRENT.get(vector.name));
    test(other ? `${vector.name}; ${other.name}` : vector.name, async () => {
      if (BEGINS.has(vector.name) || other) session.sid = await open(url());
      const pending = other && (await pendingGet(url(), pathOf(other, session)));
      const { headers, body, method } = vector.request;
      const answer = await exchange(url(), { method, path: pathOf(vector, session), headers, body: written(body) });
      check(vector, answer, named);
      if (pending) check(other, await pending.answer(), named);
    });
  }

  describe("where the reference is not followed", () => {
    for (const [name, { why }] of DIFFERENCES) test(`${name}: ${why}`, () => assert.ok(named.has(name)));
    test("credentials are allowed only together with an origin: alone the header means nothing", async () => {
      const { headers } = await exchange(url(), { path: POLLING });
      assert.equal(headers["access-control-allow-credentials"], undefined);
    });
  });
}

function check({ name, response }, answer, named) {
  const difference = DIFFERENCES.get(name) ?? {};
  const expected = difference.response ? named.get(difference.response).response : { ...response, ...difference };
  assert.equal(answer.status, expected.status);
  if (expected.body !== undefined) assert.equal(answer.body.replaceAll(/"sid":"[\w-]{20,}"/g, '"sid":"<sid>"'), expected.body);
  if (!Object.hasOwn(difference, "headers")) assert.deepEqual(compared(answer), ours(expected.headers, answer));
  else assert.equal(answer.headers["access-control-allow-origin"], undefined);
}

/// The captured headers with our one rule: no credentials without an origin.
function ours(captured) {
  const headers = { ...captured };
  if (!headers["access-control-allow-origin"]) delete headers["access-control-allow-credentials"];
  return headers;
}

function compared({ headers, body }) {
  const present = COMPARED.filter((name) => headers[name] !== undefined && (name !== "content-type" || body !== ""));
  return Object.fromEntries(present.map((name) => [name, headers[name]]));
}

function pathOf(vector, session) {
  return vector.request.path.replace("<sid>", session.sid);
}

/// The one body that stands abbreviated in the file.
function written(body) {
  const long = /^(4x+)\.\.\.\((\d+) chars\)$/.exec(body ?? "");
  return long ? "4".padEnd(Number(long[2]), "x") : body;
}

async function open(base) {
  const { body } = await exchange(base, { path: POLLING });
  return JSON.parse(body.slice(1)).sid;
}
