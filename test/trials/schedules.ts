// A command: kills and freezes nodes while health checks are due every few seconds; reports whether each due time was fired exactly once.
//   npm run schedules -- --due 1000 --nodes 8 --kills 60 --pauses 15 --database-kills 2 --wrong-clocks 1 --seed 7
import { parseArgs } from "node:util";
import { runSchedulesTrial } from "./schedules-run.ts";

/** What a cluster on one machine can have. */
const countMax = 100_000;

const options = {
  nodes: { type: "string", default: "4" },
  due: { type: "string", default: "100" },
  policies: { type: "string", default: "20" },
  "interval-seconds": { type: "string", default: "8" },
  kills: { type: "string", default: "20" },
  pauses: { type: "string", default: "5" },
  "database-kills": { type: "string", default: "1" },
  /** 1: the clocks of the nodes are right, an hour fast and an hour slow, in turn. */
  "wrong-clocks": { type: "string", default: "0" },
  seed: { type: "string", default: String(Date.now() % 100_000) },
} as const;

function readWords() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    const known = Object.entries(options).map(([name, { default: usual }]) => `--${name} ${usual}`);
    console.error(`${(error as Error).message}. What there is, with what it is when left out: ${known.join(" ")}`);
    process.exit(2);
  }
}
const values = readWords();

function count(name: keyof typeof values, min: number, max = countMax): number {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < min || number > max) {
    console.error(`--${name} takes a whole number from ${min} to ${max}, not ${values[name]}.`);
    process.exit(2);
  }
  return number;
}

const result = await runSchedulesTrial({
  nodes: count("nodes", 2),
  due: count("due", 1),
  policies: count("policies", 1, 1_000),
  intervalSeconds: count("interval-seconds", 2, 59),
  kills: count("kills", 0),
  pauses: count("pauses", 0),
  databaseKills: count("database-kills", 0),
  ...(count("wrong-clocks", 0, 1) === 1 ? { clockHours: [0, 1, -1] } : {}),
  seed: count("seed", 0),
  keepFolderOnFaults: true,
  report: (line) => console.log(line),
});

for (const fault of result.faults) console.log(`FAULT: ${fault}`);
function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): string => ((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) / 1000).toFixed(1);
  return `${at(0.5)} s (median), ${at(0.99)} s (p99), ${at(1)} s (most)`;
}
console.log(
  `${result.due} due times: ${result.fired} fired once, ${result.passedOver} passed over and told; ${result.faults.length} faults; ${result.seconds.toFixed(0)} s.`,
);
console.log(`Queued after their due time: ${spread(result.lateMs)}. From queued to ended: ${spread(result.tookMs)}.`);
const shares = Object.entries(result.nodesOfTasks).map(([name, tasks]) => `${name} ${tasks}`);
console.log(`Tasks by the node that ended them: ${shares.toSorted((a, b) => a.localeCompare(b)).join(", ")}.`);
process.exitCode = result.faults.length === 0 ? 0 : 1;
