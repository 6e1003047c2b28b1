// A command: sends random and damaged requests to every route of a node of its own and reports what was the server's fault, changed something
// although it was refused, or changed something without an event.
//   npm run fuzz:api -- --seed 7 --rounds 50
import { startApiNode } from "../support/api-node.ts";
import { fuzzedRoutes, sendMutatedRequests } from "../support/mutated-requests.ts";
import { createSampleRequests } from "../support/sample-requests.ts";
import { readCounts, seedOption } from "./count-options.ts";

const { rounds, seed } = readCounts({ rounds: { usual: 50, min: 1, max: 100_000 }, seed: seedOption });
const node = await startApiNode(undefined);
try {
  const samples = await createSampleRequests(node);
  const startedAt = performance.now();
  const report = await sendMutatedRequests({ node, samples, routes: fuzzedRoutes(node.routes), seed, rounds });
  for (const fault of report.faults) console.log(`FAULT: ${fault}`);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  console.log(
    `${report.sent} requests to ${fuzzedRoutes(node.routes).length} routes in ${seconds} s with seed ${seed}: ${JSON.stringify(report.statuses)}; ${report.faults.length} faults.`,
  );
  process.exitCode = report.faults.length === 0 && report.sent > 0 ? 0 : 1;
} finally {
  await node.close();
}
