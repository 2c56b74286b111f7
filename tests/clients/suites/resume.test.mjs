// Clients that lose their connection, their node, or more, and come back: what they missed, once and in order, or told.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Emitter } from "@socket.io/redis-emitter";
import { Balancer } from "../support/balancer.mjs";
import { Client, sharedConnection } from "../support/clients.mjs";
import { onReference } from "../support/gateway.mjs";
import { fault } from "../support/ledger.mjs";
import { System, sharedSystem, token } from "../support/system.mjs";
import { until } from "../support/waiting.mjs";

const TEST = { timeout: 60_000 };
const SUITE = { skip: onReference && "the reference recovers on the same process only" };
const NAMESPACES = `namespaces:
  "/second": { anonymous: true, recovery: true, join: ["*"] }
  "/members": { anonymous: false, recovery: true, rooms: ["user:{sub}"], join: ["team:{team}"] }
`;
const edit = (text) => `${text.replace("namespaces:\n", NAMESPACES)}history: { entries: 40 }\n`;
const shared = onReference ? {} : await sharedSystem({ edit });
const emitter = onReference ? undefined : new Emitter(await shared.system.redis.client());
after(() => emitter?.redisClient.destroy());

describe("a client whose connection is cut", SUITE, () => {
  for (const mode of ["websocket", "polling", "upgrade"]) {
    for (const node of [0, 1]) {
      test(`is back on ${node === 0 ? "the same" : "another"} node with all that it missed (${mode}) [H-16 H-43]`, TEST, () => play(async ({ connect, numbers }) => {
        const traveller = await connect({ rooms: ["kitchen", "bar"], mode });
        const { id } = traveller.socket;
        await numbers(1, 3);
        await traveller.take("numbered", 3);
        await traveller.away(node, () => numbers(4, 20));
        await numbers(21, 23);
        await traveller.complete(23);
        assert.deepEqual([traveller.socket.recovered, traveller.socket.id], [true, id]);
      }));
    }
  }

  test("is back although it has never received an event", TEST, () => play(async ({ connect, numbers }) => {
    const traveller = await connect();
    await numbers(1, 3);
    await traveller.join("kitchen", "bar");
    await traveller.away(1, () => numbers(4, 9));
    await numbers(10, 12);
    await traveller.take("numbered", 9);
    assert.deepEqual(traveller.numbers(), [4, 5, 6, 7, 8, 9, 10, 11, 12], "nothing from before it joined");
    assert.equal(traveller.socket.recovered, true);
  }));

  test("gets nothing twice after a volatile event that ends in a text", TEST, () => play(async ({ system, connect, numbers, rooms }) => {
    const traveller = await connect({ rooms: ["kitchen", "bar"] });
    await numbers(1, 5);
    await traveller.take("numbered", 5);
    const typing = async () => {
      await system.publish({ rooms: [rooms.kitchen], event: "typing", args: ["ann", "a text"], volatile: true }, { node: 2 });
      return traveller.seen("typing").length > 0;
    };
    await until("a volatile event", typing);
    await traveller.away(1, () => numbers(6, 10));
    // The node it is on now may be behind what it brought along.
    traveller.events = traveller.events.filter(([event]) => event !== "typing");
    await until("a volatile event", typing);
    await traveller.away(2, () => numbers(11, 15));
    await traveller.complete(15);
    assert.equal(traveller.socket.recovered, true);
  }));

  test("misses no bytes", TEST, () => play(async ({ connect, rooms }) => {
    const traveller = await connect({ rooms: ["kitchen"] });
    await traveller.away(1, async () => {
      await stored(rooms.kitchen, 1, () => emitter.to(rooms.kitchen).emit("bytes", Buffer.from([0, 30, 255]), { deep: [Buffer.from([7])] }));
    });
    const [[bytes, { deep: [more] }]] = await traveller.take("bytes");
    assert.deepEqual([[...bytes], [...more], traveller.socket.recovered], [[0, 30, 255], [7], true]);
  }));

  test("gets what was for it alone, and not what it was excepted from", TEST, () => play(async ({ system, connect, rooms }) => {
    const traveller = await connect({ rooms: ["kitchen", "bar"] });
    const { id } = traveller.socket;
    const told = (what, target) => system.publish({ event: "told", data: what, ...target }, { node: 1 });
    await traveller.away(2, async () => {
      await told("own", { rooms: [id] });
      await told("not for it", { rooms: [rooms.kitchen], except: [id] });
      await told("not for the bar", { rooms: [rooms.kitchen], except: [rooms.bar] });
      await told("for both, once", { rooms: [rooms.kitchen, rooms.bar] });
      await told("not its room", { rooms: [`${rooms.bar} stool`] });
      await told("the end", { rooms: [rooms.bar] });
    });
    await until("the end", () => traveller.seen("told").some(([what]) => what === "the end"));
    assert.deepEqual(traveller.seen("told").flat(), ["own", "for both, once", "the end"]);
  }));

  test("is where a backend has put it meanwhile", TEST, () => play(async ({ system, connect, rooms }) => {
    const traveller = await connect({ rooms: ["kitchen", "bar"] });
    const annex = `${rooms.kitchen} annex`;
    const told = (what, room) => system.publish({ event: "told", data: what, rooms: [room] }, { node: 1 });
    await traveller.away(2, async () => {
      await told("before it was in", annex);
      await stored(undefined, 2, () => {
        emitter.in(rooms.kitchen).socketsJoin(annex);
        emitter.in(annex).socketsLeave(rooms.bar);
      });
      await told("in the annex", annex);
      await told("no more in the bar", rooms.bar);
    });
    assert.deepEqual((await traveller.ask("whoami")).rooms.sort(), [rooms.kitchen, annex].sort());
    await told("live", annex);
    await until("the live one", () => traveller.seen("told").some(([what]) => what === "live"));
    assert.deepEqual(traveller.seen("told").flat(), ["in the annex", "live"]);
    await traveller.away(0, () => told("again", annex));
    await until("what it missed again", () => traveller.seen("told").some(([what]) => what === "again"));
    assert.equal(traveller.socket.recovered, true);
  }));

  test("is back in each of its namespaces", TEST, () => play(async ({ system, balancer, rooms }) => {
    balancer.use([system.urls[0]]);
    const connection = sharedConnection(balancer.url);
    const members = ["/", "/second"].map((namespace) => [namespace, connection.open(namespace)]);
    for (const [, client] of members) await client.connected();
    for (const [, client] of members) await client.join(rooms.bar);
    balancer.use([]);
    balancer.cut();
    await until("both to notice", () => members.every(([, client]) => !client.socket.connected));
    for (const [namespace] of members) await system.publish({ namespace, rooms: [rooms.bar], event: "missed", data: namespace }, { node: 2 });
    balancer.use([system.urls[1]]);
    for (const [namespace, client] of members) {
      assert.deepEqual(await client.take("missed", 1, 20_000), [[namespace]]);
      await until("to be connected", () => client.socket.connected);
      assert.equal(client.socket.recovered, true);
    }
    connection.close();
  }));

  test("does not come back to a session that it has left", TEST, () => play(async ({ connect }) => {
    const traveller = await connect({ rooms: ["kitchen"] });
    const { id } = traveller.socket;
    traveller.socket.disconnect();
    traveller.socket.connect();
    await traveller.connected();
    assert.deepEqual([traveller.socket.recovered, traveller.socket.id !== id], [false, true]);
    assert.deepEqual((await traveller.ask("whoami")).rooms, []);
  }));
});

