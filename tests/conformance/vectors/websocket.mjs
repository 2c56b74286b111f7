// The captured WebSocket dialogues: what is sent, what comes back, and whether the server hangs up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { within } from "../../clients/support/waiting.mjs";
import { Wire } from "../wire.mjs";
import { vectors } from "./files.mjs";

/// A close frame without a status code, as WebSocket libraries report it.
const NO_STATUS = 1005;

export function webSocketVectors(url) {
  for (const vector of vectors("socket.io-websocket.json").cases) {
    test(`${vector.name} (${vector.after})`, async () => {
      const wire = await joined(url(), vector.after);
      for (const frame of vector.send) wire.send(bytesOr(frame));
      for (const expected of vector.receive) {
        const frame = await within(`frame ${JSON.stringify(expected)}`, wire.frame());
        assert.deepEqual(withoutSid(frame), bytesOr(expected));
      }
      if (vector.closed) await assertHungUp(wire);
      else await assertAlive(wire);
    });
  }
}

async function joined(base, after) {
  const wire = await Wire.open(base, { EIO: 4, transport: "websocket" });
  assert.match(await wire.frame(), /^0\{/);
  if (after === "Engine.IO open + main namespace joined") {
    wire.send("40");
    assert.match(await wire.frame(), /^40\{"sid":/);
  } else {
    assert.equal(after, "Engine.IO open only");
  }
  return wire;
}

async function assertHungUp(wire) {
  assert.equal(await within("the server to hang up", wire.closed()), NO_STATUS);
  await assert.rejects(wire.frame(), "nothing more was said");
}

/// The answer to one more CONNECT is the next thing that comes: nothing else was on its way.
async function assertAlive(wire) {
  wire.send("40/fence,");
  assert.equal(withoutSid(await within("the fence", wire.frame())), '40/fence,{"sid":"<sid>"}');
  wire.close();
}

function withoutSid(frame) {
  return typeof frame === "string" ? frame.replace(/"sid":"[\w-]{20,40}"/, '"sid":"<sid>"') : frame;
}

function bytesOr(frame) {
  return typeof frame === "string" ? frame : Buffer.from(frame.$binary, "base64");
}
