// A command: kills the primary of a cluster's database again and again under a load of creates, promotes its standby, and reports whether
// anything was lost or done twice and how soon the API was back.
//   npm run failovers -- --failovers 20 --creates 50 --seed 7
import { readCounts, seedOption } from "./count-options.ts";
import { runFailoverTrial } from "./failover-run.ts";

const values = readCounts({ failovers: { usual: 20, min: 1 }, creates: { usual: 50, min: 1, max: 1_000 }, seed: seedOption });
const { load, backAfterMs, deploymentsInSuccess, ranThrough, faults } = await runFailoverTrial({
  failovers: values.failovers,
  createsPerSecond: values.creates,
  seed: values.seed,
  keepFolderOnFaults: true,
  report: (line) => console.log(line),
});

for (const fault of faults) console.log(`FAULT: ${fault}`);
const sorted = backAfterMs.toSorted((a, b) => a - b);
const at = (share: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(0);
console.log(
  `${load.sent} creates: ${load.acknowledged} acknowledged, ${load.refused} refused with 503, ${load.unknown} not known, ${load.silent} without an answer in 5 s; ` +
    `${load.lost} acknowledged and lost, ${load.doubled} doubled; slowest answer ${load.slowestAnswerMs.toFixed(0)} ms.`,
);
console.log(`API back after the order to promote: ${at(0.5)} ms (median), ${at(0.99)} ms (p99), on each node, ${sorted.length} times.`);
console.log(
  `${deploymentsInSuccess} of ${values.failovers} deployments in success, each step once; ${ranThrough} had a script that ran through the failover; ${faults.length} faults.`,
);
process.exitCode = faults.length === 0 ? 0 : 1;
