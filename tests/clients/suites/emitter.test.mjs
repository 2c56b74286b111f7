// The published @socket.io/redis-emitter as backends use it: every kind of call, and what clients on three nodes see of it.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { Audience, EVERYONE } from "../support/audience.mjs";
import { Client } from "../support/clients.mjs";
import { onReference } from "../support/gateway.mjs";
import { System, sharedSystem } from "../support/system.mjs";
import { until } from "../support/waiting.mjs";

const TEST = { timeout: 20_000 };
const shared = await sharedSystem();
const JSON_PARSER = { encode: (value) => Buffer.from(JSON.stringify(value)), decode: (text) => JSON.parse(text) };
const redis = await shared.system.redis.client();
const emitter = new Emitter(redis);
after(() => redis.destroy());

describe("emits [K-18 K-24]", () => emits());
describe("values", () => values());
describe("commands to sockets", () => commands());
describe("another key", () => anotherKey());

function emits() {
  let audience;
  before(async () => (audience = await Audience.seat(shared.system.urls)));
  after(() => audience?.close());

  const reaches = (what, emit, expected, options) => test(`reaches ${what}`, { ...TEST, ...options }, async () => {
    const event = what.replaceAll(" ", "-");
    emit(event);
    assert.deepEqual(await audience.heard(event, sendFence), [...expected].sort());
  });

  reaches("everyone", (event) => emitter.emit(event, 1, "two", { three: [true, null] }), EVERYONE);
  reaches("a room", (event) => emitter.to("a").emit(event, "x"), ["a1", "a2", "ab2", "abc3"]);
  reaches("two rooms once", (event) => emitter.to(["a", "b"]).emit(event, "x"), ["a1", "a2", "ab2", "abc3", "b1", "b3"]);
  reaches("all but a room", (event) => emitter.except("a").emit(event, "x"), ["b1", "b3", "c2", "none1", "none3"]);
  reaches("a room but two others", (event) => emitter.to("a").except(["b", "c"]).emit(event, "x"), ["a1", "a2"]);
  reaches("one socket", (event) => emitter.to(audience.members.c2.socket.id).emit(event, "x"), ["c2"]);
  reaches("nobody of an unserved namespace", (event) => emitter.of("/nowhere").emit(event), []);
  reaches("a room by a parser of its own", (event) => new Emitter(redis, { parser: JSON_PARSER }).to("a").emit(event, "x"),
    ["a1", "a2", "ab2", "abc3"], { skip: onReference && "the stand-in reads msgpack only" });
  reaches("everyone uncompressed", (event) => emitter.compress(false).emit(event, 1), EVERYONE);

  test("reaches namespaces and rooms with odd names", TEST, async () => {
    const admin = await Client.connect(shared.system.urls[1], "/admin");
    await admin.join("room 1#x");
    emitter.of("/admin").emit("bare");
    emitter.of("/admin").to("room 1#x").emit("odd", "é€😀");
    assert.deepEqual(await admin.take("odd"), [["é€😀"]]);
    assert.deepEqual(admin.seen("bare"), [[]]);
    admin.close();
  });

  test("reaches a room by its number", { ...TEST, skip: onReference && "the reference tells 42 from its text" }, async () => {
    const admin = await Client.connect(shared.system.urls[1], "/admin");
    await admin.join("42");
    emitter.of("/admin").to(42).emit("numeric");
    assert.deepEqual(await admin.take("numeric"), [[]]);
    admin.close();
  });

  test("reaches with volatile events whoever listens", TEST, async () => {
    const { a1, none3 } = audience.members;
    // One at a time: of two at once the second may be dropped, which is what volatile means.
    await until("a volatile event for all", () => {
      emitter.volatile.emit("tick", 1);
      return none3.seen("tick").length > 0;
    });
    await until("a volatile event for a room", () => {
      emitter.volatile.compress(true).to("a").emit("tick-room", 1);
      return a1.seen("tick-room").length > 0;
    });
    assert.deepEqual(none3.seen("tick-room"), []);
  });

  test("serverSideEmit concerns no client and harms nothing", TEST, async () => {
    emitter.serverSideEmit("ping", 1, { a: "b" });
    assert.deepEqual(await audience.heard("ping", sendFence), []);
  });
}

