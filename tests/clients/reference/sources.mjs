// The stand-in's other ways in: plain PUBLISH, the inbox stream and python-socketio, each delivered by every node to
// its own sockets.
const PLAIN = /^fanfare:(\/[^:]*)(?::(.+))?$/;
const INBOX = "fanfare:{main/}:inbox";
const placeholder = (value) => value && typeof value === "object" && value._placeholder === true;

export async function foreignSources(io, redis, { deliver }) {
  const subscriber = redis.duplicate();
  const reader = redis.duplicate();
  for (const client of [subscriber, reader]) {
    client.on("error", () => {});
    await client.connect();
  }
  await subscriber.pSubscribe("fanfare:/*", (text, channel) => {
    const [, namespace, room] = PLAIN.exec(channel);
    quietly(() => deliver({ namespace, ...(room && { rooms: [room] }), ...JSON.parse(text), local: true }));
  });
  await subscriber.subscribe("socketio", (text) => quietly(() => python(io, JSON.parse(text), deliver)));
  readInbox(reader, deliver);
}

async function readInbox(reader, deliver) {
  let last = "$";
  for (;;) {
    const streams = await reader.xRead({ key: INBOX, id: last }, { BLOCK: 1_000 }).catch(() => null);
    for (const { id, message } of streams?.[0]?.messages ?? []) {
      last = id;
      quietly(() => deliver({ ...fields(message), local: true }));
    }
  }
}

function fields({ event, data, rooms, except }) {
  const parsed = (text) => (text === undefined ? undefined : JSON.parse(text));
  return { event, data: parsed(data), rooms: parsed(rooms), except: parsed(except) };
}

function python(io, { method, namespace, event, data, binary, room, skip_sid, sid }, deliver) {
  const list = (value) => (value == null ? [] : [value].flat());
  const target = io.of(namespace ?? "/").local;
  if (method === "emit") {
    const args = binary ? restore(data[0], data.slice(1)) : data;
    deliver({ namespace, event, args, rooms: list(room), except: list(skip_sid), local: true });
  }
  if (method === "enter_room") target.in(sid).socketsJoin(room);
  if (method === "leave_room") target.in(sid).socketsLeave(room);
  if (method === "close_room") target.in(room).socketsLeave(room);
  if (method === "disconnect") target.in(sid).disconnectSockets();
}

function restore(value, attachments) {
  if (placeholder(value)) return Buffer.from(attachments[value.num], "base64");
  if (Array.isArray(value)) return value.map((item) => restore(item, attachments));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, restore(item, attachments)]));
  }
  return value;
}

function quietly(act) {
  try {
    act();
  } catch {
    // What cannot be decoded is dropped: the next message must not suffer for it.
  }
}
