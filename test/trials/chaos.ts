// A command: kills and freezes nodes of a cluster, kills its database and fails it over, while deployments go out; reports whether every one ended well.
//   npm run chaos -- --nodes 4 --deployments 500 --kills 100 --pauses 50 --database-kills 5 --failovers 5 --clocks 1 --seed 7
import { shiftedClock } from "../support/shifted-clock.ts";
import { runChaosTrial } from "./chaos-run.ts";
import { readCounts, seedOption } from "./count-options.ts";

const values = readCounts({
  nodes: { usual: 3, min: 2 },
  agents: { usual: 4, min: 1 },
  deployments: { usual: 100, min: 1 },
  kills: { usual: 20, min: 0 },
  pauses: { usual: 10, min: 0 },
  "database-kills": { usual: 1, min: 0 },
  failovers: { usual: 0, min: 0 },
  /** 1: the clocks of the nodes are wrong, each in another way: stepped in between, too fast, an hour ahead, an hour behind. */
  clocks: { usual: 0, min: 0, max: 1 },
  seed: seedOption,
});

const clocks = values.clocks === 1;
if (clocks && shiftedClock(1) === undefined) {
  console.error("--clocks 1 needs libfaketime, by which single processes see a wrong time. On Debian: apt-get install faketime");
  process.exit(2);
}

const result = await runChaosTrial({
  nodes: values.nodes,
  agents: values.agents,
  deployments: values.deployments,
  kills: values.kills,
  pauses: values.pauses,
  databaseKills: values["database-kills"],
  failovers: values.failovers,
  clocks,
  seed: values.seed,
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
  console.log(`${sorted.length} tasks of dead and frozen nodes were seen to go on, after ${at(0.5)} s (median), ${at(0.99)} s (p99).`);
process.exitCode = result.faults.length === 0 ? 0 : 1;
