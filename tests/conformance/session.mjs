// The Engine.IO behaviours that hold on any path, whatever the messages carry: handshake, heartbeat, close.
// Both suites run them, each against its own server.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  HEARTBEAT_TEST_MS, MAX_PAYLOAD_BYTES, PING_INTERVAL_MS, PING_TIMEOUT_MS, Polling, TEST_MS, Wire, pause, request, withQuery,
} from "./wire.mjs";

const SLACK_MS = 20;

export function sessionBehaviours(base) {
  describe("handshake", () => {
    describe("long-polling", () => pollingHandshake(base));
    describe("WebSocket", () => webSocketHandshake(base));
  });
  describe("heartbeat", () => {
    describe("long-polling", () => pollingHeartbeat(base));
    describe("WebSocket", () => webSocketHeartbeat(base));
  });
  describe("close", () => closing(base));
}

function pollingHandshake(base) {
  const handshake = (query, method) => request(withQuery(base, query), method);

  test("opens a session and announces exactly the five settings", { timeout: TEST_MS }, async () => {
    const { status, body } = await handshake({ EIO: 4, transport: "polling" });
    assert.equal(status, 200);
    assertOpenPacket(body, ["websocket"]);
  });

  test("refuses an absent or unknown protocol revision", { timeout: TEST_MS }, async () => {
    assert.equal((await handshake({ transport: "polling" })).status, 400);
    assert.equal((await handshake({ EIO: "abc", transport: "polling" })).status, 400);
  });

  test("refuses an absent or unknown transport", { timeout: TEST_MS }, async () => {
    assert.equal((await handshake({ EIO: 4 })).status, 400);
    assert.equal((await handshake({ EIO: 4, transport: "abc" })).status, 400);
  });

  test("refuses a handshake by any method but GET", { timeout: TEST_MS }, async () => {
    assert.equal((await handshake({ EIO: 4, transport: "polling" }, "POST")).status, 400);
    assert.equal((await handshake({ EIO: 4, transport: "polling" }, "PUT")).status, 400);
  });
}

function webSocketHandshake(base) {
  test("opens a session and offers no further upgrade [K-13]", { timeout: TEST_MS }, async () => {
    const wire = new Wire(base, { EIO: 4, transport: "websocket" });
    assertOpenPacket(await wire.frame(), []);
    wire.close();
  });

  test("refuses an absent or unknown protocol revision", { timeout: TEST_MS }, async () => {
    await new Wire(base, { transport: "websocket" }).closed();
    await new Wire(base, { EIO: "abc", transport: "websocket" }).closed();
  });

  test("refuses an absent or unknown transport", { timeout: TEST_MS }, async () => {
    await new Wire(base, { EIO: 4 }).closed();
    await new Wire(base, { EIO: 4, transport: "abc" }).closed();
  });
}

function pollingHeartbeat(base) {
  test("pings by poll and takes the pong by post, three times over", { timeout: HEARTBEAT_TEST_MS }, async () => {
    const session = await Polling.open(base);
    for (let round = 0; round < 3; round += 1) {
      assert.deepEqual(await session.poll(), { status: 200, body: "2" });
      assert.equal((await session.post("3")).status, 200);
    }
  });

  test("forgets a session that lets the ping time out", { timeout: HEARTBEAT_TEST_MS }, async () => {
    const session = await Polling.open(base);
    // Time itself is the subject here; the slack is for the clocks of two busy processes.
    await pause(PING_INTERVAL_MS + PING_TIMEOUT_MS + SLACK_MS);
    assert.equal((await session.poll()).status, 400);
  });
}

function webSocketHeartbeat(base) {
  test("pings and takes the pong, three times over", { timeout: HEARTBEAT_TEST_MS }, async () => {
    const wire = new Wire(base, { EIO: 4, transport: "websocket" });
    await wire.frame();
    for (let round = 0; round < 3; round += 1) {
      assert.equal(await wire.frame(), "2");
      wire.send("3");
    }
    wire.close();
  });

  test("hangs up on a client that lets the ping time out", { timeout: HEARTBEAT_TEST_MS }, async () => {
    await new Wire(base, { EIO: 4, transport: "websocket" }).closed();
  });
}

function closing(base) {
  test("a close packet by post ends the pending poll with a noop and the session with it", { timeout: TEST_MS }, async () => {
    const session = await Polling.open(base);
    const [poll] = await Promise.all([session.poll(), session.post("1")]);
    assert.deepEqual(poll, { status: 200, body: "6" });
    assert.equal((await session.poll()).status, 400);
  });

  test("a close packet over WebSocket ends the connection", { timeout: TEST_MS }, async () => {
    const wire = new Wire(base, { EIO: 4, transport: "websocket" });
    await wire.frame();
    wire.send("1");
    await wire.closed();
  });
}

/// A polling session with a WebSocket beside it that has been probed but not yet committed.
export async function probe(base) {
  const session = await Polling.open(base);
  const wire = await Wire.open(base, { EIO: 4, transport: "websocket", sid: session.sid });
  wire.send("2probe");
  assert.equal(await wire.frame(), "3probe");
  return { session, wire };
}

/// A second WebSocket for a session that already lives on one.
export async function assertSecondWebSocketIsClosed(base, sid) {
  await new Wire(base, { EIO: 4, transport: "websocket", sid }).closed();
}

function assertOpenPacket(packet, upgrades) {
  assert.equal(packet[0], "0");
  const { sid, ...settings } = JSON.parse(packet.slice(1));
  assert.equal(typeof sid, "string");
  assert.deepEqual(settings, {
    upgrades, pingInterval: PING_INTERVAL_MS, pingTimeout: PING_TIMEOUT_MS, maxPayload: MAX_PAYLOAD_BYTES,
  });
}
