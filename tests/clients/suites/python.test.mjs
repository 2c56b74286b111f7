// python-socketio, both sides: its write-only RedisManager as a backend, and its client as a user.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Audience, EVERYONE } from "../support/audience.mjs";
import { JWT_SECRET, onReference } from "../support/gateway.mjs";
import { Python } from "../support/python.mjs";
import { sharedSystem } from "../support/system.mjs";
import { until } from "../support/waiting.mjs";

const TEST = { timeout: 30_000 };
// pickle, protocol 2, of {"method": "emit", "event": "pickled", "data": 1, "namespace": "/"}: what managers before 5.14 wrote.
const PICKLED = Buffer.from("gAJ9cQAoWAYAAABtZXRob2RxAVgEAAAAZW1pdHECWAUAAABldmVudHEDWAcAAABwaWNrbGVkcQRYBAAAAGRhdGFxBUsBWAkAAABuYW1lc3BhY2VxBlgBAAAAL3EHdS4=", "base64");
const shared = await sharedSystem();

describe("RedisManager", () => manager());
for (const transport of ["polling", "websocket", "upgrade"]) {
  describe(`Python client, ${transport}`, () => client(transport));
}

function manager() {
  let audience, python;
  before(async () => {
    audience = await Audience.seat(shared.system.urls);
    python = new Python("publisher.py", shared.system.redisUrl);
  });
  after(async () => {
    audience?.close();
    await python?.stop();
  });
  const fence = (event, data) => python.call("emit", [event, data]);

  const reaches = (what, options, expected) => test(`emit reaches ${what}`, TEST, async () => {
    const event = what.replaceAll(" ", "-");
    await python.call("emit", [event, "x"], options());
    assert.deepEqual(await audience.heard(event, fence), [...expected].sort());
  });

  reaches("everyone", () => ({}), EVERYONE);
  reaches("a room", () => ({ room: "a" }), ["a1", "a2", "ab2", "abc3"]);
  reaches("several rooms once", () => ({ room: ["a", "b"] }), ["a1", "a2", "ab2", "abc3", "b1", "b3"]);
  reaches("a room but one socket", () => ({ to: "a", skip_sid: audience.members.a2.socket.id }), ["a1", "ab2", "abc3"]);
  reaches("all but two sockets", () => ({ skip_sid: ["a1", "b1"].map((name) => audience.members[name].socket.id) }),
    EVERYONE.filter((name) => !["a1", "b1"].includes(name)));
  reaches("nobody of another namespace", () => ({ namespace: "/chat" }), []);

  const delivers = (what, data, expected) => test(`emit delivers ${what}`, TEST, async () => {
    const event = what.replaceAll(" ", "-");
    await python.call("emit", [event, data]);
    const [[...args]] = await audience.members.c2.take(event);
    assert.deepEqual(args.map((arg) => (arg?.b ? { b: [...new Uint8Array(arg.b)] } : arg)), expected);
  });

  delivers("an object", { a: 1 }, [{ a: 1 }]);
  delivers("a tuple as arguments", { $tuple: [1, "two"] }, [1, "two"]);
  delivers("a list as one argument", [1, 2], [[1, 2]]);
  delivers("text of every plane", "é€😀", ["é€😀"]);
  delivers("binary", { b: { $bytes: "AQL/" } }, [{ b: [1, 2, 255] }]);

  test("enter_room, leave_room and close_room hold on whatever node the socket is", TEST, async () => {
    const { none3, c2 } = audience.members;
    const members = async () => {
      const event = `in-room9-${Math.random()}`;
      await python.call("emit", [event, 1], { room: "room9" });
      return String(await audience.heard(event, fence));
    };
    for (const { socket } of [none3, c2]) await python.call("enter_room", [socket.id, "/", "room9"]);
    await until("both to be in", async () => (await members()) === "c2,none3");
    await python.call("leave_room", [none3.socket.id, "/", "room9"]);
    await until("one to be out", async () => (await members()) === "c2");
    await python.call("close_room", ["room9"], { namespace: "/" });
    await until("nobody to be left", async () => (await members()) === "");
  });

  test("pickle is refused, counted, and holds nothing up", TEST, async () => {
    const redis = await shared.system.redis.client();
    await redis.publish("socketio", PICKLED);
    redis.destroy();
    assert.deepEqual(await audience.heard("pickled", fence), []);
    if (onReference) return;
    await until("the refusal to be counted", async () => {
      const counts = await Promise.all(shared.system.nodes.map((node) => node.metric("fanfare_", "pickle")));
      return counts.some((count) => count > 0);
    });
  });
}

function client(transport) {
  test("connects with a token, joins, and receives in order, binary included", TEST, async () => {
    const room = `python-${transport}`;
    const python = new Python("client.py", shared.system.urls[1], transport, "/secure", JWT_SECRET, room, 6);
    assert.equal((await python.json()).joined.ok, true);
    assert.equal((await python.json()).whoami.user, "grace");
    for (let number = 1; number <= 5; number += 1) {
      await shared.system.publish({ namespace: "/secure", rooms: [room], event: "order", data: { number } });
    }
    const publisher = new Python("publisher.py", shared.system.redisUrl);
    await publisher.call("emit", ["order", { bytes: { $bytes: "AQL/" } }], { namespace: "/secure", room });
    const { seen } = await python.json();
    assert.deepEqual(seen.slice(0, 5).map(({ number }) => number), [1, 2, 3, 4, 5]);
    assert.deepEqual(seen[5], { bytes: [1, 2, 255] });
    assert.equal((await python.json()).transport, transport === "polling" ? "polling" : "websocket");
    await publisher.stop();
    await python.stop();
  });
}
