// A TCP proxy that breaks connections in the ways in which networks do: cut, held, half open, late, refused, or one
// Redis message short. It stands before a Redis (one per node, so that a single node can be cut off) or before a gateway.
import net from "node:net";
import { freePort } from "../clients/support/waiting.mjs";
import { Frames } from "./frames.mjs";

export class Proxy {
  static async start(upstream, { port, messages = false } = {}) {
    const proxy = new Proxy(upstream, port ?? (await freePort()), messages);
    await new Promise((resolve) => proxy.server.listen(proxy.port, "127.0.0.1", resolve));
    return proxy;
  }

  /// `messages`: follow Redis' replies frame by frame, so that one can be swallowed.
  constructor(upstream, port, messages) {
    Object.assign(this, { upstream, port, messages, refusing: false, held: false, swallowed: 0, dialled: 0 });
    this.lateness = undefined;
    this.links = new Set();
    this.server = net.createServer({ allowHalfOpen: false }, (near) => this.#attach(near));
  }

  get redisUrl() {
    return `redis://127.0.0.1:${this.port}`;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /// Connections end at once; new ones are still made.
  cut(which = everyLink) {
    const links = [...this.links].filter(which);
    links.forEach(end);
    return links.length;
  }

  /// New connections end at once.
  refuse(refusing = true) {
    this.refusing = refusing;
  }

  /// Nothing is carried until `release`, on old connections and on new ones; what was sent meanwhile arrives then.
  hold(which) {
    if (!which) this.held = true;
    const links = [...this.links].filter(which ?? everyLink);
    links.forEach((link) => still(link, true));
    return links.length;
  }

  release() {
    this.held = false;
    for (const link of this.links) if (!link.dead) still(link, false);
  }

  /// These connections carry nothing any more and end for neither side, as after a lost route.
  halfOpen(which = everyLink) {
    const links = [...this.links].filter((link) => which(link) && !link.dead);
    for (const link of links) {
      link.dead = true;
      still(link, true);
    }
    return links.length;
  }

  /// Every chunk arrives `ms` later, and one of `1 / stallShare` by `stallMs` more; `undefined` ends it.
  delay(lateness) {
    this.lateness = lateness;
  }

  /// The next `count` messages of a subscription that contain `text` are not passed on.
  swallow(text, count = 1) {
    if (!this.messages) throw new Error("this proxy does not follow messages");
    this.swallowing = { text, count };
  }

  stop() {
    this.server.close();
    this.links.forEach(end);
  }

  #attach(near) {
    this.dialled += 1;
    if (this.refusing) return near.destroy();
    const far = net.connect(this.upstream, "127.0.0.1");
    const link = { near, far, words: "", subscribes: false, replicates: false, dead: false };
    this.links.add(link);
    for (const socket of [near, far]) socket.setNoDelay(true);
    this.#carry(link, near, far, (chunk) => this.#heard(link, chunk));
    const frames = this.messages && new Frames();
    this.#carry(link, far, near, frames ? (chunk) => this.#sift(link, frames.push(chunk)) : (chunk) => chunk);
    for (const [one, other] of [[near, far], [far, near]]) {
      one.on("error", () => {});
      one.on("close", () => {
        if (link.dead && !other.destroyed) return;
        other.destroy();
        this.links.delete(link);
      });
    }
    if (this.held) still(link, true);
  }

  #carry(link, from, to, pass) {
    const waiting = [];
    const write = (bytes) => {
      if (to.destroyed || to.write(bytes)) return;
      from.pause();
      to.once("drain", () => link.still || from.resume());
    };
    const flush = () => {
      while (waiting.length > 0 && waiting[0].due <= Date.now()) write(waiting.shift().bytes);
      if (waiting.length > 0) setTimeout(flush, waiting[0].due - Date.now());
    };
    from.on("data", (chunk) => {
      const bytes = pass(chunk);
      if (bytes.length === 0) return;
      const late = this.#late();
      if (late === 0 && waiting.length === 0) return write(bytes);
      waiting.push({ bytes, due: Math.max(waiting.at(-1)?.due ?? 0, Date.now() + late) });
      if (waiting.length === 1) setTimeout(flush, late);
    });
  }

  #late() {
    if (!this.lateness) return 0;
    const { ms, stallShare = 0, stallMs = 0, random = Math.random } = this.lateness;
    return ms + (random() < stallShare ? stallMs : 0);
  }

  /// Which kind of connection it is shows in the first words; later ones are payload.
  #heard(link, chunk) {
    if (link.words.length < WORDS_BYTES) {
      link.words += chunk.toString("latin1").toUpperCase();
      link.replicates ||= link.words.includes("PSYNC\r\n");
    }
    link.subscribes ||= chunk.includes("SUBSCRIBE\r\n");
    return chunk;
  }

  #sift(link, frames) {
    const kept = frames.filter((frame) => !this.#swallows(link, frame));
    return Buffer.concat(kept);
  }

  #swallows(link, frame) {
    const wanted = this.swallowing;
    if (!wanted?.count || !link.subscribes || !frame.includes("message\r\n") || !frame.includes(wanted.text)) return false;
    wanted.count -= 1;
    this.swallowed += 1;
    return true;
  }
}

export const subscribers = (link) => link.subscribes;
export const commands = (link) => !link.subscribes;
export const replicas = (link) => link.replicates;

const WORDS_BYTES = 4_096;
const everyLink = () => true;

function still(link, held) {
  link.still = held;
  for (const socket of [link.near, link.far]) {
    if (held) socket.pause();
    else socket.resume();
  }
}

function end({ near, far }) {
  near.destroy();
  far.destroy();
}
