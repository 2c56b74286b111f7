// The captured steps of connection state recovery: the CONNECT reply, the offsets, and that whatever a client brings along
// from elsewhere gives it a fresh session and no error. What comes back with a session of ours is in clients/suites/resume.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { within } from "../../clients/support/waiting.mjs";
import { Wire } from "../wire.mjs";
import { vectors } from "./files.mjs";

const { Emitter } = createRequire(new URL("../../clients/package.json", import.meta.url))("@socket.io/redis-emitter");

const ID = /^[\w-]{20}$/;
/// `<epoch>.<ms>-<seq>`.
const OFFSET = /^([\w-]+)\.(\d+)-(\d+)$/;

const NOWHERE = "0.0-0";

const LIVE = "live: emit a; to r1 emit b; volatile v; binary; socket.emit direct; broadcast with ack";
const AWAY = /^while away: /;

export function recoveryVectors(servers) {
  const { steps } = vectors("connection-state-recovery.json");
  const step = (start) => steps.find((candidate) => candidate.step.startsWith(start)).step;
  let redis, emitter;
  before(async () => {
    redis = await servers().redis.client();
    emitter = new Emitter(redis);
  });
  after(() => redis.destroy());

  test(step("first CONNECT"), async () => {
    const { wire, engineSid, reply } = await connect(servers().url, "40");
    assert.deepEqual(Object.keys(reply), ["sid", "pid"]);
    assert.match(reply.sid, ID);
    assert.match(reply.pid, ID);
    assert.equal(new Set([engineSid, reply.sid, reply.pid]).size, 3, "the three ids have nothing to do with each other");
    wire.close();
  });

  // The reference sends volatile events without an offset, whereupon the stock client takes their last text for one and
  // cannot recover: here every event carries one. Acks of broadcasts have no way in yet.
  test(`${LIVE} (each with an offset, the volatile one, too)`, async () => {
    const first = await connect(servers().url, "40");
    assert.equal(first.greeting.at(-1), NOWHERE, "nothing was published so far");
    const last = await live(first, emitter);
    const second = await connect(servers().url, "40");
    assert.deepEqual(offset(second.greeting), last, "whoever comes later begins where the others are");
    second.wire.close();
  });

  for (const { step: name, client_sends: sent } of steps) {
    if (name === steps[0].step || !sent) continue;
    const suffix = AWAY.test(name) ? " (a foreign process's session: nothing to recover)" : "";
    test(name + suffix, async () => assertFresh(servers().url, sent));
  }

  for (const name of ["non-string pid", "a pid that left by DISCONNECT"]) {
    test(`a session of this gateway, ${name}: fresh session`, async () => ownSession(servers().url, name, false));
  }

  // The reference has nothing to give back in these two cases: it writes a session down only when it ends, and reads from an
  // offset only.
  for (const name of ["offset missing", "a live pid"]) {
    test(`a session of this gateway, ${name}: the same session`, async () => ownSession(servers().url, name, true));
  }
}

/// Every event ends in an offset that never goes back; returns the last one.
async function live({ wire, reply }, emitter) {
  const offsets = [];
  const next = async (expected) => {
    const [event, ...attachments] = await eventOf(wire);
    offsets.push(offset(event));
    assert.deepEqual([event.slice(0, -1), ...attachments], expected);
  };
  wire.send('421["join",{"room":"r1"}]');
  assert.deepEqual(JSON.parse((await frame(wire)).slice(3)), [{ ok: true }]);

  emitter.emit("a", 1);
  await next([["a", 1]]);
  emitter.to("r1").emit("b", 2);
  await next([["b", 2]]);
  emitter.volatile.emit("v", "text");
  await next([["v", "text"]]);
  emitter.emit("bin", Buffer.from([1]));
  await next([["bin", { _placeholder: true, num: 0 }], Buffer.from([1])]);
  wire.send('42["direct","d"]');
  await next([["direct", "d"]]);
  emitter.to(reply.sid).emit("private");
  await next([["private"]]);
  emitter.emit("last");
  await next([["last"]]);

  const epochs = new Set(offsets.map(([epoch]) => epoch));
  assert.equal(epochs.size, 1);
  offsets.reduce((before, here) => (assert.ok(before[1] < here[1] || (before[1] === here[1] && before[2] <= here[2])), here));
  wire.close();
  return offsets.at(-1);
}

async function ownSession(base, what, same) {
  const first = await connect(base, "40");
  const { pid, sid } = first.reply;
  const last = first.greeting.at(-1);
  const brought = {
    "offset missing": { pid }, "non-string pid": { pid: 1, offset: last },
    "a live pid": { pid, offset: last }, "a pid that left by DISCONNECT": { pid, offset: last },
  }[what];
  if (what === "a pid that left by DISCONNECT") first.wire.send("41");
  const { wire, reply } = await connect(base, `40${JSON.stringify(brought)}`);
  assert.deepEqual([reply.sid === sid, reply.pid === pid], [same, same]);
  wire.close();
  first.wire.close();
}

async function assertFresh(base, sent) {
  const brought = JSON.parse(sent.slice(2));
  const { wire, reply } = await connect(base, sent);
  assert.match(reply.sid, ID);
  assert.match(reply.pid, ID);
  assert.notEqual(reply.pid, brought.pid);
  wire.close();
}

/// Connects with `packet`; the CONNECT reply is the first thing that comes, the greeting the second.
async function connect(base, packet) {
  const wire = await Wire.open(base, { EIO: 4, transport: "websocket" });
  const engineSid = JSON.parse((await frame(wire)).slice(1)).sid;
  wire.send(packet);
  const answer = await frame(wire);
  assert.match(answer, /^40\{/);
  const [greeting] = await eventOf(wire);
  assert.deepEqual(greeting.slice(0, 2), ["greeting", "hi"]);
  return { wire, engineSid, reply: JSON.parse(answer.slice(2)), greeting };
}

/// The next event's array, and its attachments.
async function eventOf(wire) {
  const [, count, array] = /^4(?:2|5(\d+)-)(\[.*)$/s.exec(await frame(wire));
  const attachments = [];
  while (attachments.length < Number(count ?? 0)) attachments.push(await frame(wire));
  return [JSON.parse(array), ...attachments];
}

function frame(wire) {
  return within("a frame", wire.frame());
}

function offset(event) {
  const [, epoch, ms, seq] = OFFSET.exec(event.at(-1)) ?? assert.fail(`no offset at the end of ${JSON.stringify(event)}`);
  return [epoch, BigInt(ms), BigInt(seq)];
}
