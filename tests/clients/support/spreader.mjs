// The worst balancer for long-polling: each request and each upgrade goes to the next upstream, whoever asks.
import http from "node:http";
import { freePort } from "./waiting.mjs";

export class Spreader {
  static async start(upstreams) {
    const spreader = new Spreader(upstreams, await freePort());
    await new Promise((resolve) => spreader.server.listen(spreader.port, "127.0.0.1", resolve));
    return spreader;
  }

  constructor(upstreams, port) {
    this.upstreams = upstreams;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.next = 0;
    this.agent = new http.Agent({ keepAlive: true });
    this.server = http.createServer((request, response) => this.#pass(request, response));
    this.server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.sockets = new Set();
    this.server.on("connection", (socket) => this.sockets.add(socket.on("close", () => this.sockets.delete(socket))));
  }

  /// Sends further requests to these; those under way stay where they are.
  use(upstreams) {
    this.upstreams = upstreams;
  }

  #ask({ method, url: path, headers }, agent) {
    const upstream = new URL(this.upstreams[this.next++ % this.upstreams.length]);
    return http.request({ host: upstream.hostname, port: upstream.port, method, path, headers, agent });
  }

  #pass(request, response) {
    const asked = this.#ask(request, this.agent);
    asked.on("response", (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.on("error", () => response.destroy());
      answer.pipe(response);
    });
    asked.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.on("close", () => response.writableFinished || asked.destroy());
    request.pipe(asked);
  }

  #upgrade(request, socket, head) {
    const asked = this.#ask(request, false);
    socket.on("error", () => asked.destroy());
    asked.on("error", () => socket.destroy());
    asked.on("response", (answer) => {
      socket.write(headOf(answer));
      answer.pipe(socket);
    });
    asked.on("upgrade", (answer, upstream, first) => {
      socket.write(headOf(answer));
      socket.write(first);
      upstream.write(head);
      for (const [from, to] of [[socket, upstream], [upstream, socket]]) {
        from.on("error", () => to.destroy());
        from.on("close", () => to.destroy());
        from.pipe(to);
      }
    });
    asked.end();
  }

  stop() {
    this.server.close();
    this.agent.destroy();
    for (const socket of this.sockets) socket.destroy();
  }
}

function headOf({ statusCode, statusMessage, rawHeaders }) {
  const lines = [];
  for (let at = 0; at < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`);
  return `HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join("")}\r\n`;
}
