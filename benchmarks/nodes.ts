// What more nodes cost the database: statements per task, counted between each node and PostgreSQL, while the same load of deployments runs on
// one node and then on more and more of them; and whether each node takes part. Real nodes, one PostgreSQL, real agents.
//   npm run bench:nodes -- --nodes 1,2,4,8,16 --tasks 200 --agents 2 --idle 20

import { setTimeout as pause } from "node:timers/promises";
import type { Document } from "../test/support/cluster-api.ts";
import { startCountedCluster } from "./counted-cluster.ts";
import type { CountedCluster } from "./counted-cluster.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";

/** Statements per task may differ by so much from what they are on the fewest nodes. */
const limitShare = 0.1;
/** Deployments under way at once, each to an environment of its own: the same load for every number of nodes. */
const inFlight = 16;
const nodesMax = 32;
const finalMsMax = 300_000;
const lookMs = 200;
/** Statements whose number per task grew most are named, as far as they are more than this. */
const growthMin = 0.2;
const growthsMax = 12;

const counts = readCounts({ nodes: [1, 2, 4, 8, 16], tasks: 200, agents: 2, idle: 20 });
const sizes = counts.nodes.toSorted((a, b) => a - b);
if (sizes.some((size) => size < 1 || size > nodesMax)) throw new Error(`--nodes takes numbers from 1 to ${nodesMax}.`);

/** Runs so many deployments to their ends; answers how many each node had, by its name. */
async function runTasks(cluster: CountedCluster, tasks: number): Promise<Map<string, number>> {
  const byNode = new Map<string, number>();
  let left = tasks;
  async function keepBusy(environment: number): Promise<void> {
    while (left > 0) {
      left -= 1;
      const { TaskId } = await cluster.deploy(environment);
      const task = await finalState(cluster, TaskId);
      if (task.State !== "Success") throw new Error(`${TaskId} ended as ${task.State}: ${task.ErrorMessage}`);
      byNode.set(task.ServerNode, (byNode.get(task.ServerNode) ?? 0) + 1);
    }
  }
  await Promise.all(Array.from({ length: inFlight }, (_, environment) => keepBusy(environment)));
  return byNode;
}

async function finalState(cluster: CountedCluster, taskId: string): Promise<Document> {
  const sinceMs = performance.now();
  while (performance.now() - sinceMs < finalMsMax) {
    const task = await cluster.watch.get(`/api/tasks/${taskId}`);
    if (task.IsCompleted) return task;
    await pause(lookMs);
  }
  throw new Error(`${taskId} has not ended within ${finalMsMax} ms.`);
}

interface Counted {
  statements: number;
  byText: Map<string, number>;
  atMs: number;
}

function countNow(cluster: CountedCluster): Counted {
  const byText = new Map<string, number>();
  for (const { counter } of cluster.nodes) for (const [text, times] of counter.byText) byText.set(text, (byText.get(text) ?? 0) + times);
  return { statements: cluster.nodes.reduce((sum, { counter }) => sum + counter.statements, 0), byText, atMs: performance.now() };
}

interface Size {
  nodes: number;
  idlePerSecond: number;
  perTask: number;
  perTaskWithIdle: number;
  fewest: number;
  most: number;
  textsPerTask: Map<string, number>;
}

async function measure(cluster: CountedCluster): Promise<Size> {
  await runTasks(cluster, inFlight); // connections are made, statements prepared, caches filled
  const [rested, idle] = await (async () => {
    const from = countNow(cluster);
    await pause(counts.idle * 1_000);
    return [from, countNow(cluster)];
  })();
  const idleMs = idle.atMs - rested.atMs;
  const byNode = await runTasks(cluster, counts.tasks);
  const done = countNow(cluster);
  const busyMs = done.atMs - idle.atMs;
  const share = (idled: number, total: number): number => (total - (idled * busyMs) / idleMs) / counts.tasks;
  const of = (counted: Counted, text: string): number => counted.byText.get(text) ?? 0;
  const ran = cluster.nodes.map(({ process }) => byNode.get(`OctopusServerNodes-${process.name}`) ?? 0);
  const size: Size = {
    nodes: cluster.nodes.length,
    idlePerSecond: ((idle.statements - rested.statements) / idleMs) * 1_000,
    perTask: share(idle.statements - rested.statements, done.statements - idle.statements),
    perTaskWithIdle: (done.statements - idle.statements) / counts.tasks,
    fewest: Math.min(...ran),
    most: Math.max(...ran),
    textsPerTask: new Map(
      [...done.byText.keys()].map((text) => [text, share(of(idle, text) - of(rested, text), of(done, text) - of(idle, text))]),
    ),
  };
  const tenths = (number: number): number => Math.round(number * 10) / 10;
  console.log(
    JSON.stringify({
      nodes: size.nodes,
      statementsPerTask: tenths(size.perTask),
      withIdleShare: tenths(size.perTaskWithIdle),
      idlePerSecondAndNode: tenths(size.idlePerSecond / size.nodes),
      tasksByNode: ran.join(" "),
      seconds: tenths(busyMs / 1_000),
    }),
  );
  return size;
}

/** What has grown most between the fewest and the most nodes, for whoever wants to know why. */
function sayGrowth(from: Size, to: Size): void {
  const growths = [...to.textsPerTask]
    .map(([text, perTask]) => ({ text: text.replace(/\s+/g, " ").slice(0, 100), by: perTask - (from.textsPerTask.get(text) ?? 0) }))
    .filter(({ by }) => by >= growthMin)
    .toSorted((a, b) => b.by - a.by);
  for (const { text, by } of growths.slice(0, growthsMax)) console.log(`  ${by.toFixed(1)} more per task on ${to.nodes} nodes: ${text}`);
}

const cluster = await startCountedCluster({ nodesMax: sizes.at(-1)!, agents: counts.agents, environments: inFlight });
try {
  const measured: Size[] = [];
  for (const size of sizes) {
    while (cluster.nodes.length < size) await cluster.addNode();
    measured.push(await measure(cluster));
  }
  const [least, most] = [measured[0]!, measured.at(-1)!];
  sayGrowth(least, most);
  const differences = measured.map(({ perTask }) => perTask / least.perTask - 1);
  const worst = differences.toSorted((a, b) => Math.abs(b) - Math.abs(a))[0]!;
  const haveAll = measured.every(({ fewest }) => fewest > 0);
  sayRow({
    what: `${sizes.join(", ")} nodes on one machine, ${counts.tasks} deployments to ${counts.agents} agents on each number of nodes`,
    reach: `statements per task flat ± ${limitShare * 100} %; each node takes part`,
    measured: [
      `${measured.map(({ perTask }) => perTask.toFixed(1)).join(", ")} (at most ${(worst * 100).toFixed(0)} %)`,
      `with the idle share ${measured.map(({ perTaskWithIdle }) => perTaskWithIdle.toFixed(1)).join(", ")}`,
      `tasks per node ${measured.map((one) => `${one.fewest} to ${one.most}`).join(", ")}`,
    ].join("; "),
    ofLimit: Math.abs(worst) / limitShare,
    ...(haveAll ? {} : { missed: "a node had no task" }),
    command: commandOf("bench:nodes", counts),
  });
} finally {
  await cluster.close();
}
