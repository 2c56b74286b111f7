// Engine.IO protocol 4, 25 behaviours, against a server that echoes every message unchanged.
// ENGINE_IO_URL names it, e.g. http://127.0.0.1:3000/engine.io/
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertSecondWebSocketIsClosed, probe, sessionBehaviours } from "./session.mjs";
import { Polling, TEST_MS, Wire, serverUrl } from "./wire.mjs";

const base = serverUrl("ENGINE_IO_URL");
const SEPARATOR = "\x1e";

describe("Engine.IO 4", () => {
  sessionBehaviours(base);
  describe("message", () => {
    describe("long-polling", () => pollingMessages());
    describe("WebSocket", () => webSocketMessages());
  });
  describe("upgrade", () => upgrading());
});

function pollingMessages() {
  echoes("one text packet", "4hello");
  echoes("several text packets in one payload", ["4test1", "4test2", "4test3"].join(SEPARATOR));
  echoes("text and binary packets in one payload", ["4hello", "bAQIDBA=="].join(SEPARATOR));

  test("closes the session on a payload that is no packet", { timeout: TEST_MS }, async () => {
    const session = await Polling.open(base);
    // The answer to the bad post is free (refused, accepted or cut off); what counts is that the session is gone.
    await session.post("abc").catch(() => {});
    assert.equal((await session.poll()).status, 400);
  });

  test("closes the session on a second poll beside a pending one", { timeout: TEST_MS }, async () => {
    const session = await Polling.open(base);
    const first = session.poll();
    await session.settle();
    const second = session.poll({ t: "burst" });
    assert.deepEqual(await first, { status: 200, body: "1" });
    assert.ok([400, 500].includes((await second).status));
    assert.equal((await session.poll()).status, 400);
  });

  test("closes the session when the client drops its poll", { timeout: TEST_MS }, async () => {
    const session = await Polling.open(base);
    const pending = session.pendingPoll();
    await pending.sent;
    await session.settle();
    pending.drop();
    await session.settle();
    assert.equal((await session.poll()).status, 400);
  });
}

function echoes(what, payload) {
  test(`takes and returns ${what}`, { timeout: TEST_MS }, async () => {
    const session = await Polling.open(base);
    assert.deepEqual(await session.post(payload), { status: 200, body: "ok" });
    assert.deepEqual(await session.poll(), { status: 200, body: payload });
  });
}

function webSocketMessages() {
  const session = async () => {
    const wire = new Wire(base, { EIO: 4, transport: "websocket" });
    await wire.frame();
    return wire;
  };

  test("takes and returns a text packet", { timeout: TEST_MS }, async () => {
    const wire = await session();
    wire.send("4hello");
    assert.equal(await wire.frame(), "4hello");
    wire.close();
  });

  test("takes and returns a binary packet as bare bytes", { timeout: TEST_MS }, async () => {
    const wire = await session();
    wire.send(Buffer.from([1, 2, 3, 4]));
    assert.deepEqual(await wire.frame(), Buffer.from([1, 2, 3, 4]));
    wire.close();
  });

  test("hangs up on a frame that is no packet", { timeout: TEST_MS }, async () => {
    const wire = await session();
    wire.send("abc");
    await wire.closed();
  });
}

function upgrading() {
  test("moves from long-polling to WebSocket, releasing the poll with a noop [C-01]", { timeout: TEST_MS }, async () => {
    const { session, wire } = await probe(base);
    assert.deepEqual(await session.poll(), { status: 200, body: "6" });
    wire.send("5");
    await assertEcho(wire);
  });

  test("refuses polls after the upgrade and stays up", { timeout: TEST_MS }, async () => {
    const { session, wire } = await probe(base);
    wire.send("5");
    assert.equal((await session.poll()).status, 400);
    await assertEcho(wire);
  });

  test("closes a second WebSocket after the upgrade and stays up", { timeout: TEST_MS }, async () => {
    const { session, wire } = await probe(base);
    wire.send("5");
    await assertSecondWebSocketIsClosed(base, session.sid);
    await assertEcho(wire);
  });
}

async function assertEcho(wire) {
  wire.send("4hello");
  assert.deepEqual(await wire.frames(1), ["4hello"]);
  wire.close();
}
