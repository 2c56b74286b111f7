// The clients of a run, spread over processes, and the history of each: everything its callbacks saw, in order.
import { fileURLToPath } from "node:url";
import { Process } from "../clients/support/process.mjs";
import { until } from "../clients/support/waiting.mjs";

const PROGRAM = fileURLToPath(new URL("crowd-process.mjs", import.meta.url));
const OPENED_AT_ONCE = 200;

export class Crowd {
  /// `seats`: a list of `{rooms, own?}`, one per client; `own` are options of its connection.
  constructor(url, seats, { processes = 3, options = {} } = {}) {
    Object.assign(this, { url, options });
    this.members = seats.map((seat, id) => ({ id, ...seat, history: [], connected: false, joined: new Set(), comes: 0, recovered: 0 }));
    this.processes = Array.from({ length: processes }, (_, index) => {
      const child = new Process(`crowd-${index}`, process.execPath, [PROGRAM], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
      child.child.on("message", ({ batch }) => batch.forEach((record) => this.#take(record)));
      return child;
    });
  }

  /// Opens every client and waits until all have joined their rooms.
  async arrive(deadlineMs = 30_000) {
    for (let first = 0; first < this.members.length; first += OPENED_AT_ONCE) {
      this.#order("open", this.members.slice(first, first + OPENED_AT_ONCE), { url: this.url, options: this.options });
      const due = this.members.slice(0, first + OPENED_AT_ONCE);
      await until("every client to be seated", () => due.every(seated), deadlineMs).catch((error) => {
        const late = due.filter((member) => !seated(member));
        throw new Error(`${error.message}: ${late.length} are not, the first saw ${JSON.stringify(late[0].history)}`);
      });
    }
  }

  get seated() {
    return this.members.filter((member) => !member.gone).every(seated);
  }

  pause(members) {
    this.#order("pause", members);
  }

  resume(members) {
    this.#order("resume", members);
  }

  drop(members) {
    this.#order("drop", members);
  }

  leave(members) {
    this.#order("leave", members);
  }

  comeBack(members) {
    this.#order("comeBack", members);
  }

  /// They count no more, and do nothing more about their connections.
  forget(members) {
    members.forEach((member) => (member.gone = true));
    this.#order("forget", members);
  }

  async stop() {
    await Promise.allSettled(this.processes.map((child) => child.stop("SIGKILL")));
  }

  #order(order, members, rest = {}) {
    this.processes.forEach((child, index) => {
      const clients = members.filter(({ id }) => id % this.processes.length === index).map(({ id, rooms, own }) => ({ id, rooms, own }));
      const named = order === "open" ? clients : clients.map(({ id }) => id);
      if (named.length > 0) child.child.send({ order, clients: named, ...rest });
    });
  }

  #take([id, kind, at, ...rest]) {
    const member = this.members[id];
    const record = { kind, at, ...TOLD[kind](...rest) };
    member.history.push(record);
    if (kind === "connect") {
      member.connected = true;
      member.comes += 1;
      if (member.comes > 1 && record.recovered) member.recovered += 1;
      if (!record.recovered) member.joined.clear();
    }
    if (kind === "disconnect") member.connected = false;
    if (kind === "joined") member.joined.add(record.room);
  }
}

const TOLD = {
  connect: (recovered) => ({ recovered }),
  disconnect: (reason) => ({ reason }),
  refused: (reason) => ({ reason }),
  joined: (room) => ({ room }),
  event: (n, rooms, position) => ({ n, rooms, position }),
  gap: (room, reason, last, head) => ({ room, reason, last, head }),
};

const seated = (member) => member.connected && member.rooms.every((room) => member.joined.has(room));
