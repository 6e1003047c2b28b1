// A command: kills the server and the agent again and again in mid-script and reports whether every deployment ended well.
//   node test/trials/kills.ts --server-kills 20 --agent-kills 20 --seed 7
import { readCounts, seedOption } from "./count-options.ts";
import { runKillTrial } from "./kill-rounds.ts";

const values = readCounts({ "server-kills": { usual: 20, min: 0 }, "agent-kills": { usual: 20, min: 0 }, seed: seedOption });
const startedMs = performance.now();
const { results, overall } = await runKillTrial({
  serverKills: values["server-kills"],
  agentKills: values["agent-kills"],
  seed: values.seed,
  keepFolderOnFaults: true,
  report: (line) => console.log(line),
});

for (const victim of ["server", "agent"] as const) {
  const ofVictim = results.filter((one) => one.victim === victim);
  const well = ofVictim.filter((one) => one.faults.length === 0);
  const finalMs = ofVictim.map((one) => one.finalAfterMs).sort((one, other) => one - other);
  const slowest = finalMs.length === 0 ? "" : `; slowest end ${((finalMs.at(-1) ?? 0) / 1000).toFixed(1)} s after the kill`;
  console.log(`kill -9 of the ${victim}: ${well.length} of ${ofVictim.length} ended in success, each step once, log whole${slowest}`);
}
console.log(`Took ${((performance.now() - startedMs) / 1000).toFixed(0)} s.`);
process.exitCode = overall.length === 0 && results.every((one) => one.faults.length === 0) ? 0 : 1;