describe("what cannot be proven", SUITE, () => {
  test("is told for each room, with its bounds, where the log was trimmed [C-38 F-13]", TEST, () => play(async ({ connect, numbers, rooms }) => {
    const traveller = await connect({ rooms: ["kitchen", "bar"] });
    await numbers(1, 3);
    await traveller.take("numbered", 3);
    const last = traveller.socket._lastOffset.split(".")[1];
    await traveller.away(1, () => numbers(4, 100));
    const gaps = await traveller.take("fanfare:gap", 3);
    assert.deepEqual(gaps.map(([{ room }]) => room).sort(), [rooms.kitchen, rooms.bar, null].sort());
    for (const [gap] of gaps) assert.deepEqual([gap.reason, gap.last, gap.head > last], ["trimmed", last, true]);
    assert.equal(traveller.socket.recovered, false);
    assert.deepEqual((await traveller.ask("whoami")).rooms, [], "a fresh session");
  }));

  test("is told where a room lost its log", TEST, () => play(async ({ system, connect, numbers, rooms }) => {
    const traveller = await connect({ rooms: ["kitchen", "bar"] });
    await numbers(1, 3);
    await traveller.take("numbered", 3);
    await traveller.away(1, async () => {
      await numbers(4, 9);
      await system.redis.cli("DEL", stream(`r${Buffer.from(rooms.bar).toString("base64url")}`));
    });
    await traveller.take("fanfare:gap", 3);
    assert.equal(traveller.socket.recovered, false);
  }));

  test("is a right that was taken away: the room is told, the others are back [F-23]", TEST, () => play(async ({ system, connect, rooms }) => {
    const auth = { token: token({ sub: rooms.kitchen, team: rooms.bar }) };
    const traveller = await connect({ namespace: "/members", auth });
    await traveller.join(`team:${rooms.bar}`);
    await traveller.away(1, async () => {
      auth.token = token({ sub: rooms.kitchen, team: "other" });
      await system.publish({ namespace: "/members", rooms: [`team:${rooms.bar}`], event: "told", data: "team" });
      await system.publish({ namespace: "/members", rooms: [`user:${rooms.kitchen}`], event: "told", data: "own" });
    });
    const [[gap]] = await traveller.take("fanfare:gap");
    assert.deepEqual([gap.room, gap.reason], [`team:${rooms.bar}`, "denied"]);
    assert.deepEqual(traveller.seen("told"), [["own"]]);
    assert.equal(traveller.socket.recovered, true);
    assert.deepEqual((await traveller.ask("whoami")).rooms, [`user:${rooms.kitchen}`]);
  }));
});

