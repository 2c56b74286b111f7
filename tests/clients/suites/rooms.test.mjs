// Rooms over three nodes: one publish at node 1, the right sockets on all of them, each once.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Audience, EVERYONE } from "../support/audience.mjs";
import { fence } from "../support/clients.mjs";
import { API_KEY, onReference } from "../support/gateway.mjs";
import { sharedSystem } from "../support/system.mjs";

const TEST = { timeout: 20_000 };
const shared = await sharedSystem();

for (const namespace of ["/", "/chat"]) {
  describe(`publishing to ${namespace} at one node of three [K-22 K-24 C-25 C-55 F-41 F-42 F-43]`, () => deliveries(namespace));
}
describe("the publish call", () => publishCall());

function deliveries(namespace) {
  let audience;
  before(async () => (audience = await Audience.seat(shared.system.urls, { namespace })));
  after(() => audience?.close());

  const publish = (publication) => shared.system.publish({ namespace, ...publication });
  const heard = (event) => audience.heard(event, (name, data) => publish({ event: name, data }));
  const reaches = (what, publication, expected) => test(what, TEST, async () => {
    const event = what.replaceAll(" ", "-");
    await publish({ ...(await publication()), event, data: { what } });
    assert.deepEqual(await heard(event), [...(await expected())].sort());
  });

  reaches("a room", () => ({ rooms: ["a"] }), () => ["a1", "a2", "ab2", "abc3"]);
  reaches("the union of rooms, each socket once", () => ({ rooms: ["a", "b"] }), () => ["a1", "a2", "ab2", "abc3", "b1", "b3"]);
  reaches("a room except another", () => ({ rooms: ["a"], except: ["b"] }), () => ["a1", "a2"]);
  reaches("everyone except two rooms", () => ({ except: ["a", "c"] }), () => ["b1", "b3", "none1", "none3"]);
  reaches("a room except one socket", () => ({ rooms: ["a"], except: [audience.members.ab2.socket.id] }), () => ["a1", "a2", "abc3"]);
  reaches("one socket on another node", () => ({ rooms: [audience.members.none3.socket.id] }), () => ["none3"]);
  reaches("the whole namespace", () => ({}), () => EVERYONE);
  reaches("nobody in an empty room", () => ({ rooms: ["nobody-is-here"] }), () => []);
  reaches("the node's own sockets only", () => ({ local: true }), () => ["a1", "b1", "none1"]);

  test("a socket's own publish reaches the room on every node [H-37]", TEST, async () => {
    await audience.members.none1.ask("publish", { room: "b", event: "from-a-socket", data: 1 });
    assert.deepEqual(await heard("from-a-socket"), ["ab2", "abc3", "b1", "b3"]);
  });

  test("a socket that joined gets the next event, one that left does not", TEST, async () => {
    const { none1, none3 } = audience.members;
    await none3.join("late");
    await none1.join("late");
    await none1.ask("leave", { room: "late" });
    await publish({ rooms: ["late"], event: "to-late-comers" });
    assert.deepEqual(await heard("to-late-comers"), ["none3"]);
  });

  test("several arguments and no argument arrive as they were sent [C-28]", TEST, async () => {
    await publish({ event: "shapes", args: [1, "zwei", { drei: [null, true, "é€😀"] }, 9007199254740991, 1.5] });
    await publish({ event: "bare" });
    await fence(audience.all, (event, data) => publish({ event, data }));
    for (const member of audience.all) {
      assert.deepEqual(member.seen("shapes"), [[1, "zwei", { drei: [null, true, "é€😀"] }, 9007199254740991, 1.5]]);
      assert.deepEqual(member.seen("bare"), [[]]);
    }
  });

  test("what is volatile comes once, however many of its rooms a socket is in", TEST, async () => {
    const rooms = ["a", "b", "c"];
    for (let number = 0; number < 20; number += 1) await publish({ rooms, event: "fleeting", data: number, volatile: true });
    await publish({ rooms, event: "last" });
    await audience.members.abc3.take("last");
    assert.deepEqual(audience.members.abc3.seen("fleeting").map(([number]) => number), Array.from({ length: 20 }, (_, number) => number));
  });

  test("events carry a position exactly where recovery is on", { ...TEST, skip: onReference && "the stand-in has no positions" }, async () => {
    await fence(audience.all, (event, data) => publish({ event, data }));
    const expected = namespace === "/";
    for (const member of audience.all) assert.equal(member.positions.length > 0, expected);
  });
}

function publishCall() {
  test("answers with a growing id, an epoch and what holds", TEST, async () => {
    const [first, second] = [await shared.system.publish({ event: "x" }), await shared.system.publish({ event: "x" }, { node: 1 })];
    assert.match(first.id, /^\d+-\d+$/);
    assert.equal(typeof first.epoch, "string");
    assert.equal(first.accepted, "accepted");
    assert.equal(first.epoch, second.epoch);
  });

  test("does once what it is asked twice under one idempotency key, on any node", TEST, async () => {
    const publication = { event: "once", data: 1, idempotencyKey: "order-77" };
    const first = await shared.system.publish(publication);
    const again = await shared.system.publish(publication, { node: 2 });
    assert.equal(again.id, first.id);
  });

  test("takes a batch and answers for each", TEST, async () => {
    const publications = [1, 2, 3].map((data) => ({ event: "batch", data }));
    const { results } = await shared.system.publish({ publications }, { path: "/api/v1/publish/batch" });
    assert.equal(results.length, 3);
    assert.ok(results.every(({ id }) => /^\d+-\d+$/.test(id)));
  });

  test("refuses without the key, with a wrong key, and what it cannot read", TEST, async () => {
    await shared.system.publish({ event: "x" }, { key: null, expect: 401 });
    await shared.system.publish({ event: "x" }, { key: "wrong", expect: 401 });
    const bad = await fetch(`${shared.system.urls[0]}/api/v1/publish`, {
      method: "POST", body: "{not json", headers: { ...bearer(), "content-type": "application/json" },
    });
    assert.equal(bad.status, 400);
  });
}

function bearer() {
  return { authorization: `Bearer ${API_KEY}` };
}
