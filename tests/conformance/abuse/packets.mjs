// Packets over WebSocket at and beyond each limit.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until, within } from "../../clients/support/waiting.mjs";
import { Wire } from "../wire.mjs";
import { ask, closeCode, joinedWire } from "./sockets.mjs";

const NO_STATUS = 1005;
const TOO_BIG = 1009;
const MAX_PAYLOAD_BYTES = 1_000_000;
const DEPTH_MAX = 32;
const EVENT_NAME_BYTES = 128;
const ROOM_NAME_BYTES = 255;
const ROOMS_MAX = 100;
const NAMESPACES_MAX = 32;

export function packetAbuse(servers) {
  const join = () => joinedWire(servers().main);

  async function assertCloses(code, ...frames) {
    const wire = await join();
    for (const frame of frames) wire.send(frame);
    assert.equal(await closeCode(wire), code);
  }

  test("a message of maxPayload is taken, one byte more closes with 1009", async () => {
    const wire = await join();
    const text = "x".repeat(MAX_PAYLOAD_BYTES - '421["echo",""]'.length);
    assert.deepEqual(await ask(wire, 1, "echo", text), [text]);
    wire.send(`421["echo","${text}x"]`);
    assert.equal(await closeCode(wire), TOO_BIG);
  });

  test("fragments without end close with 1009", async () => {
    const wire = await join();
    const fragment = "x".repeat(50_000);
    wire.ws.send(`421["echo","`, { fin: false });
    for (let sent = 0; sent <= MAX_PAYLOAD_BYTES; sent += fragment.length) wire.ws.send(fragment, { fin: false });
    assert.equal(await closeCode(wire), TOO_BIG);
  });

  test("attachments count together", async () => {
    const half = Buffer.alloc(MAX_PAYLOAD_BYTES / 2 + 1);
    await assertCloses(NO_STATUS, '452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', half, half);
  });

  test("ten attachments are taken, eleven close", async () => {
    const wire = await join();
    const header = (count) =>
      `45${count}-1["echo",${Array.from({ length: count }, (_, num) => `{"_placeholder":true,"num":${num}}`)}]`;
    wire.send(header(10));
    for (let index = 0; index < 10; index += 1) wire.send(Buffer.from([index]));
    const [ack, ...attachments] = await within("ack", wire.frames(11));
    assert.match(ack, /^4610-1\[/);
    assert.deepEqual(attachments, Array.from({ length: 10 }, (_, index) => Buffer.from([index])));
    wire.send(header(11));
    assert.equal(await closeCode(wire), NO_STATUS);
  });

  test("JSON as deep as allowed is taken, one level more closes", async () => {
    const wire = await join();
    const nested = (depth) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
    wire.send(`421["echo",${nested(DEPTH_MAX - 1)}]`);
    assert.equal(await within("ack", wire.frame()), `431[${nested(DEPTH_MAX - 1)}]`);
    wire.send(`421["echo",${nested(DEPTH_MAX)}]`);
    assert.equal(await closeCode(wire), NO_STATUS);
  });

  test("brackets without end close", () => assertCloses(NO_STATUS, `42${"[".repeat(500_000)}`));

  // JavaScript cannot count beyond: the reference rounds such ids and answers another one than it was asked.
  test("the largest ack id that JavaScript can count to is taken, the next closes", async () => {
    const wire = await join();
    assert.deepEqual(await ask(wire, 2n ** 53n, "echo", 1), [1]);
    wire.send(`42${2n ** 53n + 1n}["echo"]`);
    assert.equal(await closeCode(wire), NO_STATUS);
  });

  test("an event name as long as allowed is taken, a longer one closes", async () => {
    const wire = await join();
    assert.equal((await ask(wire, 1, "e".repeat(EVENT_NAME_BYTES)))[0].error, "NOT_FOUND");
    wire.send(`421["${"e".repeat(EVENT_NAME_BYTES + 1)}"]`);
    assert.equal(await closeCode(wire), NO_STATUS);
  });

  test("room names beyond their limits are refused with an ack", async () => {
    const wire = await join();
    assert.equal((await ask(wire, 1, "join", { room: "r".repeat(ROOM_NAME_BYTES) }))[0].ok, true);
    for (const room of ["r".repeat(ROOM_NAME_BYTES + 1), "", "a\u0000b", 7, null, {}]) {
      assert.equal((await ask(wire, 2, "join", { room }))[0].error, "VALIDATION_ERROR", JSON.stringify(room));
    }
    assert.equal((await ask(wire, 3, "join"))[0].error, "VALIDATION_ERROR");
    wire.close();
  });

  test("more joins than rooms allowed, all at once: each is answered, those beyond are refused", async () => {
    const wire = await join();
    const joins = 5_001;
    for (let id = 0; id < joins; id += 1) wire.send(`42${id}["join",{"room":"room-${id}"}]`);
    const answers = await within("all acks", wire.frames(joins), 60_000);
    assert.ok(answers.every((frame, id) => frame.startsWith(`43${id}[{"ok":${id < ROOMS_MAX}`)), "in order, the first hundred in");
    assert.equal((await ask(wire, 1, "whoami"))[0].rooms.length, ROOMS_MAX);
    wire.close();
  });

  test("joining and leaving the same room over and over leaves it as the last one said", async () => {
    const wire = await join();
    for (let id = 0; id < 1_000; id += 1) wire.send(`42${id}["${id % 2 ? "leave" : "join"}",{"room":"door"}]`);
    await within("all acks", wire.frames(1_000), 60_000);
    assert.deepEqual((await ask(wire, 1, "whoami"))[0].rooms, []);
    wire.close();
  });

  test("more namespaces than allowed are refused one by one", async () => {
    const wire = await join();
    for (let index = 1; index < NAMESPACES_MAX; index += 1) wire.send(`40/n${index},`);
    const replies = await within("CONNECT replies", wire.frames(NAMESPACES_MAX - 1));
    assert.ok(replies.every((frame) => frame.startsWith("40/n")));
    wire.send("40/n999,");
    assert.match(await within("refusal", wire.frame()), /^44\/n999,.*QUOTA_EXCEEDED/);
    wire.close();
  });

  test("a namespace name without end is refused or closes", async () => {
    const wire = await Wire.open(servers().main, { EIO: 4, transport: "websocket" });
    await wire.frame();
    wire.send(`40/${"n".repeat(MAX_PAYLOAD_BYTES - 10)},`);
    const answer = await Promise.race([wire.frame().catch(() => "closed"), closeCode(wire).then(() => "closed")]);
    assert.ok(answer === "closed" || answer.length < 1_000, answer.slice(0, 100));
    wire.close();
  });

  test("a client that floods and never reads is closed, and nobody else notices", async () => {
    const wire = await join();
    wire.ws._socket.pause();
    const payload = "x".repeat(100_000);
    for (let sent = 0; sent < 400 && wire.ws.readyState === 1; sent += 1) wire.send(`42${sent}["echo","${payload}"]`);
    await until("what is on its way to be bounded", async () => {
      const healthy = await joinedWire(servers().main);
      const answer = await ask(healthy, 1, "echo", "still here");
      healthy.close();
      return answer[0] === "still here";
    });
    wire.ws.terminate();
  });
}
