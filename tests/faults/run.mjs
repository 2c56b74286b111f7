#!/usr/bin/env node
// The fault harness: real Redis, real gateways, real clients, broken in every way that the table names, and a ledger.
//
//   tests/faults/run.mjs [--smoke] [--only NAME]… [--seed N] [--repeat N] [--against official] [--minutes N]
//                        [--logs] [--histories FILE] [--json FILE] [--list]
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { play, share } from "./play.mjs";
import { clients } from "./scenarios/clients.mjs";
import { clocks } from "./scenarios/clocks.mjs";
import { cluster, sentinel } from "./scenarios/deployments.mjs";
import { failover } from "./scenarios/failover.mjs";
import { foreign } from "./scenarios/foreign.mjs";
import { mix } from "./scenarios/mix.mjs";
import { balancer, network } from "./scenarios/network.mjs";
import { nodes } from "./scenarios/nodes.mjs";
import { pubsub } from "./scenarios/pubsub.mjs";
import { redis } from "./scenarios/redis.mjs";
import { streams } from "./scenarios/streams.mjs";

const FAMILIES = { nodes, redis, pubsub, streams, failover, sentinel, cluster, network, balancer, clocks, foreign, clients, mix };

const { values: flags } = parseArgs({
  options: {
    smoke: { type: "boolean" }, list: { type: "boolean" }, logs: { type: "boolean" }, only: { type: "string", multiple: true },
    seed: { type: "string" }, repeat: { type: "string", default: "1" }, against: { type: "string", default: "fanfare" },
    minutes: { type: "string" }, json: { type: "string" }, histories: { type: "string" },
  },
});
const official = flags.against === "official";
if (official) process.env.FANFARE_BIN = fileURLToPath(new URL("official.mjs", import.meta.url));
const first = Number(flags.seed ?? Date.now() % 1_000_000);

const chosen = Object.entries(FAMILIES)
  .flatMap(([family, scenarios]) => Object.entries(scenarios).map(([name, scenario]) => [`${family}: ${name}`, scenario]))
  .filter(([name]) => !flags.only || flags.only.some((word) => name.includes(word)))
  .filter(([, scenario]) => !flags.smoke || scenario.smoke)
  .filter(([, scenario]) => !official || scenario.official !== false);
if (flags.list) {
  chosen.forEach(([name, { smoke }]) => console.log(`${name}${smoke ? " (smoke)" : ""}`));
  process.exit(0);
}
if (chosen.length === 0) {
  console.error("no scenario has such a name; --list names them");
  process.exit(64);
}

const results = [];
for (let round = 0; round < Number(flags.repeat); round += 1) {
  for (const [name, scenario] of chosen) {
    const result = await play(name, scenario, { seed: first + round, short: flags.smoke, minutes: Number(flags.minutes ?? (flags.smoke ? 0.3 : 10)) });
    result.verdict = verdict(result);
    results.push(result);
    console.log(line(result));
    for (const fault of result.faults) console.log(`    ${fault}`);
    for (const note of result.notes) console.log(`    (${note})`);
    if (result.faults.length > 0 && result.first?.length > 0) console.log(`    for example ${JSON.stringify(result.first)}`);
    if (flags.logs && result.faults.length > 0) console.log(result.logs);
    if (flags.histories && result.faults.length > 0) writeFileSync(flags.histories, JSON.stringify(result.histories));
  }
}
table(results);
if (flags.json) writeFileSync(flags.json, JSON.stringify(results.map(({ logs, refusals, histories, ...rest }) => rest), null, 1));
process.exit(results.some(({ verdict: word }) => word === "FAILED") ? 1 : 0);

function verdict({ faults }) {
  if (faults.length === 0) return "ok";
  // What others cannot do is a figure, not a fault of this tree.
  return official ? "misses" : "FAILED";
}

function line(result) {
  const { name, verdict: word, lost, told, untold, duplicates, reordered, seed, seconds } = result;
  const figures = lost === undefined ? "no figures" :
    `lost ${lost}  told ${told}  untold ${untold}  duplicates ${duplicates}  reordered ${reordered}  recovered ${percent(result)}  healed ${healing(result)}`;
  return `${word.padEnd(8)} ${name}: ${figures}  seed ${seed}  (${seconds} s)`;
}

function percent(result) {
  return result.returns > 0 ? `${share(result).toFixed(0)} % of ${result.returns}` : "-";
}

function healing({ healMs }) {
  return healMs === undefined ? "-" : `${(healMs / 1_000).toFixed(1)} s`;
}

/// In Markdown, so that it can stand in a document.
function table(all) {
  console.log(`\n| scenario | lost | told | untold | duplicates | reordered | recovered | healed | |\n|---|---|---|---|---|---|---|---|---|`);
  for (const result of all) {
    const { name, lost = "", told = "", untold = "", duplicates = "", reordered = "", verdict: word } = result;
    console.log(`| ${name} | ${lost} | ${told} | ${untold} | ${duplicates} | ${reordered} | ${percent(result)} | ${healing(result)} | ${word} |`);
  }
  const count = (word) => all.filter(({ verdict: one }) => one === word).length;
  console.log(`\n${count("ok")} passed, ${official ? `${count("misses")} missed their bar` : `${count("FAILED")} failed`}; seeds ${first} to ${first + Number(flags.repeat) - 1}`);
}
