// Tasks per second through our queue against graphile-worker with named queues, in one run on one PostgreSQL: both claim, run an empty
// handler and store the result, with at most 20 at once and tags (queue names) that keep tasks of one tag apart.

import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Logger, makeWorkerUtils, run as runGraphile } from "graphile-worker";
import { createTaskEngine, enqueueTask } from "../server/engine/tasks/tasks.ts";
import { migrations } from "../server/migrations/migrations.ts";
import { systemActor } from "../server/platform/audit/audit.ts";
import { migrate, openDatabase } from "../server/platform/database/database.ts";
import { startEmbeddedPostgres } from "../server/platform/database/embedded-postgres.ts";
import { createMemoryLogFolder } from "../test/support/memory-log-folder.ts";

const tasks = Number(process.argv[2] ?? 5_000);
const tags = 500;
const cap = 20;
const rounds = 3;
const latencySamples = 200;

const dataRoot = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-"));
await fs.chmod(dataRoot, 0o711);
const server = await startEmbeddedPostgres({ dataRoot, log: { info() {}, warn() {} } });
const { connection } = server;
await migrate(connection, migrations, { applicationName: "cuttle-bench" });
const uri = `postgres://${connection.user}:${encodeURIComponent(connection.password)}@/${connection.database}?host=${encodeURIComponent(connection.host)}&port=${connection.port}`;

function newTask(n: number, concurrencyTag: string | null) {
  return {
    spaceId: null,
    name: "Empty",
    description: `Empty ${n}`,
    arguments: { n },
    argumentsVersion: 1,
    concurrencyTag,
    actor: systemActor,
  };
}

async function ours(): Promise<{ perSecond: number; latencies: number[] }> {
  const database = openDatabase({ connection, applicationName: "cuttle-bench", connectionsMax: 20 });
  const renewals = openDatabase({ connection, applicationName: "cuttle-bench-leases", connectionsMax: 2 });
  await database.execute("TRUNCATE tasks, task_queue, step_runs, task_log_parts, events CASCADE");
  for (let n = 0; n < tasks; n += 100) {
    await database.transaction(async (tx) => {
      for (let k = n; k < Math.min(n + 100, tasks); k++) await enqueueTask(tx, newTask(k, `tag-${k % tags}`));
    });
  }
  let onRun = (): void => {};
  const engine = createTaskEngine({
    database,
    renewals,
    folder: createMemoryLogFolder(),
    handlers: [
      {
        name: "Empty",
        run: async () => {
          onRun();
          return { state: "Success" };
        },
      },
    ],
    nodeName: "bench",
    taskCap: () => cap,
    log: { info() {}, warn() {}, error() {} },
  });
  const startedMs = performance.now();
  await engine.start();
  for (;;) {
    const [row] = await database.query<{ n: number }>("SELECT count(*) AS n FROM task_queue");
    if (row?.n === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const perSecond = tasks / ((performance.now() - startedMs) / 1000);
  // One at a time, from the commit of the create to the handler's first line.
  const latencies: number[] = [];
  for (let n = 0; n < latencySamples; n++) {
    const began = new Promise<number>((resolve) => (onRun = () => resolve(performance.now())));
    await database.transaction((tx) => enqueueTask(tx, newTask(n, null)));
    const committedMs = performance.now();
    latencies.push(Math.max(0, (await began) - committedMs));
  }
  await engine.stop();
  await database.close();
  await renewals.close();
  return { perSecond, latencies };
}

async function graphile(): Promise<number> {
  const utils = await makeWorkerUtils({ connectionString: uri });
  await utils.migrate();
  await utils.addJobs(Array.from({ length: tasks }, (_, n) => ({ identifier: "empty", payload: { n }, queueName: `tag-${n % tags}` })));
  let left = tasks;
  let finished!: () => void;
  const all = new Promise<void>((resolve) => (finished = resolve));
  const startedMs = performance.now();
  const runner = await runGraphile({
    connectionString: uri,
    concurrency: cap,
    maxPoolSize: cap,
    noHandleSignals: true,
    logger: new Logger(() => () => {}),
    taskList: {
      empty: async () => {
        left -= 1;
        if (left === 0) finished();
      },
    },
  });
  await all;
  const perSecond = tasks / ((performance.now() - startedMs) / 1000);
  await runner.stop();
  await utils.release();
  return perSecond;
}

const results: { ours: number; graphile: number }[] = [];
let latencies: number[] = [];
for (let round = 0; round < rounds; round++) {
  const theirs = await graphile();
  const own = await ours();
  latencies = own.latencies.sort((a, b) => a - b);
  results.push({ ours: own.perSecond, graphile: theirs });
  console.log(`round ${round + 1}: ours ${own.perSecond.toFixed(0)}/s, graphile-worker ${theirs.toFixed(0)}/s`);
}
results.sort((a, b) => a.ours / a.graphile - b.ours / b.graphile);
const median = results[Math.floor(results.length / 2)]!;
console.log(
  JSON.stringify({
    tasks,
    oursPerSecond: Math.round(median.ours),
    graphilePerSecond: Math.round(median.graphile),
    ratio: Number((median.ours / median.graphile).toFixed(2)),
    claimLatencyMsP50: Number(latencies[Math.floor(latencies.length / 2)]!.toFixed(2)),
    claimLatencyMsP95: Number(latencies[Math.floor(latencies.length * 0.95)]!.toFixed(2)),
  }),
);
await server.stop();
await fs.rm(dataRoot, { recursive: true, force: true });
