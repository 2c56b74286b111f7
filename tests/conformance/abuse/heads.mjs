// Request heads that are slow, too large, too many or none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../clients/support/waiting.mjs";
import { Line } from "../raw.mjs";

const REQUEST = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: gateway\r\n";
const HEADERS_MAX = 64;
const HEAD_BYTES_MAX = 16_384;

export function headAbuse(servers) {
  const open = () => Line.open(servers().main);

  test("a connection that says nothing is closed", async () => assert.equal(await (await open()).closed(), ""));

  test("a head that does not end in time is cut off, however it drips", async () => {
    const line = await open();
    const drip = setInterval(() => line.send("X-Slow: 1\r\n"), 50);
    line.send(REQUEST);
    await line.closed().finally(() => clearInterval(drip));
    assert.doesNotMatch(line.received, /^HTTP\/1\.1 200/);
  });

  test("as many headers as allowed are served, one more is answered 431", async () => {
    assert.match(await answer(headers(HEADERS_MAX - 1)), /^HTTP\/1\.1 200 /);
    assert.match(await answer(headers(HEADERS_MAX)), /^HTTP\/1\.1 431 /);
  });

  test("a head beyond its bytes is answered 431", async () => {
    assert.match(await answer(`X-Long: ${"x".repeat(HEAD_BYTES_MAX)}\r\n`), /^HTTP\/1\.1 431 /);
  });

  test("a URL beyond them is refused", async () => {
    const line = await open();
    line.send(`GET /socket.io/?${"x".repeat(70_000)} HTTP/1.1\r\nHost: gateway\r\n\r\n`);
    assert.match(await line.closed(), /^HTTP\/1\.1 (414|431) /);
  });

  for (const [what, bytes] of Object.entries({
    "a TLS greeting": Buffer.from("16030100a5010000a10303", "hex"), "line noise": "\r\n\r\n\0\0\0 boo\r\n\r\n", "another protocol": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  })) {
    test(`${what} is hung up on`, async () => {
      assert.doesNotMatch(await (await open()).send(bytes).closed(), /^HTTP\/1\.1 200/);
    });
  }

  async function answer(more) {
    const line = (await open()).send(`${REQUEST}${more}\r\n`);
    await until("an answer", () => line.received.includes("\r\n\r\n"));
    line.drop();
    return line.received;
  }
}

/// So many headers besides Host.
function headers(count) {
  return Array.from({ length: count }, (_, index) => `X-${index}: y\r\n`).join("");
}
