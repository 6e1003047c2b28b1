// A command: cuts the connection to the database exactly at COMMIT so many times, under a load of creates and deployments, and reports whether
// anything is there twice or was told wrongly.
//   npm run commits -- --cuts 500 --seed 7
import { readCounts, seedOption } from "./count-options.ts";
import { runCommitTrial } from "./commit-run.ts";

const values = readCounts({ cuts: { usual: 500, min: 1 }, seed: seedOption });
const { done, load, deployments, deploymentsInSuccess, faults } = await runCommitTrial({
  cuts: values.cuts,
  seed: values.seed,
  keepFolderOnFaults: true,
  report: (line) => console.log(line),
});

for (const fault of faults) console.log(`FAULT: ${fault}`);
console.log(
  `Cut: ${Object.entries(done)
    .map(([cut, count]) => `${count} ${cut}`)
    .join(", ")}.`,
);
console.log(
  `${load.sent} creates: ${load.acknowledged} acknowledged, ${load.refused} refused with 503, ${load.unknown} not known, ${load.silent} without an answer in 5 s; ${load.lost} lost, ${load.doubled} doubled.`,
);
console.log(`${deploymentsInSuccess} of ${deployments} deployments in success, each step once; ${faults.length} faults.`);
process.exitCode = faults.length === 0 ? 0 : 1;
