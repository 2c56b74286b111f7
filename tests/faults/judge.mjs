// The verdict over a run: what was acknowledged against what each client's callbacks saw, and what it was told.
//
// A client's history is one list. Within a room events must come in the order of their numbers. Acknowledged numbers that
// are missing between two events of a room (or after the last) are *told* if a `fanfare:gap` of the room, or a session that
// was not recovered, stands in the history between the two; otherwise they are lost *untold*.

/// `vanished`: numbers that Redis itself lost after it had acknowledged them; whoever saw one must be told in its room.
/// `excused(entry)`: what the way in may lose, as an emitter without a listener does.
export function judge(members, publisher, { vanished = new Set(), excused = () => false } = {}) {
  const sums = {
    expected: 0, lost: 0, told: 0, untold: 0, duplicates: 0, repeated: 0, reordered: 0, ghosts: 0, needless: 0, unwarned: 0,
    excused: 0, returns: 0, recovered: 0, first: [],
  };
  const byRoom = roomed(publisher);
  for (const member of members.filter(({ gone }) => !gone)) {
    const again = tallyEvents(member, publisher, sums);
    member.rooms.forEach((room) => tallyRoom(member, room, byRoom.get(room) ?? [], { sums, publisher, vanished, again, excused }));
    sums.returns += Math.max(0, member.comes - 1);
    sums.recovered += member.recovered;
  }
  return sums;
}

function roomed(publisher) {
  const rooms = new Map();
  for (const entry of publisher.entries.values()) {
    for (const room of entry.rooms) {
      if (!rooms.has(room)) rooms.set(room, []);
      rooms.get(room).push(entry);
    }
  }
  return rooms;
}

/// Duplicates and ghosts are matters of the session, whatever room they came through. A session that was not recovered is
/// a new one, which may be told of what the old one knew.
function tallyEvents(member, publisher, sums) {
  const seen = new Set();
  const again = new Set();
  for (const { kind, n, recovered } of member.history) {
    if (kind === "connect" && !recovered) seen.clear();
    if (kind !== "event") continue;
    const entry = publisher.entries.get(n);
    if (seen.has(n)) {
      // Where Redis lost an unanswered publication together with its key, the repetition is another one.
      if (entry?.attempts > 1) again.add(n);
      else sums.duplicates += 1;
      example(sums, { member: member.id, twice: n });
    }
    seen.add(n);
    if (!entry) sums.ghosts += 1;
  }
  sums.repeated += again.size;
  return again;
}

function tallyRoom(member, room, entries, { sums, publisher, vanished, again, excused }) {
  const places = new Map();
  const marks = [];
  // A first session and a first join tell of nothing.
  const begun = new Set();
  // What was published before the session's join was acknowledged may come, by another room or by chance, and proves nothing.
  const early = new Set();
  let joinedAt = Infinity;
  let highest = 0;
  member.history.forEach((record, place) => {
    if (record.kind === "connect" && !record.recovered) [highest, joinedAt] = [0, Infinity];
    if (record.kind === "joined" && record.room === room) joinedAt = record.at;
    if (record.kind === "event" && record.rooms.includes(room) && !places.has(record.n)) {
      places.set(record.n, place);
      if (!(publisher.entries.get(record.n)?.begun > joinedAt)) return early.add(record.n);
      if (record.n < highest) sums.reordered += 1;
      highest = Math.max(highest, record.n);
    }
    if (record.kind === "gap" && record.room === room) marks.push({ place, gap: true, reason: record.reason });
    const begins = (record.kind === "connect" && !record.recovered) || (record.kind === "joined" && record.room === room);
    if (begins && begun.has(record.kind)) marks.push({ place, gap: false });
    if (begins) begun.add(record.kind);
  });
  const owed = owedOf(member, room, entries);
  sums.expected += owed.length;
  const used = new Set();
  for (const { from, to, missing: all } of holes(owed, { places, early }, member.history.length)) {
    const missing = all.filter((entry) => !excused(entry));
    sums.excused += all.length - missing.length;
    const telling = marks.filter(({ place }) => place > from && place < to);
    telling.forEach((mark) => used.add(mark));
    sums.lost += missing.length;
    if (telling.length > 0) sums.told += missing.length;
    else {
      sums.untold += missing.length;
      example(sums, { member: member.id, room, untold: missing.slice(0, 5).map(({ n }) => n), of: missing.length });
    }
  }
  const hurt = [...places.keys()].filter((n) => vanished.has(n));
  const warned = (n) => marks.some(({ place }) => place > places.get(n));
  sums.unwarned += hurt.filter((n) => !warned(n)).length;
  const repeated = [...places.keys()].some((n) => again.has(n));
  const needless = marks.filter((mark) => mark.gap && !used.has(mark) && !(mark.reason === "fork" && (hurt.length > 0 || repeated)));
  sums.needless += needless.length;
  needless.forEach(({ reason }) => example(sums, { member: member.id, room, needless: reason }));
}

/// What was published while the client was in the room: since its first join was acknowledged, until it left for good.
/// A session that was not recovered begins again: what was acknowledged before its new join, and never seen, is told.
function owedOf(member, room, entries) {
  const joined = member.history.find(({ kind, room: to }) => kind === "joined" && to === room);
  if (!joined) return [];
  return entries.filter(({ begun, acked }) => acked && begun > joined.at).sort((one, other) => one.n - other.n);
}

/// Runs of numbers that were not seen, each with the places in the history between which they belong.
function* holes(owed, { places, early }, end) {
  let missing = [];
  let from = -1;
  for (const entry of owed) {
    const place = places.get(entry.n);
    if (place === undefined) {
      missing.push(entry);
      continue;
    }
    if (early.has(entry.n)) continue;
    if (missing.length > 0) yield { from, to: place, missing };
    missing = [];
    from = place;
  }
  if (missing.length > 0) yield { from, to: end, missing };
}

const EXAMPLES = 6;

function example(sums, what) {
  if (sums.first.length < EXAMPLES) sums.first.push(what);
}

/// The first moment from which on everyone was served again: each client is seated and has seen, in each of its rooms,
/// something that was published after `since`. `undefined` if that has not come yet.
export function healed(members, publisher, since) {
  let latest = since;
  for (const member of members.filter(({ gone }) => !gone)) {
    if (!member.connected) return undefined;
    for (const room of member.rooms) {
      if (!member.joined.has(room)) return undefined;
      const fresh = member.history.find((record) =>
        record.kind === "event" && record.at >= since && record.rooms.includes(room) && publisher.entries.get(record.n)?.begun >= since);
      if (!fresh) return undefined;
      latest = Math.max(latest, fresh.at);
    }
  }
  return latest;
}

/// From publish to callback in milliseconds, of what was received between two moments.
export function percentile(members, publisher, from, until, share) {
  const times = members.flatMap(({ history }) => history
    .filter(({ kind, at }) => kind === "event" && at >= from && at <= until)
    .map(({ n, at }) => at - publisher.entries.get(n).begun));
  times.sort((one, other) => one - other);
  return times[Math.floor(times.length * share)];
}
