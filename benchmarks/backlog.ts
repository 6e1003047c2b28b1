// Claims from a very long queue while a transaction with an old snapshot is open, so that nothing that was changed since can be cleaned away:
// four claimers take, and finish, one task after the other with the statements of the engine. First without the old snapshot, for comparison.
//   npm run bench:backlog -- --tasks 200000 --claims 50000 --seed 7

import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import { claimTasks, finishOwnTask, lockTagOf, lookAtQueue, promoteNext } from "../server/engine/tasks/task-store.ts";
import { migrations } from "../server/migrations/migrations.ts";
import { recordEvent, systemActor } from "../server/platform/audit/audit.ts";
import { migrate, openDatabase } from "../server/platform/database/database.ts";
import type { Database } from "../server/platform/database/database.ts";
import { startEmbeddedPostgres } from "../server/platform/database/embedded-postgres.ts";
import { createRandom } from "../test/trials/random.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import { percentile } from "./programs.ts";

const limitMs = 50;
const claimers = 4;
/** So many tags keep tasks apart; every second task has one of them. */
const tags = 500;
const leaseMs = 60_000;
const fillBatch = 50_000;

const counts = readCounts({ tasks: 200_000, claims: 50_000, seed: 7 });
const dataRoot = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-"));
await fs.chmod(dataRoot, 0o711);
const server = await startEmbeddedPostgres({ dataRoot, log: { info() {}, warn() {} } });
const { connection } = server;
await migrate(connection, migrations, { applicationName: "cuttle-bench" });
const database = openDatabase({ connection, applicationName: "cuttle-bench", connectionsMax: claimers, statementTimeoutMs: 600_000 });

/** The rows that so many creates would leave; one task of each tag is eligible. */
async function fill(): Promise<void> {
  await database.execute("TRUNCATE tasks, task_queue, step_runs, task_log_parts, events CASCADE");
  const random = createRandom(counts.seed);
  const tagOf = Array.from({ length: counts.tasks }, () => (random() < 0.5 ? `tag-${Math.floor(random() * tags)}` : null));
  const seen = new Set<string>();
  for (let from = 0; from < tagOf.length; from += fillBatch) {
    const batch = tagOf.slice(from, from + fillBatch);
    const isHead = batch.map((tag) => {
      if (tag === null) return true;
      if (seen.has(tag)) return false;
      seen.add(tag);
      return true;
    });
    const rows = `unnest($1::text[], $2::boolean[]) WITH ORDINALITY AS one (tag, is_head, n)`;
    await database.execute(
      `INSERT INTO tasks (id, number, name, description, arguments, arguments_version, state, concurrency_tag)
       SELECT 'ServerTasks-' || ($3 + n), $3 + n, 'Deploy', 'Deploy release 1.0.0 to Test', '{"n": 1}', 1, 'Queued', tag
       FROM ${rows}`,
      [batch, isHead, from],
    );
    await database.execute(
      `INSERT INTO task_queue (task_id, position, tag, is_head, state)
       SELECT 'ServerTasks-' || ($3 + n), $3 + n, tag, is_head, 'queued' FROM ${rows}`,
      [batch, isHead, from],
    );
  }
  // A queue of this length has grown for a while, in which the database has looked at it.
  await database.execute("ANALYZE tasks, task_queue");
}

/** Takes and finishes until so many are done; answers how long each claim took, in the order in which they were done. */
async function drain(): Promise<{ claimsMs: number[]; perSecond: number }> {
  const claimsMs: number[] = [];
  let left = counts.claims;
  const beganMs = performance.now();
  async function claimer(owner: string): Promise<void> {
    while (left > 0) {
      left -= 1;
      const sentMs = performance.now();
      const task = await claimOne(database, owner);
      if (task === undefined) return;
      claimsMs.push(performance.now() - sentMs);
      await finishOne(database, owner, task);
    }
  }
  await Promise.all(Array.from({ length: claimers }, (_, n) => claimer(`bench-${n}/${randomUUID()}`)));
  return { claimsMs, perSecond: claimsMs.length / ((performance.now() - beganMs) / 1_000) };
}

