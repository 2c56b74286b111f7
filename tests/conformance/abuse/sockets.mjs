// Clients of the abuse tests: a polling session spoken by hand, and a joined WebSocket with acks.
import assert from "node:assert/strict";
import { until, within } from "../../clients/support/waiting.mjs";
import { exchange, pendingGet } from "../raw.mjs";
import { Wire } from "../wire.mjs";

const POLLING = "/socket.io/?EIO=4&transport=polling";
export const UNKNOWN_SESSION = '{"code":1,"message":"Session ID unknown"}';

/// A long-polling session; every request is a connection of its own, so they land on any worker.
export class Session {
  static async open(base, { joined = true } = {}) {
    const { body } = await exchange(base, { path: POLLING });
    const session = new Session(base, JSON.parse(body.slice(1)).sid);
    if (joined) {
      await session.post("40");
      assert.match((await session.poll()).body, /^40\{/);
    }
    return session;
  }

  constructor(base, sid) {
    this.base = base;
    this.sid = sid;
    this.path = `${POLLING}&sid=${sid}`;
  }

  poll() {
    return exchange(this.base, { path: this.path });
  }

  pendingPoll() {
    return pendingGet(this.base, this.path);
  }

  post(body, headers = {}) {
    return exchange(this.base, { method: "POST", path: this.path, body, headers });
  }

  upgrade() {
    return Wire.open(this.base, { EIO: 4, transport: "websocket", sid: this.sid });
  }

  /// A WebSocket that was answered its probe.
  async probing() {
    const wire = await this.upgrade();
    wire.send("2probe");
    assert.equal(await within("3probe", wire.frame()), "3probe");
    return wire;
  }

  async assertAlive() {
    assert.equal((await this.post('427["echo","alive"]')).body, "ok");
    await this.#seen('437["alive"]');
  }

  async assertGone() {
    await until("the session to be gone", async () => {
      const { status, body } = await this.post("3");
      return status === 400 && body === UNKNOWN_SESSION;
    });
  }

  /// Noops are passed over: a probe may be under way.
  async #seen(packet) {
    await until(packet, async () => {
      const { body } = await this.poll();
      if (body !== "6") assert.equal(body, packet);
      return body !== "6";
    });
  }
}

/// A WebSocket joined to `/`.
export async function joinedWire(base) {
  const wire = await Wire.open(base, { EIO: 4, transport: "websocket" });
  await within("open packet", wire.frame());
  wire.send("40");
  assert.match(await within("CONNECT reply", wire.frame()), /^40\{/);
  return wire;
}

/// The answer to an event, by its ack id.
export async function ask(wire, id, event, ...args) {
  wire.send(`42${id}${JSON.stringify([event, ...args])}`);
  const frame = await within(`ack ${id}`, wire.frame());
  assert.ok(frame.startsWith(`43${id}[`), `an ack of ${id}: ${frame.slice(0, 200)}`);
  return JSON.parse(frame.slice(`43${id}`.length));
}

export function closeCode(wire) {
  return within("the server to hang up", wire.closed());
}
