// How long a node takes to start, cold with a new embedded database and warm, and what server and agent hold in memory at rest.

import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { percentile, residentMb, startAgent, startServer } from "./programs.ts";

const rounds = Number(process.argv[2] ?? 5);
const restMs = 10_000;
const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-"));
await fs.chmod(folder, 0o711);

const cold: number[] = [];
const warm: number[] = [];
for (let round = 0; round < rounds; round++) {
  const home = path.join(folder, `home-${round}`);
  const first = await startServer({ home, port: 18_811 });
  cold.push(first.startedInMs);
  await first.stop();
  const second = await startServer({ home, port: 18_811 });
  warm.push(second.startedInMs);
  await second.stop();
}

const server = await startServer({ home: path.join(folder, "home-0"), port: 18_811 });
const agent = await startAgent({ home: path.join(folder, "agent"), port: 18_812, trust: server.ready.thumbprint });
await new Promise((resolve) => setTimeout(resolve, restMs));
const memory = { server: await residentMb(server.child.pid!), agent: await residentMb(agent.child.pid!) };
await agent.stop();
await server.stop();
await fs.rm(folder, { recursive: true, force: true });

console.log(
  JSON.stringify({
    rounds,
    coldStartMsMedian: Math.round(percentile(cold, 0.5)),
    warmStartMsMedian: Math.round(percentile(warm, 0.5)),
    serverRestMb: Math.round(memory.server),
    agentRestMb: Math.round(memory.agent),
  }),
);
