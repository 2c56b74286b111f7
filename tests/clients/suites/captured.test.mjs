// The captured calls of @socket.io/redis-emitter, one by one: made anew as they are written down, byte for byte what was
// captured, and done by the gateways as the capture says they mean.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { Client, fence } from "../support/clients.mjs";
import { onReference } from "../support/gateway.mjs";
import { sharedSystem } from "../support/system.mjs";
import { until } from "../support/waiting.mjs";

const TEST = { timeout: 20_000, skip: onReference && "the stand-in knows neither numbered rooms nor other keys and parsers" };
const { cases } = JSON.parse(readFileSync(new URL("../../vectors/redis-emitter.json", import.meta.url), "utf8"));
const JSON_CODEC = { encode: (value) => Buffer.from(JSON.stringify(value)), decode: (text) => JSON.parse(text) };

const systems = {
  "socket.io": (await sharedSystem({ nodes: 2 })).system,
  myapp: (await sharedSystem({ nodes: 1, edit: (text) => `${text}ingest: { emitter_key: myapp }\n` })).system,
};
const connections = {};
for (const [key, system] of Object.entries(systems)) connections[key] = await system.redis.client();
after(() => Object.values(connections).forEach((redis) => redis.destroy()));

/// Who is in which rooms of "/"; of "/admin" there are two more.
const SEATS = { one: ["room1"], two: ["room2"], three: ["room1", "room3"], four: ["room1", "room4"], x: ["room1", "x"], number: ["42"], none: [] };
const ADMINS = { boss: ["room 1#x"], clerk: [] };
const EVERYONE = Object.keys(SEATS);
const IN_ROOM1 = ["one", "three", "four", "x"];

/// What each call means to the clients: who hears which arguments, or what becomes of whom.
const MEANINGS = {
  "emit-all": hears("hello", [1, "two", { three: [true, null] }], EVERYONE),
  "to-room": hears("hello", ["a"], IN_ROOM1),
  "in-two-rooms": hears("hello", ["a"], [...IN_ROOM1, "two"]),
  except: hears("hello", ["a"], EVERYONE.filter((name) => name !== "three")),
  "to-except": hears("hello", ["a"], ["one", "x"]),
  binary: hears("bin", [{ bytes: [1, 2, 3, 255] }, { nested: { bytes: [97, 98, 99] } }], EVERYONE),
  uint8array: hears("bin", [{ bytes: [9, 8, 7] }], EVERYONE),
  namespace: hears("hello", [], ["boss", "clerk"]),
  "namespace-room": hears("hello", ["é€😀"], ["boss"]),
  "numeric-room": hears("hello", [], ["number"]),
  volatile: hears("tick", [1], EVERYONE, { volatile: true }),
  "compress-false": hears("tick", [1], EVERYONE),
  "volatile-compress-room": hears("tick", [1], IN_ROOM1, { volatile: true }),
  numbers: hears("n", [0, -1, 127, 128, 65536, 2 ** 31, 2 ** 53 - 1, -(2 ** 53 - 1), 1.5, null], EVERYONE),
  "date-undefined": hears("d", ["1970-01-01T00:00:00.000Z", null, null], EVERYONE),
  "date-before-1970": hears("d", ["2023-11-14T22:13:20.123Z"], EVERYONE),
  "long-string": hears("s", ["x".repeat(300), Array(20).fill(1)], EVERYONE),
  "tojson-object": hears("j", [{ a: 1 }], EVERYONE),
  "sockets-join": members({ r2: IN_ROOM1, r3: IN_ROOM1 }),
  "sockets-join-all": members({ r2: EVERYONE }),
  "sockets-leave": members({ room1: ["x"] }),
  "disconnect-sockets": disconnects(IN_ROOM1),
  "disconnect-sockets-close": disconnects(["boss", "clerk"], { connection: true }),
  "server-side-emit": hears("ping", [], []),
  "custom-key": hears("hello", [], IN_ROOM1),
  "custom-key-join": members({ r: EVERYONE }),
  "custom-parser-json": hears("hello", [], IN_ROOM1),
};

test("every captured call is made here, and nothing else", () => {
  assert.deepEqual(cases.map(({ name }) => name).sort(), Object.keys(MEANINGS).sort());
  assert.equal(cases.length, 27);
});

