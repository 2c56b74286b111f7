// HTTP without a client library's help: one connection a request, headers as sent, and half-finished requests.
import http from "node:http";
import net from "node:net";
import { within } from "../clients/support/waiting.mjs";

/// One request on a connection of its own. `path` goes out as it is.
export function exchange(base, { method = "GET", path, headers = {}, body }) {
  return within(`${method} ${path}`, new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const outgoing = http.request(new URL(base), { method, path, headers: { ...length, ...headers }, agent: false });
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    outgoing.end(body);
  }));
}

/// A GET that the server has taken in when this resolves: `answer` is its response, `drop()` lets the client vanish.
export async function pendingGet(base, path) {
  const outgoing = http.get(new URL(base), { path, agent: false });
  const answer = new Promise((resolve, reject) => {
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
  });
  answer.catch(() => {});
  await new Promise((resolve) => outgoing.once("finish", resolve));
  await settle(base);
  return { answer: () => within(`answer to GET ${path}`, answer), drop: () => outgoing.destroy() };
}

/// Round trips on connections of their own, so many that each worker has surely answered one: what was sent before them
/// on another connection has been taken in.
export async function settle(base) {
  for (let round = 0; round < 8; round += 1) await exchange(base, { path: "/socket.io/?EIO=4&transport=none" });
}

/// A bare TCP connection: `send` bytes, and what has come back when the server hung up.
export class Line {
  static async open(base) {
    const line = new Line(Number(new URL(base).port));
    await new Promise((resolve, reject) => line.socket.once("connect", resolve).once("error", reject));
    return line;
  }

  constructor(port) {
    this.received = "";
    this.socket = net.connect(port, "127.0.0.1");
    this.ended = new Promise((resolve) => this.socket.on("close", () => resolve(this.received)));
    this.socket.setEncoding("latin1").on("data", (text) => (this.received += text));
    this.socket.on("error", () => {});
  }

  send(bytes) {
    this.socket.write(bytes);
    return this;
  }

  /// Everything that was received until the server closed the connection.
  closed(deadlineMs) {
    return within("the server to hang up", this.ended, deadlineMs);
  }

  drop() {
    this.socket.destroy();
  }
}
