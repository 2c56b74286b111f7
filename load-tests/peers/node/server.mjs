// socket.io with its Redis adapter, as its documentation sets it up: node server.mjs PORT [REDIS]
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";

const [port, redis] = process.argv.slice(2);
const http = createServer();
const options = { transports: ["websocket"], serveClient: false, perMessageDeflate: false };
if (redis) {
  const [host, redisPort] = redis.split(":");
  const publisher = new Redis(Number(redisPort), host);
  options.adapter = createAdapter(publisher, publisher.duplicate());
}
const io = new Server(http, options);
// The HTTP request of each connection is memory that nobody needs (socket.io's own advice).
io.engine.on("connection", (socket) => { socket.request = null; });
io.on("connection", (socket) => {
  socket.on("join", async ({ room }, answer) => {
    await socket.join(room);
    answer({ ok: true });
  });
  socket.on("publish", ({ room, event, data }) => { io.to(room).emit(event, data); });
});
http.listen(Number(port), "127.0.0.1", 4096);