/** As the engine's own transactions: with the event of each change, and the head of the tag passed on. */
type Claimed = Awaited<ReturnType<typeof claimTasks>>[number];

/** As often as the engine looks for ended leases. */
const expiredLookMs = 250;
const expiredLookedAtMs = new Map<string, number>();

async function claimOne(of: Database, owner: string): Promise<Claimed | undefined> {
  const nowMs = performance.now();
  const withExpired = nowMs - (expiredLookedAtMs.get(owner) ?? -Infinity) >= expiredLookMs;
  if (withExpired) expiredLookedAtMs.set(owner, nowMs);
  const limits = { fresh: 1, takeovers: withExpired ? 1 : 0, overdueMs: 0 };
  if (!(await lookAtQueue(of, limits)).found) return undefined;
  return await of.transaction(async (tx) => {
    const [task] = await claimTasks(tx, { ...limits, owner, nodeName: "bench", leaseMs });
    if (task !== undefined) await record(tx, task, "DeploymentStarted");
    return task;
  });
}

async function finishOne(of: Database, owner: string, task: Claimed): Promise<void> {
  await of.transaction(async (tx) => {
    await lockTagOf(tx, task.concurrencyTag);
    const isOurs = await finishOwnTask(tx, { taskId: task.id, owner, epoch: task.epoch }, { state: "Success", errorMessage: null });
    if (!isOurs) throw new Error(`${task.id} was taken from its claimer.`);
    await promoteNext(tx, task.concurrencyTag);
    await record(tx, task, "DeploymentSucceeded");
  });
}

async function record(tx: Parameters<typeof recordEvent>[0], task: Claimed, category: string): Promise<void> {
  await recordEvent(tx, { spaceId: null, category, actor: systemActor, message: task.description, relatedDocumentIds: [task.id] });
}

function say(what: string, { claimsMs, perSecond }: Awaited<ReturnType<typeof drain>>): void {
  const quarter = Math.ceil(claimsMs.length / 4);
  const tenths = (values: number[], share: number): number => Math.round(percentile(values, share) * 10) / 10;
  const both = (values: number[]) => ({ p50Ms: tenths(values, 0.5), p99Ms: tenths(values, 0.99) });
  console.log(
    JSON.stringify({
      what,
      claims: claimsMs.length,
      ...both(claimsMs),
      firstQuarter: both(claimsMs.slice(0, quarter)),
      lastQuarter: both(claimsMs.slice(-quarter)),
      perSecond: Math.round(perSecond),
    }),
  );
}

try {
  await fill();
  const without = await drain();
  say("without an old snapshot", without);
  await fill();
  const old = new pg.Client({ ...connection, application_name: "cuttle-bench-old" });
  await old.connect();
  await old.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  const before = await old.query<{ n: string }>("SELECT count(*) AS n FROM task_queue");
  const held = await drain();
  const after = await old.query<{ n: string }>("SELECT count(*) AS n FROM task_queue");
  if (Number(before.rows[0]!.n) !== counts.tasks || after.rows[0]!.n !== before.rows[0]!.n)
    throw new Error("The old snapshot was not held through the run.");
  await old.end();
  say("with an old snapshot open", held);
  const last = held.claimsMs.slice(-Math.ceil(held.claimsMs.length / 4));
  const p99 = percentile(held.claimsMs, 0.99);
  sayRow({
    what: `${counts.tasks} queued tasks with an old snapshot open, ${counts.claims} of them claimed by ${claimers}`,
    reach: `claim p99 < ${limitMs} ms`,
    measured: `p50 ${percentile(held.claimsMs, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (last quarter ${percentile(last, 0.99).toFixed(1)} ms; without the snapshot ${percentile(without.claimsMs, 0.99).toFixed(1)} ms)`,
    ofLimit: p99 / limitMs,
    command: commandOf("bench:backlog", counts),
  });
} finally {
  await database.close();
  await server.stop();
  await fs.rm(dataRoot, { recursive: true, force: true });
}
