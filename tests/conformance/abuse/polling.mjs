// Long-polling used wrongly: overlapping, cut off, oversized and endless requests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../clients/support/waiting.mjs";
import { Line, exchange, settle } from "../raw.mjs";
import { Session, UNKNOWN_SESSION, ask, joinedWire } from "./sockets.mjs";

const MAX_PAYLOAD_BYTES = 1_000_000;

export function pollingAbuse(servers) {
  const open = (options) => Session.open(servers().main, options);

  test("a second POST while one is under way is refused and ends the session", async () => {
    const session = await open();
    const line = await halfPost(session, 100);
    const { status, body } = await session.post("3");
    assert.deepEqual({ status, body }, { status: 400, body: "" });
    await session.assertGone();
    line.drop();
  });

  test("a POST that is cut off ends the session", async () => {
    const session = await open();
    (await halfPost(session, 100)).drop();
    await session.assertGone();
  });

  test("a POST whose body never comes is given up with its session", async () => {
    const session = await Session.open(servers().restless, { joined: false });
    const line = await halfPost(session, 100);
    assert.match(await line.closed(), /^HTTP\/1\.1 400 /);
    await session.assertGone();
  });

  test("a GET that is given up ends the session", async () => {
    const session = await open();
    (await session.pendingPoll()).drop();
    await session.assertGone();
  });

  test("a second GET ends both polls and the session", async () => {
    const session = await open();
    const [one, other] = await Promise.all([session.poll(), session.poll()]);
    assert.deepEqual([one, other].map(({ status }) => status).sort(), [200, 400]);
    assert.deepEqual([one, other].map(({ body }) => body).sort(), ["", "1"]);
    await session.assertGone();
  });

  for (const method of ["PUT", "DELETE", "PATCH"]) {
    test(`${method} is answered 500 and changes nothing`, async () => {
      const session = await open();
      const { status, body } = await exchange(session.base, { method, path: session.path, body: "x" });
      assert.deepEqual({ status, body }, { status: 500, body: "" });
      await session.assertAlive();
    });
  }

  test("a body just over maxPayload is answered 413 and the session lives", async () => {
    const session = await open();
    assert.equal((await session.post("4".padEnd(MAX_PAYLOAD_BYTES + 1, "x"))).status, 413);
    await session.assertAlive();
  });

  test("a body that never says its length is stopped at maxPayload and the session lives", async () => {
    const session = await open();
    const line = (await Line.open(session.base)).send(head("POST", session.path, ["Transfer-Encoding: chunked"]));
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    for (let sent = 0; sent <= MAX_PAYLOAD_BYTES; sent += 0x10000) line.send(chunk);
    await until("413", () => line.received.startsWith("HTTP/1.1 413 "));
    line.drop();
    await session.assertAlive();
  });

  test("a chunked body that is no chunked body ends the session", async () => {
    const session = await open();
    const line = (await Line.open(session.base)).send(head("POST", session.path, ["Transfer-Encoding: chunked"])).send("zz\r\nboo");
    await line.closed();
    await session.assertGone();
  });

  test("packets before a fault count, the fault ends the session", async () => {
    const session = await open();
    const poll = await session.pendingPoll();
    assert.equal((await session.post('421["echo","before"]\u001eabc')).body, "ok");
    assert.match((await poll.answer()).body, /^431\["before"\](\u001e1)?$/);
    await session.assertGone();
  });

  test("a body full of tiny packets is worked through without holding up the others", async () => {
    const session = await open();
    const bystander = await joinedWire(session.base);
    const flood = session.post(`${"42\u001e".repeat(100_000)}421["echo","after"]`);
    let asked = 0;
    while ((await Promise.race([flood, ask(bystander, 1, "echo", "beside")])).status === undefined) asked += 1;
    assert.ok(asked > 1, "the bystander was answered meanwhile");
    assert.equal((await flood).body, "ok");
    assert.equal((await session.poll()).body, '431["after"]');
    bystander.close();
  });

  test("an offer of another protocol than WebSocket is passed over", async () => {
    const session = await open();
    const upgrade = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABkAAQAAP__" };
    assert.equal((await session.post("3", upgrade)).body, "ok");
    await session.assertAlive();
  });

  test("text that is not UTF-8 ends the session", async () => {
    const session = await open();
    assert.equal((await session.post(Buffer.from([0x34, 0x32, 0xff, 0xfe]))).body, "ok");
    await session.assertGone();
  });

  test("a close packet ends a pending poll with a noop and the session", async () => {
    const session = await open();
    const poll = await session.pendingPoll();
    assert.equal((await session.post("1")).body, "ok");
    assert.equal((await poll.answer()).body, "6");
    await session.assertGone();
  });

  test("whoever joins nothing in time finds the close packet with its next poll, once", async () => {
    const session = await Session.open(servers().impatient, { joined: false });
    const poll = await session.poll();
    assert.match(poll.body, /^(6\u001e)?1$/);
    assert.equal((await session.poll()).body, UNKNOWN_SESSION);
  });

  test("a client that a backend disconnects finds DISCONNECT and close with its next poll, once", async () => {
    const session = await open();
    await session.post('421["join",{"room":"victims"}]');
    assert.match((await session.poll()).body, /^431\[\{"ok":true/);
    servers().emitter.in("victims").disconnectSockets(true);
    await until("the session to be closed", async () => (await session.post("3")).status === 400);
    assert.equal((await session.poll()).body, "41\u001e1");
    assert.equal((await session.poll()).body, UNKNOWN_SESSION);
  });

  test("a backend that only takes a namespace away leaves the session", async () => {
    const session = await open();
    await session.post('421["join",{"room":"leavers"}]');
    await session.poll();
    const poll = await session.pendingPoll();
    servers().emitter.in("leavers").disconnectSockets();
    assert.equal((await poll.answer()).body, "41");
    assert.equal((await session.post("40")).body, "ok");
    assert.match((await session.poll()).body, /^40\{/);
    await session.assertAlive();
  });
}

/// A POST that the server has taken in, and of whose body only the first byte was sent.
async function halfPost(session, length) {
  const line = (await Line.open(session.base)).send(head("POST", session.path, [`Content-Length: ${length}`])).send("4");
  await settle(session.base);
  return line;
}

function head(method, path, lines) {
  return [`${method} ${path} HTTP/1.1`, "Host: gateway", ...lines, "", ""].join("\r\n");
}
