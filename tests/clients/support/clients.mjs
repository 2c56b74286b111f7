// Unmodified Socket.IO clients, and what their callbacks saw.
import { Manager, io as io48 } from "socket.io-client";
import { io as io40 } from "socket.io-client-4-0";
import { io as io47 } from "socket.io-client-4-7";
import { until, within } from "./waiting.mjs";

export const versions = { "4.8": io48, "4.7": io47, "4.0": io40 };

export const transports = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

const FENCE = "fence";
// An event in a recoverable namespace ends in its position, `<epoch>.<ms>-<seq>`.
const POSITION = /^[^\s.]+\.\d+-\d+$/;

let fences = 0;

/// One socket and the ordered list of what it received.
export class Client {
  /// Connects to `url + namespace` and waits until the gateway has admitted the socket.
  static async connect(url, namespace = "/", { version = "4.8", mode = "websocket", ...options } = {}) {
    const client = Client.start(url, namespace, { version, mode, ...options });
    await client.connected();
    return client;
  }

  /// The same without waiting: for refusals.
  static start(url, namespace = "/", { version = "4.8", mode = "websocket", ...options } = {}) {
    const socket = versions[version](url + namespace, {
      transports: transports[mode], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 500, ...options,
    });
    return new Client(socket);
  }

  constructor(socket) {
    this.socket = socket;
    this.events = [];
    this.positions = [];
    this.disconnects = [];
    socket.onAny((event, ...args) => this.#received(event, args));
    socket.on("disconnect", (reason) => this.disconnects.push(reason));
  }

  connected() {
    if (this.socket.connected) return Promise.resolve();
    return within("socket to connect", new Promise((resolve, reject) => {
      this.socket.once("connect", resolve);
      this.socket.once("connect_error", reject);
    }));
  }

  /// The refusal that the gateway answers the CONNECT with.
  refused() {
    return within("CONNECT_ERROR", new Promise((resolve, reject) => {
      this.socket.once("connect_error", resolve);
      this.socket.once("connect", () => reject(new Error("was admitted")));
    }));
  }

  /// Emits with an ack and returns the answer.
  ask(event, ...args) {
    return within(`ack of ${event}`, new Promise((resolve) => this.socket.emit(event, ...args, resolve)));
  }

  async join(...rooms) {
    for (const room of rooms) {
      const answer = await this.ask("join", { room });
      if (!answer.ok) throw new Error(`join ${room} refused: ${JSON.stringify(answer)}`);
    }
    return this;
  }

  /// The arguments of every `event` received so far, in order.
  seen(event) {
    return this.events.filter(([name]) => name === event).map(([, ...args]) => args);
  }

  /// Waits until `count` of `event` have come, and returns them all.
  async take(event, count = 1, deadlineMs) {
    return until(`${count} × ${event}`, () => this.seen(event).length >= count && this.seen(event), deadlineMs)
      .catch((error) => {
        throw new Error(`${error.message}; seen ${this.seen(event).length}, all events: ${JSON.stringify(this.events).slice(0, 500)}`);
      });
  }

  /// The transport in use now: "polling" or "websocket".
  get transport() {
    return this.socket.io.engine.transport.name;
  }

  close() {
    this.socket.disconnect();
  }

  #received(event, args) {
    if (typeof args.at(-1) === "string" && POSITION.test(args.at(-1))) this.positions.push(args.pop());
    this.events.push([event, ...args]);
  }
}

/// Several namespaces over one connection.
export function sharedConnection(url, mode = "websocket") {
  const manager = new Manager(url, { transports: transports[mode] });
  return { open: (namespace, auth) => new Client(manager.socket(namespace, { auth })), close: () => manager._close() };
}

/// Sends one last event down the same way and waits until every client has it: what came before the fence is all that
/// will come, so absence can be asserted without sleeping. `emit(event, value)` publishes to the whole namespace.
export async function fence(clients, emit) {
  const number = (fences += 1);
  await emit(FENCE, number);
  await Promise.all(clients.map((client) =>
    until(`fence ${number}`, () => client.seen(FENCE).some(([value]) => value === number))));
}

/// Which of the named clients saw `event`, and how often: `{a: 1, b: 0}`.
export function tally(clients, event) {
  return Object.fromEntries(Object.entries(clients).map(([name, client]) => [name, client.seen(event).length]));
}
