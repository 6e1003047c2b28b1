// A command: one script prints so many MiB (1,024 unless told); says what memory server and agent took for it, and fails when it grew
// with the flood or when a line is missing.
//   node test/trials/flood.ts 1024
import { floodGrowthMiBMax, runFlood } from "./flood-run.ts";

const megabytes = Number(process.argv[2] ?? 1024);
const result = await runFlood(megabytes, 60 * 60_000);
console.log(
  `${megabytes} MiB in ${result.linesPrinted} lines: ${result.state} after ${result.seconds.toFixed(0)} s; ${result.linesRead} lines read back in order.`,
);
console.log(`The details of the task took ${result.detailsSeconds.toFixed(1)} s.`);
for (const [who, { before, after }] of [
  ["server", result.serverMiB],
  ["agent", result.agentMiB],
] as const) {
  console.log(`Most memory of the ${who}: ${before} MiB before, ${after} MiB after.`);
}
const isBounded = [result.serverMiB, result.agentMiB].every(({ before, after }) => after - before <= floodGrowthMiBMax);
process.exitCode = result.state === "Success" && result.linesRead === result.linesPrinted && isBounded ? 0 : 1;
