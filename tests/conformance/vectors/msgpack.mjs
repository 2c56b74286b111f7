// The captured packets of socket.io-msgpack-parser: those a client sends are sent, those a server sends must come back
// byte for byte (the socket id aside, which is the server's own).
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { within } from "../../clients/support/waiting.mjs";
import { Wire } from "../wire.mjs";
import { vectors } from "./files.mjs";

const require = createRequire(new URL("../../clients/package.json", import.meta.url));
const { Encoder, Decoder } = require("socket.io-msgpack-parser");

const [CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR] = [0, 1, 2, 3, 4];
const CAPTURED_SID = "abc";

/// What a client does so that each captured packet is on the wire, by packet.
const DIALOGUES = {
  [CONNECT]: ({ packet, bytes }) => (packet.data.sid ? connectReply(bytes) : connect(bytes)),
  [DISCONNECT]: ({ bytes }) => disconnect(bytes),
  [EVENT]: ({ packet, bytes }) => (packet.id === undefined ? event(bytes) : eventWithAck(packet, bytes)),
  [ACK]: ({ packet, bytes }) => ackReply(packet, bytes),
  [CONNECT_ERROR]: ({ packet, bytes }) => connectError(packet, bytes),
};

export function msgpackVectors(url) {
  for (const { packet, payload_b64: payload } of vectors("socket.io-msgpack-parser.json").cases) {
    test(JSON.stringify(packet), async () => {
      const wire = await Wire.open(url(), { EIO: 4, transport: "websocket" });
      await wire.frame();
      await DIALOGUES[packet.type]({ packet, bytes: Buffer.from(payload, "base64") })(wire);
      await assertAlive(wire);
    });
  }
}

const connect = (bytes) => async (wire) => {
  wire.send(bytes);
  assert.equal((await packetOf(wire)).type, CONNECT);
};

const connectReply = (bytes) => async (wire) => {
  wire.send(encode({ type: CONNECT, nsp: "/" }));
  const reply = await within("CONNECT reply", wire.frame());
  const { sid } = decode(reply).data;
  assert.deepEqual(replaced(reply, text(sid), text(CAPTURED_SID)), bytes);
};

const disconnect = (bytes) => async (wire) => {
  await join(wire, "/");
  wire.send(bytes);
  // Free again: a second CONNECT to a joined namespace would close.
  await join(wire, "/");
};

const event = (bytes) => async (wire) => {
  await join(wire, "/");
  wire.send(bytes);
  assert.deepEqual(await within("the event back", wire.frame()), bytes);
};

const eventWithAck = (packet, bytes) => async (wire) => {
  await join(wire, packet.nsp);
  wire.send(bytes);
  assert.deepEqual(await packetOf(wire), { type: ACK, nsp: packet.nsp, data: ["r"], id: packet.id });
};

const ackReply = (packet, bytes) => async (wire) => {
  await join(wire, packet.nsp);
  wire.send(encode({ type: EVENT, nsp: packet.nsp, data: ["q"], id: packet.id }));
  assert.deepEqual(await within("ack", wire.frame()), bytes);
};

const connectError = (packet, bytes) => async (wire) => {
  wire.send(encode({ type: CONNECT, nsp: packet.nsp }));
  assert.deepEqual(await within("refusal", wire.frame()), bytes);
};

async function join(wire, namespace) {
  wire.send(encode({ type: CONNECT, nsp: namespace }));
  const { type, nsp } = await packetOf(wire);
  assert.deepEqual({ type, nsp }, { type: CONNECT, nsp: namespace });
}

async function assertAlive(wire) {
  await join(wire, "/fence");
  wire.close();
}

async function packetOf(wire) {
  return decode(await within("a packet", wire.frame()));
}

function encode(packet) {
  return new Encoder().encode(packet)[0];
}

function decode(bytes) {
  let packet;
  const decoder = new Decoder();
  decoder.on("decoded", (decoded) => (packet = decoded));
  decoder.add(bytes);
  return packet;
}

/// A msgpack text of less than 32 bytes.
function text(value) {
  return Buffer.concat([Buffer.from([0xa0 | value.length]), Buffer.from(value)]);
}

function replaced(bytes, from, to) {
  const at = bytes.indexOf(from);
  assert.ok(at >= 0, "the text stands in the packet");
  return Buffer.concat([bytes.subarray(0, at), to, bytes.subarray(at + from.length)]);
}
