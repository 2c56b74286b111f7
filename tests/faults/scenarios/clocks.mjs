// Nodes whose clocks are wrong, or jump. Only Redis' clock makes positions.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { sleep } from "../world.mjs";

const LIBRARIES = "/usr/lib";
const LIBRARY = "faketime/libfaketimeMT.so.1";

export const clocks = {
  "one hour ahead and one behind": {
    bar: {},
    world: { env: (index) => clock(["+1h", "-1h", "+0"][index]) },
    fault: async () => {
      await sleep(5_000);
      return { since: Date.now() };
    },
  },

  jumping: {
    bar: {},
    world: { env: () => clock("@jump") },
    async fault(world) {
      for (const offset of ["+1h", "-1h", "+10s", "-10s", "+0"]) {
        set(offset);
        await sleep(2_000);
      }
      return { since: Date.now() };
    },
  },
};

let directory;
const file = () => path.join((directory ??= temporary()), "clock");

/// The environment of a process with this clock. Time that only counts on is left alone, as it is on a real machine.
function clock(offset) {
  const jumps = offset === "@jump";
  if (jumps) set("+0");
  return {
    LD_PRELOAD: library(), FAKETIME_DONT_FAKE_MONOTONIC: "1", DONT_FAKE_MONOTONIC: "1",
    ...(jumps ? { FAKETIME_TIMESTAMP_FILE: file(), FAKETIME_NO_CACHE: "1" } : { FAKETIME: offset }),
  };
}

const set = (offset) => writeFileSync(file(), `${offset}\n`);

function library() {
  for (const architecture of readdirSync(LIBRARIES)) {
    const name = path.join(LIBRARIES, architecture, LIBRARY);
    if (readdir(path.dirname(name)).includes(path.basename(name))) return name;
  }
  throw new Error("no libfaketime; install it: sudo apt-get install -y faketime");
}

function readdir(name) {
  try {
    return readdirSync(name);
  } catch {
    return [];
  }
}

function temporary() {
  const made = mkdtempSync(path.join(tmpdir(), "fanfare-clock-"));
  process.on("exit", () => rmSync(made, { recursive: true, force: true }));
  return made;
}
