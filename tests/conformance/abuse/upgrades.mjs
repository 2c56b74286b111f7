// The change from polling to WebSocket, raced and broken in every way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { within } from "../../clients/support/waiting.mjs";
import { Wire, request, withQuery } from "../wire.mjs";
import { Line } from "../raw.mjs";
import { Session, closeCode } from "./sockets.mjs";

const NO_STATUS = 1005;
const MOVED = '{"code":3,"message":"Bad request"}';

export function upgradeAbuse(servers) {
  const open = () => Session.open(servers().main);

  test("a second WebSocket while one probes is closed and disturbs nobody", async () => {
    const session = await open();
    const first = await session.probing();
    const second = await session.upgrade();
    second.send("2probe");
    assert.equal(await closeCode(second), NO_STATUS);
    first.send("5");
    await assertMoved(session, first);
  });

  test("a second WebSocket after the upgrade is closed and disturbs nobody", async () => {
    const session = await open();
    const first = await session.probing();
    first.send("5");
    const second = await session.upgrade();
    assert.equal(await closeCode(second), NO_STATUS);
    await assertMoved(session, first);
  });

  for (const [what, packet] of Object.entries({
    "a message": '42["echo"]', "a bare ping": "2", "an upgrade without a probe": "5", "nonsense": "nonsense", "an empty packet": "",
    "a binary packet": Buffer.from([1]),
  })) {
    test(`${what} instead of the probe closes that WebSocket alone`, async () => {
      const session = await open();
      const wire = await session.upgrade();
      wire.send(packet);
      assert.equal(await closeCode(wire), NO_STATUS);
      await session.assertAlive();
      await assertUpgrades(session);
    });
  }

  test("an attempt that takes too long is dropped, the session goes on and may try again", async () => {
    const session = await open();
    const wire = await session.probing();
    assert.equal(await closeCode(wire), NO_STATUS);
    await session.assertAlive();
    await assertUpgrades(session);
  });

  test("a probe that vanishes leaves the session polling", async () => {
    const session = await open();
    (await session.probing()).ws.terminate();
    await session.assertAlive();
  });

  test("idle polls are released again and again while a WebSocket probes", async () => {
    const session = await open();
    const wire = await session.probing();
    for (let round = 0; round < 2; round += 1) assert.equal((await session.poll()).body, "6");
    wire.send("5");
    await assertMoved(session, wire);
  });

  test("messages go by polling until the upgrade packet came", async () => {
    const session = await open();
    const wire = await session.probing();
    await session.post('421["echo","during"]');
    assert.equal((await session.poll()).body, '431["during"]');
    wire.send("5");
    await assertMoved(session, wire);
  });

  test("a poll that waits when the upgrade packet comes is released", async () => {
    const session = await open();
    const wire = await session.probing();
    const poll = await session.pendingPoll();
    wire.send("5");
    assert.equal((await poll.answer()).body, "6");
    await assertMoved(session, wire);
  });

  test("what was queued before the upgrade comes over the WebSocket, in order", async () => {
    const session = await open();
    const wire = await session.probing();
    await session.post([1, 2, 3].map((id) => `42${id}["echo",${id}]`).join("\u001e"));
    wire.send("5");
    wire.send('424["echo",4]');
    const frames = await within("four acks", wire.frames(4));
    assert.deepEqual(frames, [1, 2, 3, 4].map((id) => `43${id}[${id}]`));
    wire.close();
  });

  test("packets behind the upgrade packet in the same write are taken", async () => {
    const session = await open();
    const wire = await session.probing();
    wire.ws._socket.cork();
    wire.send("5");
    wire.send('421["echo",1]');
    wire.send('422["echo",2]');
    wire.ws._socket.uncork();
    assert.deepEqual(await within("two acks", wire.frames(2)), ["431[1]", "432[2]"]);
    wire.close();
  });

  test("a session that ends while a WebSocket probes takes it along", async () => {
    const session = await open();
    const wire = await session.probing();
    await session.post("1");
    assert.equal(await closeCode(wire), NO_STATUS);
    await session.assertGone();
  });

  test("a WebSocket ping is answered while probing", async () => {
    const session = await open();
    const wire = await session.probing();
    wire.ws.ping("x");
    await within("pong", new Promise((resolve) => wire.ws.once("pong", resolve)));
    wire.send("5");
    await assertMoved(session, wire);
  });

  test("a close packet over WebSocket ends the session at once, where the reference waits for the ping timeout", async () => {
    const session = await open();
    const wire = await session.probing();
    wire.send("5");
    wire.send("1");
    await closeCode(wire);
    await session.assertGone();
  });

  // The reference accepts the first two and writes HTTP into the WebSocket or closes it, and checks no origin on upgrades.
  for (const [what, query, headers, expected] of [
    ["an unknown session", { sid: "nobody" }, [], [400, "Session ID unknown"]],
    ["another protocol revision", { EIO: "3" }, [], [400, "Unsupported protocol version"]],
    ["the polling transport", { transport: "polling" }, [], [400, "Bad request"]],
    ["an unknown transport", { transport: "abc" }, [], [400, "Transport unknown"]],
    ["a foreign page", {}, ["Origin: http://b.example"], [403, "origin not allowed"]],
  ]) {
    test(`a WebSocket with ${what} is refused before it is one`, async () => {
      const [status, message] = expected;
      const url = withQuery(servers().main, { EIO: 4, transport: "websocket", ...query });
      const line = await Line.open(servers().main);
      const answer = await line.send(upgradeHead(url, headers)).closed();
      assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), answer);
      assert.match(answer.toLowerCase(), /\r\nconnection: close\r\n/);
      assert.ok(answer.endsWith(`\r\n\r\n${message}`), answer);
    });
  }
}

async function assertUpgrades(session) {
  const wire = await session.probing();
  wire.send("5");
  await assertMoved(session, wire);
}

/// Everything goes over the WebSocket, nothing over polling any more.
async function assertMoved(session, wire) {
  wire.send('429["echo","moved"]');
  assert.deepEqual(await within("the echo", wire.frames(1)), ['439["moved"]']);
  for (const method of ["GET", "POST"]) {
    const url = withQuery(session.base, { EIO: 4, transport: "polling", sid: session.sid });
    assert.deepEqual(await request(url, method, method === "POST" ? "3" : undefined), { status: 400, body: MOVED });
  }
  wire.send('428["echo","still"]');
  assert.deepEqual(await within("the echo", wire.frames(1)), ['438["still"]']);
  wire.close();
}

function upgradeHead({ pathname, search }, headers) {
  return [
    `GET ${pathname}${search} HTTP/1.1`, "Host: gateway", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", ...headers, "", "",
  ].join("\r\n");
}
