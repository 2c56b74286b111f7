// The harness' own proof: the proxy's reading of Redis replies, and the judge, who must see every kind of fault.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Frames } from "./frames.mjs";
import { healed, judge } from "./judge.mjs";

const ROOM = "a";

/// What the judge says of one client of room `a` with this history, after `count` publications were acknowledged.
function verdict(history, { count = 5, rooms = [ROOM], options } = {}) {
  const entry = (n) => [n, { n, rooms: [ROOM], begun: 100 + n, acked: 101 + n, attempts: 1 }];
  const publisher = { entries: new Map(Array.from({ length: count }, (_, index) => entry(index + 1))) };
  const comes = history.filter(({ kind }) => kind === "connect").length;
  return judge([{ id: 0, rooms, history: [...seated, ...history], comes: comes + 1, recovered: 0 }], publisher, options);
}

const seated = [{ kind: "connect", at: 1, recovered: false }, { kind: "joined", at: 2, room: ROOM }];
const saw = (...numbers) => numbers.map((n) => ({ kind: "event", at: 200 + n, n, rooms: [ROOM] }));
const gap = (room = ROOM, reason = "limit") => [{ kind: "gap", at: 300, room, reason }];
const back = (recovered) => [{ kind: "connect", at: 300, recovered }];
const figures = ({ lost, told, untold, duplicates, reordered, needless }) => ({ lost, told, untold, duplicates, reordered, needless });
const none = { lost: 0, told: 0, untold: 0, duplicates: 0, reordered: 0, needless: 0 };

describe("the judge", () => {
  const CASES = [
    ["finds nothing wrong with all of them in order", saw(1, 2, 3, 4, 5), {}],
    ["sees a hole", saw(1, 2, 4, 5), { lost: 1, untold: 1 }],
    ["sees what is missing at the end", saw(1, 2, 3), { lost: 2, untold: 2 }],
    ["sees what is missing at the beginning", saw(3, 4, 5), { lost: 2, untold: 2 }],
    ["takes a notice within the hole", [...saw(1, 2), ...gap(), ...saw(5)], { lost: 2, told: 2 }],
    ["does not take a notice of another room", [...saw(1, 2), ...gap("b"), ...saw(5)], { lost: 2, untold: 2 }],
    ["does not take a notice that comes too late", [...saw(1, 4, 5), ...gap()], { lost: 2, untold: 2, needless: 1 }],
    ["takes a session that was not recovered", [...saw(1), ...back(false), ...saw(4, 5)], { lost: 2, told: 2 }],
    ["does not take a session that was recovered", [...saw(1), ...back(true), ...saw(4, 5)], { lost: 2, untold: 2 }],
    ["sees a duplicate", saw(1, 2, 2, 3, 4, 5), { duplicates: 1 }],
    ["sees a duplicate after a recovered session", [...saw(1, 2, 3), ...back(true), ...saw(3, 4, 5)], { duplicates: 1 }],
    ["sees an inversion", saw(1, 3, 2, 4, 5), { reordered: 1 }],
    ["sees a notice without need", [...saw(1, 2), ...gap(), ...saw(3, 4, 5)], { needless: 1 }],
  ];
  for (const [what, history, faults] of CASES) {
    test(what, () => assert.deepEqual(figures(verdict(history)), { ...none, ...faults }));
  }

  test("wants everybody told who saw what Redis then lost, and nobody else", () => {
    const options = { vanished: new Set([2]) };
    assert.equal(verdict(saw(1, 2, 3, 4, 5), { options }).unwarned, 1);
    const told = verdict([...saw(1, 2), ...gap(ROOM, "fork"), ...saw(3, 4, 5)], { options });
    assert.deepEqual([told.unwarned, told.needless], [0, 0]);
    assert.equal(verdict([...saw(1, 2), ...gap(ROOM, "fork"), ...saw(3, 4, 5)]).needless, 1);
  });

  test("calls a client served that is back and hears what is new", () => {
    const publisher = { entries: new Map([[1, { begun: 10 }], [2, { begun: 30 }]]) };
    const member = { rooms: [ROOM], joined: new Set([ROOM]), connected: true, history: saw(1) };
    assert.equal(healed([member], publisher, 20), undefined);
    member.history.push(...saw(2));
    assert.equal(healed([member], publisher, 20), 202);
    assert.equal(healed([{ ...member, connected: false }], publisher, 20), undefined);
  });
});

test("replies of Redis are told apart, however they are cut", () => {
  const replies = ["+OK\r\n", "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n", ">2\r\n:1\r\n%1\r\n+a\r\n$-1\r\n", "|1\r\n+k\r\n+v\r\n*1\r\n_\r\n", "*-1\r\n"];
  const bytes = Buffer.from(replies.join(""));
  for (const size of [1, 2, 7, bytes.length]) {
    const frames = new Frames();
    const found = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...frames.push(bytes.subarray(at, at + size)).map(String));
    assert.deepEqual(found, replies);
  }
});
