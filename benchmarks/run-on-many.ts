// `true` on many agent processes at once, from the request to the end of the deployment, beside Ansible on as many hosts in the same run.

import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { startAnsible } from "./ansible-peer.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import { processorTime } from "./processor-time.ts";
import { call, percentile, prepare, startAgent, startServer, until } from "./programs.ts";
import type { Program } from "./programs.ts";

const counts = readCounts({ agents: 10, rounds: 7, peerRounds: 3 });
/** On a quiet machine with two cores: with 10 agents, and with 50. */
const reachMs = counts.agents <= 10 ? 250 : 1_000;
const timesPeer = 10;

const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-many-"));
const server = await startServer({ home: path.join(folder, "home"), port: 18_841 });
const { url } = server.ready;
const agents: Program[] = [];
for (let n = 0; n < counts.agents; n++)
  agents.push(await startAgent({ home: path.join(folder, `agent-${n}`), port: 18_842 + n, trust: server.ready.thumbprint }));
const stage = await prepare(url, agents, 1, "true");
const peer = counts.peerRounds === 0 ? "it was not asked for" : await startAnsible(folder, counts.agents);
if (typeof peer === "string") console.log(`Without Ansible: ${peer}.`);

async function deploy(): Promise<number> {
  const startedMs = performance.now();
  const { TaskId } = await call(url, "POST", "/deployments", { ReleaseId: stage.releaseId, EnvironmentId: stage.environmentIds[0] });
  let task = { State: "", IsCompleted: false, ErrorMessage: "" };
  await until(async () => (task = await call(url, "GET", `/tasks/${TaskId}`)).IsCompleted);
  const tookMs = performance.now() - startedMs;
  if (task.State !== "Success") throw new Error(`${TaskId} ended as ${task.State}: ${task.ErrorMessage}`);
  return tookMs;
}

const used = { server: 0, agents: 0, scripts: 0 };
const ours: number[] = [];
const theirs: number[] = [];
try {
  // One of each before the clock counts: connections are open and programs in memory, on both sides.
  await deploy();
  if (typeof peer !== "string") await peer.runTrue();
  const pids = agents.map((agent) => agent.child.pid!);
  for (let round = 0; round < Math.max(counts.rounds, counts.peerRounds); round++) {
    if (round < counts.rounds) {
      const before = [await processorTime([server.child.pid!]), await processorTime(pids)] as const;
      ours.push(await deploy());
      const after = [await processorTime([server.child.pid!]), await processorTime(pids)] as const;
      used.server += after[0].own - before[0].own;
      used.agents += after[1].own - before[1].own;
      used.scripts += after[1].children - before[1].children;
    }
    if (typeof peer !== "string" && round < counts.peerRounds) theirs.push(await peer.runTrue());
  }
} finally {
  if (typeof peer !== "string") await peer.stop();
  await Promise.all(agents.map((agent) => agent.stop()));
  await server.stop();
  await fs.rm(folder, { recursive: true, force: true });
}

const oursMs = percentile(ours, 0.5);
const theirsMs = percentile(theirs, 0.5);
const ms = (seconds: number): string => `${Math.round((seconds * 1000) / counts.rounds / counts.agents)} ms`;
const times = theirsMs / oursMs;
const beside = theirs.length === 0 ? "" : `; Ansible ${Math.round(theirsMs)} ms, ${times.toFixed(1)} ×`;
sayRow({
  what: `\`true\` on ${counts.agents} agents at once`,
  reach: `${reachMs} ms; ≥ ${timesPeer} × Ansible`,
  measured:
    `${Math.round(oursMs)} ms${beside}; processor time for each agent: server ${ms(used.server)}, ` +
    `agent ${ms(used.agents)}, its scripts ${ms(used.scripts)}; load ${os.loadavg()[0]!.toFixed(1)}`,
  ofLimit: oursMs / reachMs,
  ...(theirs.length > 0 && times < timesPeer ? { missed: `less than ${timesPeer} × Ansible` } : {}),
  command: commandOf("bench:run-on-many", counts),
});
