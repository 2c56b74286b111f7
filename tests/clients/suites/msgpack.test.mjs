// Clients built with socket.io-msgpack-parser: on a gateway that speaks nothing else, and on a second listener beside the
// default one, where a room has members of both kinds.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import parser from "socket.io-msgpack-parser";
import { Client } from "../support/clients.mjs";
import { onReference } from "../support/gateway.mjs";
import { sharedSystem } from "../support/system.mjs";
import { freePort } from "../support/waiting.mjs";

const TEST = { timeout: 20_000 };
const BYTES = [0, 1, 30, 127, 128, 254, 255];
const shared = await sharedSystem({ nodes: 2, edit: (text) => `${text}engine: { parser: msgpack }\n` });
const port = await freePort();
const beside = onReference ? {} : await sharedSystem({ nodes: 1, edit: (text) =>
  `${text}listeners: [{ listen: "127.0.0.1:${port}", engine: { parser: msgpack, path: /packed/, ping_interval_ms: 300, ping_timeout_ms: 200 } }]\n` });

for (const mode of ["polling", "websocket", "upgrade"]) {
  test(`connect, join, receive and send bytes (${mode})`, TEST, async () => {
    const [sender, receiver] = await Promise.all(shared.system.urls.map((url) => Client.connect(url, "/chat", { mode, parser })));
    await receiver.join(`packed-${mode}`);
    await shared.system.publish({ namespace: "/chat", rooms: [`packed-${mode}`], event: "text", args: [1, "zwei", { drei: [null, true, 1.5] }] });
    assert.deepEqual(await receiver.take("text"), [[1, "zwei", { drei: [null, true, 1.5] }]]);
    const data = { bytes: Buffer.from([0, 1, 254, 255]) };
    assert.equal((await sender.ask("publish", { room: `packed-${mode}`, event: "bytes", data })).ok, true);
    const [[received]] = await receiver.take("bytes");
    assert.deepEqual([...received.bytes], [0, 1, 254, 255]);
    [sender, receiver].forEach((client) => client.close());
  });

  test(`an unknown namespace is refused (${mode})`, TEST, async () => {
    const client = Client.start(shared.system.urls[0], "/nowhere", { mode, parser });
    assert.equal((await client.refused()).message, "Invalid namespace");
    client.close();
  });
}

for (const mode of ["polling", "websocket", "upgrade"]) {
  describe(`a room over both parsers (${mode})`, { skip: onReference && "the stand-in has one listener" }, () => bothParsers(mode));
}

function bothParsers(mode) {
  const room = `both-${mode}`;
  let plain, packed;
  before(async () => {
    plain = await Client.connect(beside.system.urls[0], "/chat", { mode });
    packed = await Client.connect(`http://127.0.0.1:${port}`, "/chat", { mode, parser, path: "/packed/" });
    await Promise.all([plain, packed].map((client) => client.join(room)));
  });
  after(() => [plain, packed].forEach((client) => client?.close()));

  const say = (client, event, data) => client.ask("publish", { room, event, data });
  const same = async (event, expected) => {
    for (const client of [plain, packed]) assert.deepEqual(normal((await client.take(event))[0]), expected);
  };

  test("hears a backend alike", TEST, async () => {
    const args = [0, -1, 2 ** 53 - 1, 1.5, "é€😀", null, { deep: [[{}]] }];
    await beside.system.publish({ namespace: "/chat", rooms: [room], event: "by-backend", args });
    await same("by-backend", args);
  });

  for (const [who, sender] of [["a JSON client", () => plain], ["a msgpack client", () => packed]]) {
    test(`hears the bytes of ${who} alike, in their places`, TEST, async () => {
      const event = who.replaceAll(" ", "-");
      const data = { first: Buffer.from(BYTES), list: [Buffer.from([7]), "between", Buffer.alloc(0)], last: 1 };
      assert.equal((await say(sender(), event, data)).ok, true);
      await same(event, [{ first: BYTES, list: [[7], "between", []], last: 1 }]);
    });

    test(`hears a large text of ${who} alike`, TEST, async () => {
      const event = `large-of-${who.replaceAll(" ", "-")}`;
      const text = "ü".repeat(100_000);
      assert.equal((await say(sender(), event, text)).ok, true);
      await same(event, [text]);
    });
  }

  test("keeps one order for both", TEST, async () => {
    for (let number = 1; number <= 30; number += 1) await say(number % 2 ? plain : packed, "numbered", number);
    for (const client of [plain, packed]) {
      const seen = await client.take("numbered", 30);
      assert.deepEqual(seen.map(([number]) => number), Array.from({ length: 30 }, (_, index) => index + 1));
    }
  });

  test("has the heartbeats of each listener", TEST, async () => {
    assert.deepEqual([plain, packed].map(({ socket }) => socket.io.engine._pingInterval ?? socket.io.engine.pingInterval), [25_000, 300]);
  });
}

/// Bytes as lists, whatever a parser made of them.
function normal(value) {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return [...new Uint8Array(value.buffer ?? value, value.byteOffset ?? 0, value.byteLength)];
  if (Array.isArray(value)) return value.map(normal);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normal(item)]));
  return value;
}
