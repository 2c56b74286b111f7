// Clients built with socket.io-msgpack-parser, on a listener configured for them.
import assert from "node:assert/strict";
import { test } from "node:test";
import parser from "socket.io-msgpack-parser";
import { Client } from "../support/clients.mjs";
import { sharedSystem } from "../support/system.mjs";

const TEST = { timeout: 20_000 };
const shared = await sharedSystem({ nodes: 2, edit: (text) => `${text}engine: { parser: msgpack }\n` });

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