function values() {
  const received = (what, args, expected) => test(`delivers ${what}`, TEST, async () => {
    const client = await Client.connect(shared.system.urls[2]);
    emitter.emit("value", ...args);
    const [seen] = await client.take("value");
    assert.deepEqual(normal(seen), expected);
    client.close();
  });

  received("binary, also nested", [Buffer.from([1, 2, 3, 255]), { nested: Buffer.from("abc") }],
    [{ bytes: [1, 2, 3, 255] }, { nested: { bytes: [97, 98, 99] } }]);
  received("a typed array", [new Uint8Array([9, 8, 7])], [{ bytes: [9, 8, 7] }]);
  received("numbers of every size", [0, -1, 127, 128, 65536, 2 ** 31, 2 ** 53 - 1, -(2 ** 53 - 1), 1.5, NaN],
    [0, -1, 127, 128, 65536, 2 ** 31, 2 ** 53 - 1, -(2 ** 53 - 1), 1.5, null]);
  received("dates as text, undefined as null", [new Date(0), new Date(1_700_000_000_123), undefined, null],
    ["1970-01-01T00:00:00.000Z", "2023-11-14T22:13:20.123Z", null, null]);
  received("long text and long lists", ["x".repeat(300), Array(20).fill(1)], ["x".repeat(300), Array(20).fill(1)]);
  received("what toJSON makes of an object", [{ toJSON: () => ({ a: 1 }) }], [{ a: 1 }]);
}

function commands() {
  let audience;
  beforeEach(async () => (audience = await Audience.seat(shared.system.urls, { namespace: "/orders" })));
  afterEach(() => audience?.close());
  const orders = () => emitter.of("/orders");
  const sendOrdersFence = (event, data) => void orders().emit(event, data);
  const membersOf = async (room, event) => {
    orders().to(room).emit(event);
    return audience.heard(event, sendOrdersFence);
  };

  test("socketsJoin moves a room's sockets into further rooms", TEST, async () => {
    orders().in("a").socketsJoin(["r2", "r3"]);
    await settled(() => membersOf("r2", unique("r2")), ["a1", "a2", "ab2", "abc3"]);
    await settled(() => membersOf("r3", unique("r3")), ["a1", "a2", "ab2", "abc3"]);
  });

  test("socketsJoin without a room moves everyone", TEST, async () => {
    orders().socketsJoin("all-hands");
    await settled(() => membersOf("all-hands", unique("all-hands")), EVERYONE);
  });

  test("socketsLeave spares whom it excepts", TEST, async () => {
    orders().except("c").socketsLeave("a");
    await settled(() => membersOf("a", unique("a")), ["abc3"]);
  });

  test("disconnectSockets ends the namespace for a room, on every node", TEST, async () => {
    orders().in("b").disconnectSockets();
    await assertDisconnected(audience, ["ab2", "abc3", "b1", "b3"]);
  });

  test("disconnectSockets(true) ends the connections", TEST, async () => {
    orders().disconnectSockets(true);
    await assertDisconnected(audience, EVERYONE);
  });
}

function anotherKey() {
  test("is heard by gateways that are told of it", { ...TEST, skip: onReference && "the stand-in knows one key" }, async () => {
    const system = await System.start({ nodes: 1, edit: (text) => `${text}ingest: { emitter_key: myapp }\n` });
    const connection = await system.redis.client();
    try {
      const client = await Client.connect(system.urls[0]);
      const named = new Emitter(connection, { key: "myapp" });
      named.socketsJoin("r");
      await until("the join by command", () => {
        named.to("r").emit("hello");
        return client.seen("hello").length > 0;
      });
      client.close();
    } finally {
      await connection.close();
      await system.stop();
    }
  });
}

/// Joins and leaves by command are not acknowledged, so membership is asked for until it is as expected.
async function settled(ask, expected) {
  await until(`members ${expected}`, async () => String(await ask()) === String(expected));
}

async function assertDisconnected(audience, names) {
  const gone = () => Object.entries(audience.members).filter(([, { disconnects }]) => disconnects.length > 0);
  await until(`${names} to be disconnected`, () => gone().length >= names.length);
  assert.deepEqual(gone().map(([name]) => name).sort(), names);
  for (const [, { disconnects }] of gone()) assert.deepEqual(disconnects, ["io server disconnect"]);
}

function sendFence(event, data) {
  emitter.emit(event, data);
}

let events = 0;
function unique(name) {
  return `${name}-${(events += 1)}`;
}

function normal(value) {
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] };
  if (Array.isArray(value)) return value.map(normal);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normal(item)]));
  return value;
}