describe("what a client may not have", SUITE, () => {
  let owner;
  before(async () => {
    owner = await Client.connect(shared.system.urls[0], "/members", { auth: { token: token({ sub: "ann" }) } });
    await shared.system.publish({ namespace: "/members", rooms: ["user:ann"], event: "told", data: "ann's" });
    await owner.take("told");
  });
  after(() => owner?.close());

  const comes = (what, claims, asked, expected = "fresh") => test(`${what} is answered by a ${expected} session`, TEST, async () => {
    const { _pid: pid, id } = owner.socket;
    const auth = { token: token(claims), ...asked(pid) };
    const client = await Client.connect(shared.system.urls[1], "/members", { auth });
    const same = [client.socket.id === id, client.socket._pid === pid];
    assert.deepEqual(same, expected === "fresh" ? [false, false] : [true, true]);
    assert.deepEqual(client.seen("told"), [], "nobody else's data");
    await client.ask("whoami");
    client.close();
  });

  comes("the session of somebody else", { sub: "bob" }, (pid) => ({ pid, offset: "x.1-1" }));
  comes("no session at all", { sub: "ann" }, () => ({ pid: "AAAAAAAAAAAAAAAAAAAA" }));
  comes("half a private id", { sub: "ann" }, (pid) => ({ pid: pid.slice(0, 10) }));
  comes("an id of another form", { sub: "ann" }, () => ({ pid: { $ne: null }, offset: [] }));
  comes("a text much too long", { sub: "ann" }, () => ({ pid: "A".repeat(10_000), offset: "9".repeat(10_000) }));
  // The last ones: whoever has the private id and the subject is the owner.
  comes("an offset from the future", { sub: "ann" }, (pid) => ({ pid, offset: owner.socket._lastOffset.replace(/\.\d/, ".9") }));
});

describe("a session that is claimed twice at once", SUITE, () => {
  test("is held by one, and the other is sent away", TEST, () => play(async ({ system, connect, numbers, rooms }) => {
    const traveller = await connect({ rooms: ["kitchen", "bar"] });
    await numbers(1, 2);
    await traveller.take("numbered", 2);
    const { _pid: pid, _lastOffset: offset, id } = traveller.socket;
    traveller.stay();
    const both = [1, 2].map((node) => Client.start(system.urls[node], "/", { auth: { pid, offset }, reconnection: false }));
    const sentAway = () => both.filter(({ socket }) => socket.io._readyState === "closed");
    await until("one to be sent away", () => sentAway().length === 1);
    const winner = both.find((client) => !sentAway().includes(client));
    await winner.connected();
    assert.equal(winner.socket.id, id);
    await numbers(3, 8);
    await winner.take("numbered", 6);
    assert.deepEqual((await winner.ask("whoami")).rooms.sort(), [rooms.kitchen, rooms.bar].sort());
    winner.close();
  }));
});

describe("many that come back at once", SUITE, () => {
  test("are served by a few reads of the log", TEST, () => play(async ({ system, balancer, connect, numbers }) => {
    const travellers = await Promise.all(Array.from({ length: 100 }, () => connect({ rooms: ["kitchen", "bar"] })));
    await numbers(1, 2);
    await Promise.all(travellers.map((traveller) => traveller.take("numbered", 2)));
    const read = () => system.nodes[1].metric("fanfare_replay_reads_total");
    const before = await read();
    balancer.use([]);
    balancer.cut();
    await until("all to notice", () => travellers.every(({ socket }) => !socket.connected));
    await numbers(3, 12);
    balancer.use([system.urls[1]]);
    await Promise.all(travellers.map((traveller) => traveller.complete(12)));
    assert.ok((await read()) - before <= 20, `${(await read()) - before} reads for 100 clients in 2 rooms`);
  }));
});

