// Backends with nothing but redis-cli: PUBLISH of JSON, and XADD to the inbox.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Audience, EVERYONE } from "../support/audience.mjs";
import { onReference } from "../support/gateway.mjs";
import { sharedSystem } from "../support/system.mjs";

const TEST = { timeout: 20_000 };
const INBOX = "fanfare:{main/}:inbox";
const shared = await sharedSystem();
const cli = (...args) => shared.system.redis.cli(...args);
let audience;

before(async () => (audience = await Audience.seat(shared.system.urls)));
after(() => audience?.close());

describe("PUBLISH", () => {
  const publish = (channel, message) => cli("PUBLISH", channel, typeof message === "string" ? message : JSON.stringify(message));
  const heard = (event) => audience.heard(event, (name, data) => publish("fanfare:/", { event: name, data }));

  const reaches = (what, send, expected) => test(`reaches ${what}`, TEST, async () => {
    const event = what.replaceAll(" ", "-");
    await send(event);
    assert.deepEqual(await heard(event), expected);
  });

  reaches("a namespace", (event) => publish("fanfare:/", { event, data: { a: 1 } }), EVERYONE);
  reaches("a room", (event) => publish("fanfare:/:a", { event, data: 1 }), ["a1", "a2", "ab2", "abc3"]);
  reaches("rooms named inside", (event) => publish("fanfare:/", { event, rooms: ["b", "c"] }), ["ab2", "abc3", "b1", "b3", "c2"]);
  reaches("a room but another", (event) => publish("fanfare:/:a", { event, except: ["b"] }), ["a1", "a2"]);
  reaches("nobody of another namespace", (event) => publish("fanfare:/chat", { event }), []);

  test("keeps the order of what one backend publishes", TEST, async () => {
    for (let number = 1; number <= 30; number += 1) await publish("fanfare:/:a", { event: "numbered", data: number });
    const seen = await audience.members.abc3.take("numbered", 30);
    assert.deepEqual(seen.map(([number]) => number), Array.from({ length: 30 }, (_, index) => index + 1));
  });

  test("drops what it cannot read and goes on", TEST, async () => {
    for (const bad of ["", "{", "[]", "null", '{"event":7}', '{"data":1}', "\u0080\u0004]", "[".repeat(5_000)]) {
      await publish("fanfare:/", bad);
    }
    await publish("fanfare:/", { event: "after-the-bad-ones" });
    assert.deepEqual(await heard("after-the-bad-ones"), EVERYONE);
    if (onReference) return;
    const refused = await Promise.all(shared.system.nodes.map((node) => node.metric("fanfare_", "plain", "refused")));
    assert.ok(Math.max(...refused) >= 1, `no refusal counted: ${refused}`);
  });
});

describe("XADD to the inbox", () => {
  const add = (...fields) => cli("XADD", INBOX, "*", ...fields);
  const heard = (event) => audience.heard(event, (name, data) => add("event", name, "data", JSON.stringify(data)));

  test("reaches the namespace", TEST, async () => {
    await add("event", "inbox-all", "data", '{"n":1}');
    assert.deepEqual(await heard("inbox-all"), EVERYONE);
  });

  test("reaches rooms but others", TEST, async () => {
    await add("event", "inbox-rooms", "data", "1", "rooms", '["a"]', "except", '["b"]');
    assert.deepEqual(await heard("inbox-rooms"), ["a1", "a2"]);
  });

  test("takes the whole object in one field", { ...TEST, skip: onReference && "the stand-in reads fields only" }, async () => {
    await add("json", JSON.stringify({ event: "inbox-object", data: 1, rooms: ["c"] }));
    assert.deepEqual(await heard("inbox-object"), ["abc3", "c2"]);
  });

  test("delivers a hundred entries in order, each once", TEST, async () => {
    for (let number = 1; number <= 100; number += 1) await add("event", "entry", "data", number);
    await heard("the-end");
    for (const member of audience.all) {
      assert.deepEqual(member.seen("entry").map(([number]) => number), Array.from({ length: 100 }, (_, index) => index + 1));
    }
  });

  test("leaves nothing pending behind", { ...TEST, skip: onReference && "the stand-in has no consumer group" }, async () => {
    await heard("before-pending");
    const group = (await cli("XINFO", "GROUPS", INBOX)).split("\n");
    assert.equal(group[group.indexOf("pending") + 1], "0");
  });
});
