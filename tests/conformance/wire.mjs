// The bare wire, without any client library in between: one WebSocket whose frames are read in order, and one
// long-polling session spoken request by request. Both protocol suites are written in these two.
import { createRequire } from "node:module";
import http from "node:http";

const require = createRequire(new URL("../clients/package.json", import.meta.url));
const WebSocket = require("ws");

/// Time limits of the protocol suites, per test.
export const TEST_MS = 2_000;
export const HEARTBEAT_TEST_MS = 5_000;

/// What the fixture server announces at every handshake.
export const PING_INTERVAL_MS = 300;
export const PING_TIMEOUT_MS = 200;
export const MAX_PAYLOAD_BYTES = 1_000_000;

/// The server under test, from the environment: a suite without a server fails, it does not pass by silence.
export function serverUrl(variable) {
  const text = process.env[variable];
  if (!text) throw new Error(`${variable} is not set: give the server's URL, path included`);
  return new URL(text);
}

export function withQuery(base, query, protocol = base.protocol) {
  const url = new URL(base);
  url.protocol = protocol;
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
  return url;
}

/// A WebSocket as two queues: frames in order, and how it ended. Text arrives as string, binary as Buffer.
export class Wire {
  #frames = [];
  #readers = [];
  #closing = deferred();
  #opening = deferred();

  static async open(base, query) {
    const wire = new Wire(base, query);
    await wire.opened();
    return wire;
  }

  constructor(base, query) {
    this.ws = new WebSocket(withQuery(base, query, base.protocol === "https:" ? "wss:" : "ws:"));
    this.ws.on("open", () => this.#opening.resolve());
    this.ws.on("message", (data, isBinary) => this.#arrived(isBinary ? data : data.toString()));
    // A refused handshake is an "error" followed by "close"; the close is what the tests ask about.
    this.ws.on("error", () => {});
    this.ws.on("close", (code) => this.#ended(code));
  }

  opened() {
    return this.#opening.promise;
  }

  /// Resolves with the close code, whether the handshake was refused or the server hung up later.
  closed() {
    return this.#closing.promise;
  }

  send(frame) {
    this.ws.send(frame);
  }

  close() {
    this.ws.close();
  }

  /// The next frame; rejects when the connection ends first.
  frame() {
    if (this.#frames.length > 0) return Promise.resolve(this.#frames.shift());
    if (this.code !== undefined) return Promise.reject(new Error(`connection closed (${this.code})`));
    const reader = deferred();
    this.#readers.push(reader);
    return reader.promise;
  }

  /// The next `count` frames that are no heartbeat.
  async frames(count) {
    const taken = [];
    while (taken.length < count) {
      const frame = await this.frame();
      if (frame !== "2") taken.push(frame);
    }
    return taken;
  }

  #arrived(frame) {
    const reader = this.#readers.shift();
    if (reader) reader.resolve(frame);
    else this.#frames.push(frame);
  }

  #ended(code) {
    this.code = code;
    this.#closing.resolve(code);
    const error = new Error(`connection closed (${code})`);
    this.#opening.promise.catch(() => {});
    this.#opening.reject(error);
    for (const reader of this.#readers.splice(0)) reader.reject(error);
  }
}

/// One long-polling session after its handshake.
export class Polling {
  static async open(base) {
    const { body } = await request(withQuery(base, { EIO: 4, transport: "polling" }));
    return new Polling(base, JSON.parse(body.slice(1)).sid);
  }

  constructor(base, sid) {
    this.base = base;
    this.sid = sid;
  }

  poll(extra = {}) {
    return request(this.#url(extra));
  }

  post(body) {
    return request(this.#url(), "POST", body);
  }

  /// A poll that is under way and can be dropped as a vanishing client would drop it.
  pendingPoll() {
    const sent = deferred();
    const outgoing = http.get(this.#url(), { agent: false });
    outgoing.on("error", () => {});
    outgoing.on("finish", () => sent.resolve());
    return { sent: sent.promise, drop: () => outgoing.destroy() };
  }

  /// A round trip of its own, so that the server has seen what was sent on other connections before.
  async settle() {
    await pause(5);
    await request(withQuery(this.base, { EIO: 4, transport: "polling" }));
  }

  #url(extra = {}) {
    return withQuery(this.base, { EIO: 4, transport: "polling", sid: this.sid, ...extra });
  }
}

export async function request(url, method = "GET", body) {
  const response = await fetch(url, { method, body });
  return { status: response.status, body: await response.text() };
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function deferred() {
  let resolve, reject;
  const promise = new Promise((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}