describe("a node or a Redis that is gone", SUITE, () => {
  let system;
  before(async () => (system = await System.start({ edit })));
  after(() => system?.stop());

  test("is told if it is Redis, and comes back empty", TEST, () => play(async ({ connect, numbers }) => {
    const traveller = await connect({ rooms: ["kitchen"] });
    await numbers(1, 3);
    await traveller.take("numbered", 2);
    await traveller.away(1, async () => {
      await system.redis.cli("FLUSHALL");
      await numbers(4, 6);
    });
    const gaps = await traveller.take("fanfare:gap");
    assert.equal(gaps.at(-1)[0].reason, "epoch");
    assert.equal(traveller.socket.recovered, false);
  }, system));

  test("takes nobody's session with it if it is a node [H-14 K-03]", TEST, () => play(async ({ connect, numbers, rooms }) => {
    const traveller = await connect({ rooms: ["kitchen", "bar"] });
    const { id } = traveller.socket;
    await numbers(1, 5);
    await traveller.take("numbered", 5);
    await traveller.away(1, async () => {
      await system.nodes[0].stop("SIGKILL");
      await numbers(6, 25);
    });
    assert.deepEqual([traveller.socket.recovered, traveller.socket.id], [true, id]);
    await numbers(26, 30);
    await traveller.complete(30);
    assert.deepEqual((await traveller.ask("whoami")).rooms.sort(), [rooms.kitchen, rooms.bar].sort());
    // Once more, so that what the first resume left behind is seen to be good.
    await traveller.away(2, () => numbers(31, 35));
    await traveller.complete(35);
    assert.equal(traveller.socket.recovered, true);
    assert.deepEqual(traveller.seen("fanfare:gap"), []);
  }, system));
});

let plays = 0;

/// A client that goes away and comes back over a balancer of its own.
class Traveller extends Client {
  static async connect(balancer, system, rooms, { namespace = "/", mode = "websocket", ...options }) {
    const { socket } = Client.start(balancer.url, namespace, { mode, ...options });
    const traveller = Object.assign(new Traveller(socket), { balancer, system, rooms });
    await traveller.connected();
    return traveller;
  }

  join(...names) {
    return super.join(...names.map((name) => this.rooms[name] ?? name));
  }

  /// Cuts the connection, does `meanwhile`, and lets the client come back to the node of that number.
  async away(node, meanwhile = () => {}) {
    this.balancer.use([]);
    this.balancer.cut();
    await until("the client to notice", () => !this.socket.connected);
    await meanwhile();
    this.balancer.use([this.system.urls[node]]);
    await until("the client to be back", () => this.socket.connected, 20_000);
  }

  /// Goes, and does not come back.
  stay() {
    this.balancer.use([]);
    this.balancer.cut();
    this.socket.io.reconnection(false);
  }

  numbers() {
    return this.seen("numbered").map(([at]) => at);
  }

  async complete(count) {
    await this.take("numbered", count);
    assert.equal(fault(this.numbers(), count), "none");
  }
}

async function play(act, system = shared.system) {
  plays += 1;
  const rooms = { kitchen: `kitchen ${plays}`, bar: `bar ${plays}` };
  const balancer = await Balancer.start([system.urls[0]]);
  const clients = [];
  const connect = async ({ rooms: joined = [], ...options } = {}) => {
    const traveller = await Traveller.connect(balancer, system, rooms, options);
    clients.push(traveller);
    return traveller.join(...joined);
  };
  // To both rooms by turns, at a node that is still there.
  const numbers = async (first, last) => {
    for (let at = first; at <= last; at += 1) {
      const target = [[rooms.kitchen], [rooms.bar], [rooms.kitchen, rooms.bar]][at % 3];
      await system.publish({ rooms: target, event: "numbered", data: at }, { node: 1 + (at % 2) });
    }
  };
  try {
    await act({ system, balancer, connect, numbers, rooms });
  } finally {
    clients.forEach((client) => client.close());
    balancer.stop();
  }
}

/// Does what the emitter is to do, and waits until it is in the log: `count` more entries of the room, or of the namespace's
/// own topic.
async function stored(room, count, act) {
  const topic = room === undefined ? "all" : `r${Buffer.from(room).toString("base64url")}`;
  const length = async () => Number(await shared.system.redis.cli("XLEN", stream(topic)));
  const before = await length();
  act();
  await until("the emitter's call to be stored", async () => (await length()) >= before + count);
}

function stream(topic) {
  return `fanfare:{main/}:stream:${topic}`;
}
