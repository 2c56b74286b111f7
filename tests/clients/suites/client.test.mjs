// What an application's front end does all day, with client 4.8 and 4.7 over each transport, and 4.0 over WebSocket.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Client, sharedConnection } from "../support/clients.mjs";
import { onReference } from "../support/gateway.mjs";
import { sharedSystem, token } from "../support/system.mjs";
import { until } from "../support/waiting.mjs";

const TEST = { timeout: 20_000 };
const shared = await sharedSystem();
const opened = [];

for (const version of ["4.8", "4.7"]) {
  for (const mode of ["polling", "websocket", "upgrade"]) {
    describe(`client ${version}, ${mode}`, () => behaviours(version, mode));
  }
}
describe("client 4.0, websocket", () => behaviours("4.0", "websocket"));
describe("many namespaces over one connection", () => namespaces());

function behaviours(version, mode) {
  const open = (namespace, options) => connect(0, namespace, { version, mode, ...options });

  test("connects, joins with an ack and receives a backend's events in order", TEST, async () => {
    const client = await open("/");
    await client.join(`orders-${version}-${mode}`);
    for (let number = 1; number <= 20; number += 1) {
      await shared.system.publish({ rooms: [`orders-${version}-${mode}`], event: "order", data: { number } }, { node: publisher(number) });
    }
    const seen = await client.take("order", 20);
    assert.deepEqual(seen.map(([{ number }]) => number), Array.from({ length: 20 }, (_, index) => index + 1));
  });

  test("carries ten attachments up and down, whatever lies between them [C-57]", TEST, async () => {
    const [sender, receiver] = [await open("/chat"), await open("/chat")];
    const room = `bytes-${version}-${mode}`;
    await receiver.join(room);
    const data = { parts: Array.from({ length: 10 }, (_, index) => ({ index, bytes: Buffer.from([index, 0, 255, 30]) })) };
    assert.equal((await sender.ask("publish", { room, event: "parts", data })).ok, true);
    const [[received]] = await receiver.take("parts");
    assert.equal(received.parts.length, 10);
    received.parts.forEach(({ index, bytes }, place) => {
      assert.equal(index, place);
      assert.deepEqual(Buffer.from(bytes), Buffer.from([place, 0, 255, 30]));
    });
  });

  test("gets each ack for its own call", TEST, async () => {
    const client = await open("/");
    const answers = await Promise.all(Array.from({ length: 30 }, () => client.ask("ping", {})));
    assert.ok(answers.every((answer) => answer.ok === true));
    assert.equal((await client.ask("whoami", {})).ok, true);
  });

  test("receives a volatile event while it listens", TEST, async () => {
    const client = await open("/chat");
    const room = `typing-${version}-${mode}`;
    await client.join(room);
    // Volatile may be dropped at any one moment, so it is repeated until it arrives.
    await until("a volatile event", async () => {
      await shared.system.publish({ namespace: "/chat", rooms: [room], event: "typing", data: "ada", volatile: true });
      return client.seen("typing").length > 0;
    });
  });

  test("is told of an unknown namespace and a bad token, and admitted with a good one [H-26]", TEST, async () => {
    assert.equal((await start("/nowhere", { version, mode }).refused()).message, "Invalid namespace");
    const refusal = await start("/secure", { version, mode, auth: { token: "no.such.token" } }).refused();
    assert.match(refusal.data.code, /^[A-Z_]+$/);
    assert.equal(typeof refusal.data.correlationId, "string");
    const client = await open("/secure", { auth: { token: token({ sub: "ada" }) } });
    assert.equal((await client.ask("whoami", {})).user, "ada");
  });

  test("leaves a room for good, and the gateway when it disconnects", TEST, async () => {
    const client = await open("/chat");
    const room = `leaving-${version}-${mode}`;
    await client.join(room);
    assert.equal((await client.ask("leave", { room })).ok, true);
    await shared.system.publish({ namespace: "/chat", rooms: [room], event: "late" });
    await shared.system.publish({ namespace: "/chat", event: "after", data: 1 });
    await client.take("after");
    assert.deepEqual(client.seen("late"), []);
    client.close();
    await until("the disconnect", () => client.disconnects.length === 1);
    assert.deepEqual(client.disconnects, ["io client disconnect"]);
  });

  test("ends on the transport it was told to use [K-13 C-01 H-25]", TEST, async () => {
    const client = await open("/");
    await until("the transport", () => client.transport === (mode === "polling" ? "polling" : "websocket"));
    assert.equal((await client.ask("ping", {})).ok, true);
  });
}

function namespaces() {
  for (const mode of ["polling", "websocket", "upgrade"]) {
    test(`each has its own id, rooms and end (${mode})`, TEST, async () => {
      const connection = sharedConnection(shared.system.urls[0], mode);
      const [root, chat, orders] = ["/", "/chat", "/orders"].map((namespace) => connection.open(namespace));
      await Promise.all([root, chat, orders].map((client) => client.connected()));
      assert.equal(new Set([root, chat, orders].map(({ socket }) => socket.id)).size, 3);
      await Promise.all([root, chat, orders].map((client) => client.join("same-name")));
      await shared.system.publish({ namespace: "/chat", rooms: ["same-name"], event: "only-chat" }, { node: 1 });
      await chat.take("only-chat");
      orders.close();
      assert.equal((await root.ask("ping", {})).ok, true);
      assert.deepEqual([...root.seen("only-chat"), ...orders.seen("only-chat")], []);
      connection.close();
    });
  }

  test("eleven attachments end that connection and no other", TEST, async () => {
    const [bad, good] = [await connect(0, "/chat", { reconnection: false }), await connect(0, "/chat")];
    bad.socket.emit("publish", { room: "x", event: "e", data: Array.from({ length: 11 }, () => Buffer.from([1])) });
    await until("the connection to end", () => bad.disconnects.length === 1);
    assert.equal((await good.ask("ping", {})).ok, true);
  });
}

/// Any node may publish; the reference keeps order only for what one node publishes.
function publisher(number) {
  return onReference ? 0 : number % 3;
}

async function connect(node, namespace, options) {
  const client = await Client.connect(shared.system.urls[node], namespace, options);
  opened.push(client);
  return client;
}

function start(namespace, options) {
  const client = Client.start(shared.system.urls[0], namespace, options);
  opened.push(client);
  return client;
}

test.after(() => opened.forEach((client) => client.close()));
