// A command: kills and freezes nodes of a cluster, kills its database and fails it over, while deployments go out; reports whether every one ended well.
//   npm run chaos -- --nodes 4 --deployments 500 --kills 100 --pauses 50 --database-kills 5 --failovers 5 --clocks 1 --seed 7
import { parseArgs } from "node:util";
import { shiftedClock } from "../support/shifted-clock.ts";
import { runChaosTrial } from "./chaos-run.ts";

/** What a cluster on one machine can have. */
const countMax = 100_000;

const options = {
  nodes: { type: "string", default: "3" },
  agents: { type: "string", default: "4" },
  deployments: { type: "string", default: "100" },
  kills: { type: "string", default: "20" },
  pauses: { type: "string", default: "10" },
  "database-kills": { type: "string", default: "1" },
  failovers: { type: "string", default: "0" },
  /** 1: the clocks of the nodes are wrong, each in another way: stepped in between, too fast, an hour ahead, an hour behind. */
  clocks: { type: "string", default: "0" },
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

const clocks = count("clocks", 0, 1) === 1;
if (clocks && shiftedClock(1) === undefined) {
  console.error("--clocks 1 needs libfaketime, by which single processes see a wrong time. On Debian: apt-get install faketime");
  process.exit(2);
}

const result = await runChaosTrial({
  nodes: count("nodes", 2),
  agents: count("agents", 1),
  deployments: count("deployments", 1),
  kills: count("kills", 0),
  pauses: count("pauses", 0),
  databaseKills: count("database-kills", 0),
  failovers: count("failovers", 0),
  clocks,
  seed: count("seed", 0),
  keepFolderOnFaults: true,
  report: (line) => console.log(line),
});

for (const fault of result.faults) console.log(`FAULT: ${fault}`);
const sorted = result.takeoversMs.toSorted((a, b) => a - b);
const at = (share: number): string => ((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) / 1000).toFixed(1);
console.log(
  `${result.acknowledged} deployments acknowledged, ${result.inSuccess} ended in success with each script run once and a whole log; ${result.faults.length} faults; ${result.seconds.toFixed(0)} s.`,
);
if (sorted.length > 0)
  console.log(`${sorted.length} tasks were seen to go on with another node, after ${at(0.5)} s (median), ${at(0.99)} s (p99).`);
process.exitCode = result.faults.length === 0 ? 0 : 1;
