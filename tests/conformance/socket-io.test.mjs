// Socket.IO protocol 5, 32 behaviours, against the fixture of deploy/examples/conformance.yaml.
// SOCKET_IO_URL names it, e.g. http://127.0.0.1:3000/socket.io/
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertSecondWebSocketIsClosed, probe, sessionBehaviours } from "./session.mjs";
import { TEST_MS, Wire, serverUrl } from "./wire.mjs";

const base = serverUrl("SOCKET_IO_URL");

describe("Socket.IO 5, its transport session", () => {
  sessionBehaviours(base);
  describe("upgrade", () => upgrading());
});

describe("Socket.IO 5", () => {
  describe("connect", () => connecting());
  describe("disconnect", () => disconnecting());
  describe("message", () => messages());
  describe("invalid packet", () => invalidPackets());
});

function upgrading() {
  test("moves from long-polling to WebSocket", { timeout: TEST_MS }, async () => {
    const { wire } = await probe(base);
    wire.send("5");
    wire.close();
  });

  test("refuses polls after the upgrade", { timeout: TEST_MS }, async () => {
    const { session, wire } = await probe(base);
    wire.send("5");
    assert.equal((await session.poll()).status, 400);
    wire.close();
  });

  test("closes a second WebSocket after the upgrade", { timeout: TEST_MS }, async () => {
    const { session, wire } = await probe(base);
    wire.send("5");
    await assertSecondWebSocketIsClosed(base, session.sid);
    wire.close();
  });
}

function connecting() {
  admits("the main namespace", { sent: "40", prefix: "", auth: {} });
  admits("the main namespace with credentials", { sent: '40{"token":"123"}', prefix: "", auth: { token: "123" } });
  admits("a custom namespace", { sent: "40/custom,", prefix: "/custom,", auth: {} });
  admits("a custom namespace with credentials", {
    sent: '40/custom,{"token":"abc"}', prefix: "/custom,", auth: { token: "abc" },
  });

  test("refuses an unknown namespace by name", { timeout: TEST_MS }, async () => {
    const wire = await openSession();
    wire.send("40/random");
    assert.equal(await wire.frame(), '44/random,{"message":"Invalid namespace"}');
    wire.close();
  });

  test("hangs up when the first packet is no CONNECT", { timeout: TEST_MS }, async () => {
    const wire = await openSession();
    wire.send("4abc");
    await wire.closed();
  });

  test("hangs up when no CONNECT comes in time", { timeout: TEST_MS }, async () => {
    await new Wire(base, { EIO: 4, transport: "websocket" }).closed();
  });
}

function admits(what, { sent, prefix, auth }) {
  test(`admits to ${what}`, { timeout: TEST_MS }, async () => {
    const wire = await openSession();
    wire.send(sent);
    const reply = await wire.frame();
    assert.ok(reply.startsWith(`40${prefix}`));
    const body = JSON.parse(reply.slice(2 + prefix.length));
    assert.deepEqual(Object.keys(body), ["sid"]);
    assert.equal(typeof body.sid, "string");
    assert.equal(await wire.frame(), `42${prefix}${JSON.stringify(["auth", auth])}`);
    wire.close();
  });
}

function disconnecting() {
  test("leaving the main namespace keeps the session, silently", { timeout: TEST_MS }, async () => {
    const wire = await connect();
    wire.send("41");
    assert.equal(await wire.frame(), "2");
    wire.close();
  });

  test("leaving a custom namespace leaves the main one alone", { timeout: TEST_MS }, async () => {
    const wire = await connect();
    // Past the first ping, so that no heartbeat can stand between the answers below.
    assert.equal(await wire.frame(), "2");
    wire.send("40/custom");
    await wire.frame();
    await wire.frame();
    wire.send("41/custom");
    wire.send('42["message","message to main namespace"]');
    assert.equal(await wire.frame(), '42["message-back","message to main namespace"]');
    wire.close();
  });
}

function messages() {
  const placeholders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
  const attachments = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];

  answers("an event", ['42["message",1,"2",{"3":[true]}]'], ['42["message-back",1,"2",{"3":[true]}]']);
  answers("an event with attachments",
    [`452-["message",${placeholders}]`, ...attachments], [`452-["message-back",${placeholders}]`, ...attachments]);
  answers("an event that wants an ack",
    ['42456["message-with-ack",1,"2",{"3":[false]}]'], ['43456[1,"2",{"3":[false]}]']);
  answers("an event with attachments that wants an ack",
    [`452-789["message-with-ack",${placeholders}]`, ...attachments], [`462-789[${placeholders}]`, ...attachments]);
}

function answers(what, sent, expected) {
  test(`takes and answers ${what}`, { timeout: TEST_MS }, async () => {
    const wire = await connect();
    for (const frame of sent) wire.send(frame);
    assert.deepEqual(await wire.frames(expected.length), expected);
    wire.close();
  });
}

function invalidPackets() {
  hangsUpOn("an unknown packet type", "4abc");
  hangsUpOn("a payload of the wrong kind", "42{}");
  hangsUpOn("an ack id that is no number", '42abc["message-with-ack",1,"2",{"3":[false]}]');
}

function hangsUpOn(what, frame) {
  test(`hangs up on ${what}`, { timeout: TEST_MS }, async () => {
    const wire = await connect();
    wire.send(frame);
    await wire.closed();
  });
}

async function openSession() {
  const wire = new Wire(base, { EIO: 4, transport: "websocket" });
  await wire.frame();
  return wire;
}

/// A session that has joined the main namespace and read both frames that greet it.
async function connect() {
  const wire = await openSession();
  wire.send("40");
  await wire.frame();
  await wire.frame();
  return wire;
}
