// A crowd for a cluster somewhere else: sockets in rooms, a publisher over HTTP, latency and loss from the payload.
//
//   k6 run -e URL=wss://gateway.example.com -e PUBLISH=https://gateway.example.com -e KEY=… \
//     -e SOCKETS=5000 -e ROOMS=500 -e RATE=100 -e MINUTES=5 load-tests/peers/k6/fanfare.js
//
// TOKEN is sent with CONNECT where the namespace wants one. Publisher and sockets must share a clock: run one k6, or use
// machines whose clocks agree to the millisecond.
import http from "k6/http";
import { check } from "k6";
import { Counter, Trend } from "k6/metrics";
import { WebSocket } from "k6/websockets";

const URL = __ENV.URL || "ws://127.0.0.1:3001";
const PUBLISH = __ENV.PUBLISH || "http://127.0.0.1:3001";
const SOCKETS = Number(__ENV.SOCKETS || 1000);
const ROOMS = Number(__ENV.ROOMS || 100);
const RATE = Number(__ENV.RATE || 50);
const MINUTES = Number(__ENV.MINUTES || 2);
const RAMP_S = Number(__ENV.RAMP_S || 30);

const latency = new Trend("fanfare_latency_ms", true);
const connecting = new Trend("fanfare_connect_ms", true);
const deliveries = new Counter("fanfare_deliveries");
const repeated = new Counter("fanfare_repeated_or_reordered");
const holes = new Counter("fanfare_holes");
const refused = new Counter("fanfare_refused");

export const options = {
  scenarios: {
    sockets: { executor: "per-vu-iterations", exec: "listen", vus: SOCKETS, iterations: 1, maxDuration: `${MINUTES + 2}m` },
    publisher: {
      executor: "constant-arrival-rate", exec: "publish", rate: RATE, timeUnit: "1s", duration: `${MINUTES}m`,
      startTime: `${RAMP_S}s`, preAllocatedVUs: 20, maxVUs: 200,
    },
  },
  thresholds: {
    fanfare_latency_ms: ["p(99)<100"],
    fanfare_repeated_or_reordered: ["count==0"],
    fanfare_refused: ["count==0"],
  },
};

/// One socket in one room, until the run is over. Holes are counted per publisher, since several publish to a room.
export function listen() {
  const room = `load:${__VU % ROOMS}`;
  const started = Date.now();
  const last = {};
  const socket = new WebSocket(`${URL}/socket.io/?EIO=4&transport=websocket`);
  socket.onmessage = ({ data }) => {
    if (data[0] === "0") {
      socket.send(__ENV.TOKEN ? `40${JSON.stringify({ token: __ENV.TOKEN })}` : "40");
    } else if (data === "2") {
      socket.send("3");
    } else if (data.startsWith("40")) {
      socket.send(`420${JSON.stringify(["join", { room }])}`);
    } else if (data.startsWith("44")) {
      refused.add(1);
    } else if (data.startsWith("43")) {
      connecting.add(Date.now() - started);
    } else if (data.startsWith("42")) {
      const [, { publisher, sequence, sent }] = JSON.parse(data.slice(data.indexOf("[")));
      latency.add(Date.now() - sent);
      deliveries.add(1);
      const before = last[publisher] ?? sequence - 1;
      if (sequence <= before) repeated.add(1);
      if (sequence > before + 1) holes.add(sequence - before - 1);
      last[publisher] = Math.max(before, sequence);
    }
  };
  socket.onerror = () => refused.add(1);
  setTimeout(() => socket.close(), (RAMP_S + MINUTES * 60 + 5) * 1000);
}

const sequences = {};

export function publish() {
  const room = `load:${Math.floor(Math.random() * ROOMS)}`;
  sequences[room] = (sequences[room] ?? 0) + 1;
  const data = { publisher: __VU, sequence: sequences[room], sent: Date.now(), filling: "x".repeat(140) };
  const headers = { "content-type": "application/json" };
  if (__ENV.KEY) headers["x-api-key"] = __ENV.KEY;
  const answer = http.post(`${PUBLISH}/api/v1/publish`, JSON.stringify({ room, event: "m", data }), { headers });
  check(answer, { published: ({ status }) => status === 200 });
}
