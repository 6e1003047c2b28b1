// A command: kills and freezes nodes while health checks are due every few seconds; reports whether each due time was fired exactly once.
//   npm run schedules -- --due 1000 --nodes 8 --kills 60 --pauses 15 --database-kills 2 --wrong-clocks 1 --seed 7
import { readCounts, seedOption } from "./count-options.ts";
import { runSchedulesTrial } from "./schedules-run.ts";

const values = readCounts({
  nodes: { usual: 4, min: 2 },
  due: { usual: 100, min: 1 },
  policies: { usual: 20, min: 1, max: 1_000 },
  "interval-seconds": { usual: 8, min: 2, max: 59 },
  kills: { usual: 20, min: 0 },
  pauses: { usual: 5, min: 0 },
  "database-kills": { usual: 1, min: 0 },
  /** 1: the clocks of the nodes are right, an hour fast and an hour slow, in turn. */
  "wrong-clocks": { usual: 0, min: 0, max: 1 },
  /** 1: logs and homes are kept in any case. */
  keep: { usual: 0, min: 0, max: 1 },
  seed: seedOption,
});

const result = await runSchedulesTrial({
  nodes: values.nodes,
  due: values.due,
  policies: values.policies,
  intervalSeconds: values["interval-seconds"],
  kills: values.kills,
  pauses: values.pauses,
  databaseKills: values["database-kills"],
  ...(values["wrong-clocks"] === 1 ? { clockHours: [0, 1, -1] } : {}),
  seed: values.seed,
  keepFolder: values.keep === 1,
  keepFolderOnFaults: true,
  report: (line) => console.log(line),
});

for (const fault of result.faults) console.log(`FAULT: ${fault}`);
function spread(lateMs: readonly number[]): string {
  const sorted = lateMs.toSorted((a, b) => a - b);
  const at = (share: number): string => ((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) / 1000).toFixed(1);
  return `${at(0.5)} s (median), ${at(0.99)} s (p99), ${at(1)} s (most)`;
}
console.log(
  `${result.due} due times: ${result.fired} fired once, ${result.passedOver} passed over and told; ${result.faults.length} faults; ${result.seconds.toFixed(0)} s.`,
);
console.log(`Queued after their due time: ${spread(result.lateMs)}. From queued to ended: ${spread(result.tookMs)}.`);
for (const line of result.slowest) console.log(`  ${line}`);
const shares = Object.entries(result.nodesOfTasks).map(([name, tasks]) => `${name} ${tasks}`);
console.log(`Tasks by the node that ended them: ${shares.toSorted((a, b) => a.localeCompare(b)).join(", ")}.`);
process.exitCode = result.faults.length === 0 ? 0 : 1;
