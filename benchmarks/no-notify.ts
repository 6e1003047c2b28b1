// How late a deployment starts when every notification of the database is lost: from the acknowledgement of its create to the first line of its
// script, with notifications and with all of them kept back between database and nodes, by turns in one run.
//   npm run bench:no-notify -- --deployments 200 --nodes 2 --seed 7

import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "../test/support/eventually.ts";
import { createRandom } from "../test/trials/random.ts";
import { startCountedCluster } from "./counted-cluster.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import { percentile } from "./programs.ts";

const limitMs = 2_000;
/** Up to so long nothing happens before each create. */
const quietMsMax = 1_500;
const finalMsMax = 60_000;
/** So many with notifications, then so many without. */
const turn = 10;

const counts = readCounts({ deployments: 200, nodes: 2, seed: 7 });
const random = createRandom(counts.seed);
const cluster = await startCountedCluster({ nodesMax: counts.nodes, agents: 1, environments: 1 });

async function measureOne(): Promise<number> {
  await pause(random() * quietMsMax);
  // By the node that runs no tasks: it has to tell another one, where any other would take the task itself.
  const { releaseId, environmentIds } = cluster.project;
  const created = await cluster.watch.create("/api/deployments", { ReleaseId: releaseId, EnvironmentId: environmentIds[0] });
  const acknowledgedMs = Date.now();
  const machines = await cluster.watch.get("/api/machines/all");
  const one = { id: created.Id, taskId: created.TaskId, project: cluster.project, machineIds: [machines[0].Id] };
  const { atMs } = await cluster.observer.began(one, 1, finalMsMax);
  const task = await eventually(
    `${one.taskId} is final`,
    async () => {
      const found = await cluster.watch.get(`/api/tasks/${one.taskId}`);
      return found.IsCompleted && found;
    },
    finalMsMax,
  );
  if (task.State !== "Success") throw new Error(`${one.taskId} ended as ${task.State}: ${task.ErrorMessage}`);
  // The script may begin before the acknowledgement has been read here.
  return Math.max(0, atMs - acknowledgedMs);
}

const heard = (): number => cluster.nodes.reduce((sum, { counter }) => sum + counter.notifications, 0);

try {
  for (let n = 0; n < counts.nodes; n++) await cluster.addNode();
  await measureOne(); // the first one finds caches empty
  const [withThem, without]: [number[], number[]] = [[], []];
  const keptBack = { sum: 0 };
  while (without.length < counts.deployments) {
    for (const isKeptBack of [false, true]) {
      for (const { counter } of cluster.nodes) counter.keepNotificationsBack = isKeptBack;
      const before = heard();
      for (let n = 0; n < turn && (isKeptBack ? without : withThem).length < counts.deployments; n++)
        (isKeptBack ? without : withThem).push(await measureOne());
      if (isKeptBack) keptBack.sum += heard() - before;
    }
  }
  if (keptBack.sum === 0) throw new Error("No notification came by: there was nothing to lose.");
  const both = (values: number[]): string => `p50 ${percentile(values, 0.5).toFixed(0)} ms, p99 ${percentile(values, 0.99).toFixed(0)} ms`;
  sayRow({
    what: `NOTIFY suppressed: ${without.length} deployments, ${counts.nodes} nodes, ${keptBack.sum} notifications kept back`,
    reach: `start delay ≤ ${limitMs / 1_000} s p99`,
    measured: `${both(without)} (with notifications ${both(withThem)})`,
    ofLimit: percentile(without, 0.99) / limitMs,
    command: commandOf("bench:no-notify", counts),
  });
} finally {
  await cluster.close();
}
