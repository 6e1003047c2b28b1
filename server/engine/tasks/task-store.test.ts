// What queueing, claiming and finishing a task read: it must not grow with the queue behind it, nor with the tasks that have ever been.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "../../../test/support/postgres.ts";
import { systemActor } from "../../platform/audit/audit.ts";
import { openDatabase } from "../../platform/database/database.ts";
import type { Queryable, Transaction } from "../../platform/database/database.ts";
import { claimTasks, finishOwnTask, insertTask, lockTagOf, promoteNext } from "./task-store.ts";

const waiting = 20_000;
/** Every second task has one of these; the first of each is eligible. */
const tags = 500;
/** For each of these one task needs a handful. */
const rowsMax = 100;
/** The database plans a prepared statement anew for five times, and then keeps a plan for all values. */
const rounds = 8;

/** So far, by this connection, of both tables. */
async function rowsRead(tx: Queryable): Promise<number> {
  const [read] = await tx.query<{ rows: number }>(
    `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::float8 AS rows FROM pg_stat_xact_user_tables
     WHERE relname IN ('tasks', 'task_queue')`,
  );
  return read!.rows;
}

test("A1: with a long queue a task is queued, claimed and finished by reading a handful of rows, however the database plans it", async (t) => {
  const { connection, drop } = await (await startPostgres()).createDatabase();
  const database = openDatabase({ connection, applicationName: "cuttle-test-claims", connectionsMax: 1 });
  t.after(async () => {
    await database.close();
    await drop();
  });
  await database.execute(
    `INSERT INTO tasks (id, number, name, description, arguments, arguments_version, state, concurrency_tag)
     SELECT 'old-' || n, -n, 'Deploy', 'a task', '{}', 1, 'Queued', CASE WHEN n % 2 = 0 THEN 'tag-' || n / 2 % $2::int END
     FROM generate_series(1, $1::int) n`,
    [waiting, tags],
  );
  await database.execute(
    `INSERT INTO task_queue (task_id, position, tag, is_head, state)
     SELECT id, nextval('task_positions'), concurrency_tag, concurrency_tag IS NULL OR -number <= 2 * $1::int, 'queued'
     FROM tasks ORDER BY number DESC`,
    [tags],
  );
  await database.execute("ANALYZE tasks, task_queue");

  async function small<T>(what: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return await database.transaction(async (tx) => {
      const before = await rowsRead(tx);
      const result = await work(tx);
      const rows = (await rowsRead(tx)) - before;
      assert.ok(rows <= rowsMax, `${what} read ${rows} rows`);
      return result;
    });
  }

  const task = { spaceId: null, name: "Deploy", description: "a task", arguments: {}, argumentsVersion: 1, actor: systemActor };
  for (let n = 1; n <= rounds; n++) {
    for (const concurrencyTag of [null, "tag-1", `new-${n}`])
      await small(`round ${n}: queueing with ${concurrencyTag}`, (tx) => insertTask(tx, { ...task, concurrencyTag }));
    // One without a tag, and the first of a tag.
    for (let k = 0; k < 2; k++) {
      const [claimed] = await small(`round ${n}: claiming`, (tx) =>
        claimTasks(tx, { owner: "one", nodeName: "one", leaseMs: 60_000, fresh: 1, takeovers: 1, overdueMs: 0 }),
      );
      assert.equal(claimed?.id, `old-${2 * n - 1 + k}`);
      const lease = { taskId: claimed.id, owner: "one", epoch: claimed.epoch };
      await small(`round ${n}: finishing`, async (tx) => {
        await lockTagOf(tx, claimed.concurrencyTag);
        assert.equal(await finishOwnTask(tx, lease, { state: "Success", errorMessage: null }), true);
        await promoteNext(tx, claimed.concurrencyTag);
      });
    }
  }
  const heads = await database.query<{ id: string }>(
    `SELECT task_id AS id FROM task_queue WHERE is_head AND tag IS NOT NULL AND task_id LIKE 'old-%' ORDER BY position DESC LIMIT $1`,
    [rounds],
  );
  assert.deepEqual(
    heads.map(({ id }) => id),
    Array.from({ length: rounds }, (_, n) => `old-${2 * (tags + rounds - n)}`),
    "the next of each tag has become eligible",
  );
});
