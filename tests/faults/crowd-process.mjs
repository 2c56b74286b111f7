// One process with many unmodified Socket.IO clients. It does what an application does: joins its rooms, and joins them
// again when a session was not recovered. What its callbacks see goes to the harness in batches.
import { createRequire } from "node:module";

const { io } = createRequire(new URL("../clients/package.json", import.meta.url))("socket.io-client");

const BATCH_MS = 25;
const JOIN_MS = 5_000;

const sockets = new Map();
let batch = [];

const note = (client, kind, ...rest) => batch.push([client, kind, Date.now(), ...rest]);

setInterval(() => {
  if (batch.length === 0) return;
  process.send({ batch });
  batch = [];
}, BATCH_MS);

const ORDERS = { open, pause, resume, drop, leave, comeBack, forget };
process.on("message", ({ order, clients, ...rest }) => ORDERS[order](clients, rest));
process.on("disconnect", () => process.exit(0));

function open(clients, { url, options }) {
  for (const { id, rooms, own = {} } of clients) {
    const socket = io(own.url ?? url, { forceNew: true, transports: ["websocket"], ...options, ...own });
    const seat = { socket, rooms, came: 0 };
    sockets.set(id, seat);
    socket.on("connect", () => {
      seat.came += 1;
      note(id, "connect", socket.recovered);
      if (socket.recovered) return;
      rooms.forEach((room) => join(id, seat, room, seat.came));
    });
    socket.on("disconnect", (reason) => note(id, "disconnect", reason));
    socket.on("connect_error", (error) => note(id, "refused", error.message));
    socket.on("numbered", ({ n, rooms: to }, position) => note(id, "event", n, to, position));
    socket.on("fanfare:gap", (gap) => note(id, "gap", gap.room, gap.reason, gap.last, gap.head));
  }
}

/// Again until it is granted, unless another connection has begun meanwhile.
async function join(id, seat, room, came) {
  while (seat.came === came && seat.socket.connected) {
    const answer = await seat.socket.timeout(JOIN_MS).emitWithAck("join", { room }).catch(() => ({ ok: false }));
    if (answer.ok) return seat.came === came && note(id, "joined", room);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const wire = (id) => sockets.get(id).socket.io.engine.transport.ws?._socket;

/// Stops reading, as a client does whose machine is busy or asleep: the connection stays.
function pause(clients) {
  clients.forEach((id) => wire(id)?.pause());
}

function resume(clients) {
  clients.forEach((id) => wire(id)?.resume());
}

/// Ends the connection without a goodbye; the client comes back by itself.
function drop(clients) {
  clients.forEach((id) => wire(id)?.destroy());
}

/// Ends the connection without a goodbye and stays away.
function leave(clients) {
  clients.forEach((id) => sockets.get(id).socket.io.reconnection(false));
  drop(clients);
}

function comeBack(clients) {
  for (const id of clients) {
    const { socket } = sockets.get(id);
    socket.io.reconnection(true);
    socket.connect();
  }
}

/// Whatever happens to its connection, it does nothing about it.
function forget(clients) {
  clients.forEach((id) => sockets.get(id).socket.io.reconnection(false));
}
