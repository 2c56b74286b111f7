// Nine sockets over three nodes with known rooms: who must hear what can be read off the table.
import { Client, fence, tally } from "./clients.mjs";

/// Node and rooms of each member; letters say the rooms, the digit the node.
const SEATS = {
  a1: [0, ["a"]], b1: [0, ["b"]], none1: [0, []],
  a2: [1, ["a"]], ab2: [1, ["a", "b"]], c2: [1, ["c"]],
  b3: [2, ["b"]], abc3: [2, ["a", "b", "c"]], none3: [2, []],
};

export class Audience {
  /// Seats everyone in `namespace`; rooms get `prefix`, so that one system can serve many audiences.
  static async seat(urls, { namespace = "/", prefix = "" } = {}) {
    const audience = new Audience();
    audience.namespace = namespace;
    audience.prefix = prefix;
    audience.members = Object.fromEntries(await Promise.all(Object.entries(SEATS).map(async ([name, [node, rooms]]) => {
      const client = await Client.connect(urls[node], namespace);
      return [name, await client.join(...rooms.map((room) => prefix + room))];
    })));
    return audience;
  }

  get all() {
    return Object.values(this.members);
  }

  room(name) {
    return this.prefix + name;
  }

  /// The names of those who saw `event` exactly once; anyone who saw it more often is an error.
  async heard(event, emit) {
    await fence(this.all, emit);
    const counts = Object.entries(tally(this.members, event));
    const twice = counts.filter(([, count]) => count > 1);
    if (twice.length > 0) throw new Error(`${event} delivered more than once: ${JSON.stringify(twice)}`);
    return counts.filter(([, count]) => count === 1).map(([name]) => name).sort();
  }

  close() {
    this.all.forEach((client) => client.close());
  }
}

export const EVERYONE = Object.keys(SEATS).sort();
