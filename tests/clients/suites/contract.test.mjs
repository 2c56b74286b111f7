// Rules of the configuration: greetings, replies, acks in both directions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../support/clients.mjs";
import { sharedSystem } from "../support/system.mjs";

const TEST = { timeout: 20_000 };
const RULES = `
  "/rules":
    anonymous: true
    recovery: false
    on_connect: [{ emit: { event: welcome, args: ["hi"] } }, { emit: { event: auth, args: "[auth]" } }]
    events:
      quiz: { reply: { event: question, args: args, answer: { event: heard, args: args } }, ack: ["asked"] }
      echo: { ack: args }
`;
const edit = (text) => text.replace("namespaces:\n", `namespaces:${RULES}`);
const shared = await sharedSystem({ nodes: 1, edit });

for (const mode of ["polling", "websocket", "upgrade"]) {
  const connect = (options) => Client.connect(shared.system.urls[0], "/rules", { mode, ...options });

  test(`a new socket is greeted in order (${mode}) [F-41]`, TEST, async () => {
    const client = await connect({ auth: { colour: "red" } });
    await client.take("auth");
    assert.deepEqual(client.events, [["welcome", "hi"], ["auth", { colour: "red" }]]);
    client.close();
  });

  test(`the server asks for an ack, with bytes both ways (${mode})`, TEST, async () => {
    const client = await connect();
    client.socket.on("question", (bytes, answer) => answer({ doubled: Buffer.concat([bytes, bytes]) }, "thanks"));
    assert.equal(await client.ask("quiz", Buffer.from([1, 2])), "asked");
    const [[{ doubled }, word]] = await client.take("heard");
    assert.deepEqual([[...doubled], word], [[1, 2, 1, 2], "thanks"]);
    client.close();
  });

  test(`an ack carries ten attachments there and back (${mode})`, TEST, async () => {
    const client = await connect();
    const parts = Array.from({ length: 10 }, (_, index) => Buffer.from([index]));
    const answer = await client.ask("echo", { parts });
    assert.deepEqual(answer.parts.map((part) => part[0]), parts.map((part) => part[0]));
    client.close();
  });
}

test("questions that are never answered have an end", TEST, async () => {
  const client = await Client.connect(shared.system.urls[0], "/rules", { mode: "websocket" });
  await Promise.all(Array.from({ length: 300 }, () => client.ask("quiz")));
  assert.equal(client.seen("question").length, 256);
  client.close();
});