describe("captured calls", () => {
  for (const captured of cases) {
    test(`${captured.name}: ${captured.meaning}`, TEST, async () => {
      const key = captured.channel.startsWith("myapp") ? "myapp" : "socket.io";
      const house = await House.open(key);
      try {
        await MEANINGS[captured.name](house, () => house.make(captured));
      } finally {
        house.close();
      }
    });
  }
});

/// Sockets with known rooms over the nodes of a system, and an emitter whose messages are looked at as they go.
class House {
  static async open(key) {
    const house = new House();
    house.redis = connections[key];
    house.emitter = new Emitter(house.redis, { key });
    const { urls } = systems[key];
    const seat = async ([name, rooms], place, namespace) => {
      const client = await Client.connect(urls[place % urls.length], namespace, { reconnection: false });
      return [name, await client.join(...rooms)];
    };
    house.clients = Object.fromEntries(await Promise.all([
      ...Object.entries(SEATS).map((entry, place) => seat(entry, place, "/")),
      ...Object.entries(ADMINS).map((entry, place) => seat(entry, place, "/admin")),
    ]));
    return house;
  }

  /// Runs the call as it is written down, and checks that it publishes what was captured.
  make(captured) {
    const sent = [];
    const redis = { publish: (channel, message) => {
      sent.push([captured.command, channel, Buffer.from(message).toString("base64")]);
      return this.redis.publish(channel, message);
    } };
    const call = captured.call.replace("JSON codec", "codec");
    new Function("Emitter", "redis", "emitter", "codec", call)(Emitter, redis, new Emitter(redis), JSON_CODEC);
    assert.deepEqual(sent, [["PUBLISH", captured.channel, captured.payload_b64]]);
  }

  /// The names of those who saw `event`, once what is still under way in either namespace has come.
  async heard(event) {
    await Promise.all([["/", SEATS], ["/admin", ADMINS]].map(([namespace, seats]) =>
      fence(Object.keys(seats).map((name) => this.clients[name]), (name, value) => this.emitter.of(namespace).emit(name, value))));
    return this.who((client) => client.seen(event).length > 0);
  }

  who(holds) {
    return Object.entries(this.clients).filter(([, client]) => holds(client)).map(([name]) => name).sort();
  }

  close() {
    Object.values(this.clients).forEach((client) => client.close());
  }
}

function hears(event, args, names, { volatile = false } = {}) {
  return async (house, make) => {
    const expected = [...names].sort();
    make();
    // Volatile may be dropped at any one moment, so it is repeated until it has arrived.
    if (volatile) await until("the volatile event", async () => make() ?? String(await house.heard(event)) === String(expected));
    assert.deepEqual(await house.heard(event), expected);
    for (const name of names) {
      const seen = house.clients[name].seen(event);
      if (!volatile) assert.equal(seen.length, 1, `${name} heard it ${seen.length} times`);
      assert.deepEqual(normal(seen[0]), args);
    }
  };
}

/// Commands are not acknowledged, so rooms are asked for until they are as expected.
function members(rooms) {
  return async (house, make) => {
    make();
    for (const [room, names] of Object.entries(rooms)) {
      let asked = 0;
      await until(`${room} to hold ${names}`, async () => {
        const event = `who-${room}-${(asked += 1)}`;
        house.emitter.to(room).emit(event);
        return String(await house.heard(event)) === String([...names].sort());
      });
    }
  };
}

function disconnects(names, { connection = false } = {}) {
  return async (house, make) => {
    const gone = () => house.who(({ disconnects }) => disconnects.length > 0);
    // A second namespace over each connection tells the end of the one from the end of the other.
    const others = Object.fromEntries(Object.entries(house.clients).map(([name, { socket }]) => [name, new Client(socket.io.socket("/chat"))]));
    await Promise.all(Object.values(others).map((other) => other.connected()));
    make();
    await until("all of them to be gone", () => gone().length >= names.length);
    assert.deepEqual(gone(), [...names].sort());
    for (const name of names) {
      assert.deepEqual(house.clients[name].disconnects, ["io server disconnect"]);
      if (connection) await until("the connection to end", () => others[name].disconnects.length === 1);
    }
    for (const [name, other] of Object.entries(others)) {
      if (connection && names.includes(name)) continue;
      assert.equal((await other.ask("ping", {})).ok, true, `${name} keeps its connection`);
    }
  };
}

/// Bytes as lists, in whatever form they came.
function normal(value) {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] };
  if (Array.isArray(value)) return value.map(normal);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normal(item)]));
  return value;
}
