// The trial of floods: one script prints very much, and the memory of server and agent is looked at while they carry it. The raw log
// is read back whole and its lines are counted.
import path from "node:path";
import { clusterApiKey, createCluster } from "../support/cluster.ts";
import type { AgentProcess, ServerProcess } from "../support/cluster.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import { createObserver } from "../support/observer.ts";
import type { Observer } from "../support/observer.ts";

export interface FloodResult {
  state: string;
  /** Lines of the script, and how many of them the raw log gives back in order. */
  linesPrinted: number;
  linesRead: number;
  seconds: number;
  /** How long the server then takes to answer the task's details, which hold only the last lines. */
  detailsSeconds: number;
  /** Most memory resident, before the flood and after it, in MiB. */
  serverMiB: { before: number; after: number };
  agentMiB: { before: number; after: number };
}

/** Of each line, with its end. Short enough to be many: the work is by line as well as by byte. */
const lineBytes = 200;

/** Memory that a flood may take on top, whatever its size: a few answers of some megabytes under way, and what the collector leaves lying. */
export const floodGrowthMiBMax = 350;

/** What a flood goes through. */
export interface FloodedCluster {
  server: ServerProcess;
  agent: AgentProcess;
  observer: Observer;
}

/** Lets one script print so many MiB through a cluster of its own. `deadlineMs` is for the deployment. */
export async function runFlood(megabytes: number, deadlineMs: number): Promise<FloodResult> {
  const cluster = await createCluster();
  try {
    const server = await cluster.server({ name: "node-1" });
    await server.start();
    const agent = await cluster.agent({ name: "web-1", trust: server.ready.thumbprint });
    await agent.start();
    const api = createClusterApi(() => [server.ready.url]);
    const observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    return await floodThrough({ server, agent, observer }, megabytes, deadlineMs);
  } finally {
    await cluster.close();
  }
}

/** The same through a cluster that is there. */
export async function floodThrough(
  { server, agent, observer }: FloodedCluster,
  megabytes: number,
  deadlineMs: number,
): Promise<FloodResult> {
  const linesPrinted = Math.floor((megabytes * 1024 * 1024) / lineBytes);
  const script = `awk 'BEGIN { pad = sprintf("%${lineBytes - 10}s", ""); gsub(/ /, "x", pad); for (n = 1; n <= ${linesPrinted}; n++) printf "%09d%s\\n", n, pad }'`;
  const project = await observer.prepare({
    name: "flood",
    environments: 1,
    machines: [{ name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint }],
    steps: [
      { lines: 1, pauseMs: 0 },
      { lines: 1, pauseMs: 0 },
    ],
    scripts: [observer.scriptFor(1, { lines: 1, pauseMs: 0 }), script],
  });
  // A first small deployment loads everything that is loaded on first use.
  const first = await observer.prepare({
    name: "small",
    environments: 1,
    machines: [{ name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint }],
    steps: [{ lines: 1, pauseMs: 0 }],
  });
  await observer.final(await observer.deploy(first));
  const before = { server: server.memoryPeakBytes(), agent: agent.memoryPeakBytes() };
  const startedMs = performance.now();
  const deployment = await observer.deploy(project);
  const task = await observer.final(deployment, deadlineMs);
  const seconds = (performance.now() - startedMs) / 1000;
  const linesRead = await countLines(`${server.ready.url}/api/tasks/${deployment.taskId}/raw`);
  const askedMs = performance.now();
  const details = await fetch(`${server.ready.url}/api/tasks/${deployment.taskId}/details?verbose=true`, {
    headers: { "X-Octopus-ApiKey": clusterApiKey },
  });
  await details.arrayBuffer();
  const detailsSeconds = (performance.now() - askedMs) / 1000;
  const inMiB = (bytes: number): number => Math.round(bytes / 1024 / 1024);
  return {
    state: task.State,
    linesPrinted,
    linesRead,
    seconds,
    detailsSeconds,
    serverMiB: { before: inMiB(before.server), after: inMiB(server.memoryPeakBytes()) },
    agentMiB: { before: inMiB(before.agent), after: inMiB(agent.memoryPeakBytes()) },
  };
}

/** How many of the numbered lines come in order. */
async function countLines(url: string): Promise<number> {
  const response = await fetch(url, { headers: { "X-Octopus-ApiKey": clusterApiKey } });
  let rest = "";
  let expected = 1;
  const decoder = new TextDecoder();
  for await (const piece of response.body!) {
    const lines = (rest + decoder.decode(piece as Uint8Array, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (Number(/\| +(\d{9})x+$/.exec(line)?.[1]) === expected) expected += 1;
  }
  return expected - 1;
}
