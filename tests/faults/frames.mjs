// Where one reply of Redis ends and the next begins (RESP2 and RESP3), so that a single message can be taken out.

export class Frames {
  constructor() {
    this.rest = Buffer.alloc(0);
  }

  /// The frames that are complete with this chunk, whole.
  push(chunk) {
    const bytes = this.rest.length > 0 ? Buffer.concat([this.rest, chunk]) : chunk;
    const frames = [];
    let at = 0;
    for (let next = frameEnd(bytes, at); next > 0; next = frameEnd(bytes, at)) {
      frames.push(bytes.subarray(at, next));
      at = next;
    }
    this.rest = bytes.subarray(at);
    return frames;
  }
}

const BULK = new Set(["$", "=", "!"]);
const LISTS = new Map([["*", 1], ["~", 1], [">", 1], ["%", 2], ["|", 2]]);

/// The index after the frame that begins at `start`, or -1 if it is not there yet. Iterative: replies may nest.
function frameEnd(bytes, start) {
  let at = start;
  for (let owed = 1; owed > 0; owed -= 1) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return -1;
    const kind = String.fromCharCode(bytes[at]);
    const count = Number(bytes.toString("latin1", at + 1, line));
    at = line + 2;
    if (BULK.has(kind) && count >= 0) at += count + 2;
    if (LISTS.has(kind) && count > 0) owed += count * LISTS.get(kind);
    // An attribute stands before the reply that it belongs to.
    if (kind === "|") owed += 1;
    if (at > bytes.length) return -1;
  }
  return at;
}
