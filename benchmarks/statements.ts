// How many database statements one deployment costs: from the request that creates it to its last write, three steps on four targets, on one real
// node whose statements are counted on their way to PostgreSQL. Measured with short and long histories, because it must not grow with them. The
// history is the rows of a real deployment, copied. `--texts 1` prints each statement and how often it runs.
//   npm run bench:statements -- --history 10,100,1000 --tasks 10 --steps 3 --targets 4 --idle 10 --texts 0

import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { startCountedCluster } from "./counted-cluster.ts";
import type { CountedCluster } from "./counted-cluster.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";

/** One and the same work costs a little more or less by how many lines of its log go into one write, but not by more than this. */
const limitShare = 0.1;
const finalMsMax = 180_000;
const lookMs = 100;

const counts = readCounts({ history: [10, 100, 1_000], tasks: 10, steps: 3, targets: 4, idle: 10, texts: 0 });

interface Counted {
  byText: Map<string, number>;
  atMs: number;
}

function countNow({ nodes }: CountedCluster): Counted {
  const byText = new Map<string, number>();
  for (const { counter } of nodes) for (const [text, times] of counter.byText) byText.set(text, (byText.get(text) ?? 0) + times);
  return { byText, atMs: performance.now() };
}

/** How often each text ran between two moments. */
function between(from: Counted, to: Counted): Map<string, number> {
  return new Map([...to.byText].map(([text, times]) => [text, times - (from.byText.get(text) ?? 0)]));
}

async function deployOnce(cluster: CountedCluster): Promise<string> {
  const { TaskId } = await cluster.deploy(0);
  for (const sinceMs = performance.now(); performance.now() - sinceMs < finalMsMax; await pause(lookMs)) {
    const task = await cluster.watch.get(`/api/tasks/${TaskId}`);
    if (task.IsCompleted && task.State !== "Success") throw new Error(`${TaskId} ended as ${task.State}: ${task.ErrorMessage}`);
    if (task.IsCompleted) return TaskId;
  }
  throw new Error(`${TaskId} has not ended within ${finalMsMax} ms.`);
}

/** Copies what a finished deployment left in the database, until there are so many. */
async function lengthenHistory(client: pg.Client, taskId: string, from: number, to: number): Promise<void> {
  if (to <= from) return;
  const copied: Record<string, { of: string; changed: Record<string, string> }> = {
    tasks: { of: "id = $1", changed: { id: "'ServerTasks-h' || n", number: "1000000 + n" } },
    deployments: {
      of: "task_id = $1",
      changed: { id: "'Deployments-h' || n", number: "1000000 + n", task_id: "'ServerTasks-h' || n", is_latest: "false" },
    },
    step_runs: { of: "task_id = $1", changed: { task_id: "'ServerTasks-h' || n", ticket: "gen_random_uuid()" } },
    task_log_parts: { of: "task_id = $1", changed: { task_id: "'ServerTasks-h' || n" } },
    events: { of: "$1 = ANY (related_document_ids)", changed: {} },
  };
  for (const [table, { of, changed }] of Object.entries(copied)) {
    const { rows } = await client.query<{ name: string }>(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1 AND is_identity = 'NO' AND is_generated = 'NEVER'`,
      [table],
    );
    const names = rows.map((row) => row.name);
    await client.query(
      `INSERT INTO ${table} (${names.join(", ")}) SELECT ${names.map((name) => changed[name] ?? `c.${name}`).join(", ")}
       FROM ${table} c, generate_series($2::int, $3::int) n WHERE ${of}`,
      [taskId, from + 1, to],
    );
  }
  await client.query("ANALYZE");
}

const steps = Array.from({ length: counts.steps }, () => ({ lines: 1, pauseMs: 0 }));
const cluster = await startCountedCluster({ nodesMax: 1, agents: counts.targets, environments: 1, steps });
const client = new pg.Client({ connectionString: cluster.databaseUrl });
try {
  await client.connect();
  await cluster.addNode();
  let taskId = "";
  for (let n = 0; n < 3; n++) taskId = await deployOnce(cluster); // statements are prepared, connections made
  const rested = countNow(cluster);
  await pause(counts.idle * 1_000);
  const idle = countNow(cluster);
  const idled = between(rested, idle);

  const measured: { history: number; total: number; perText: Map<string, number> }[] = [];
  let history = 3;
  for (const wanted of counts.history.toSorted((a, b) => a - b)) {
    await lengthenHistory(client, taskId, history, wanted);
    history = Math.max(history, wanted);
    const before = countNow(cluster);
    for (let n = 0; n < counts.tasks; n++) await deployOnce(cluster);
    await pause(1_000); // the last release of a place in the queue is after the end
    const after = countNow(cluster);
    const share = (after.atMs - before.atMs) / (idle.atMs - rested.atMs);
    const perText = new Map<string, number>();
    for (const [text, times] of between(before, after)) {
      const own = (times - (idled.get(text) ?? 0) * share) / counts.tasks;
      if (own >= 0.05) perText.set(text, own);
    }
    measured.push({ history: wanted, total: [...perText.values()].reduce((sum, one) => sum + one, 0), perText });
  }
  const [least, most] = [measured[0]!, measured.at(-1)!];
  if (counts.texts > 0)
    for (const [text, times] of [...most.perText].toSorted((a, b) => b[1] - a[1]))
      console.log(`${times.toFixed(1).padStart(6)} ${text.replace(/\s+/g, " ").trim().slice(0, 150)}`);
  const worst = Math.max(...measured.map(({ total }) => total / least.total - 1));
  sayRow({
    what: `statements of a deployment of ${counts.steps} steps on ${counts.targets} targets, after ${measured.map((one) => one.history).join(", ")} deployments`,
    reach: `listed; no growth (± ${limitShare * 100} %)`,
    measured: `${measured.map(({ total }) => total.toFixed(1)).join(", ")} (at most ${(worst * 100).toFixed(1)} % more)`,
    ofLimit: Math.max(0, worst) / limitShare,
    command: commandOf("bench:statements", counts),
  });
} finally {
  await client.end();
  await cluster.close();
}
