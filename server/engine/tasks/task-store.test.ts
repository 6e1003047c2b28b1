// What a claim reads: its cost must not grow with the queue behind it, nor with the tasks that have ever been.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "../../../test/support/postgres.ts";
import { openDatabase } from "../../platform/database/database.ts";
import type { Queryable } from "../../platform/database/database.ts";
import { claimTasks } from "./task-store.ts";

const waiting = 20_000;
/** A claim of one task needs a handful. */
const rowsMax = 100;

/** So far, by this connection, of both tables. */
async function rowsRead(tx: Queryable): Promise<number> {
  const [read] = await tx.query<{ rows: number }>(
    `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::float8 AS rows FROM pg_stat_xact_user_tables
     WHERE relname IN ('tasks', 'task_queue')`,
  );
  return read!.rows;
}

test("A1: a claim from a long queue reads a handful of rows, however the database plans it", async (t) => {
  const { connection, drop } = await (await startPostgres()).createDatabase();
  const database = openDatabase({ connection, applicationName: "cuttle-test-claims", connectionsMax: 1 });
  t.after(async () => {
    await database.close();
    await drop();
  });
  await database.execute(
    `INSERT INTO tasks (id, number, name, description, arguments, arguments_version, state)
     SELECT 'ServerTasks-' || n, n, 'Deploy', 'a task', '{}', 1, 'Queued' FROM generate_series(1, $1::int) n`,
    [waiting],
  );
  await database.execute(
    `INSERT INTO task_queue (task_id, position, is_head, state)
     SELECT 'ServerTasks-' || n, n, true, 'queued' FROM generate_series(1, $1::int) n`,
    [waiting],
  );
  await database.execute("ANALYZE tasks, task_queue");
  // The database plans a prepared statement anew for some times and then keeps a plan for all values.
  for (let n = 1; n <= 8; n++) {
    const { claimed, rows } = await database.transaction(async (tx) => {
      const before = await rowsRead(tx);
      const tasks = await claimTasks(tx, { owner: "one", nodeName: "one", leaseMs: 60_000, count: 1 });
      return { claimed: tasks.map(({ id }) => id), rows: (await rowsRead(tx)) - before };
    });
    assert.deepEqual(claimed, [`ServerTasks-${n}`]);
    assert.ok(rows <= rowsMax, `claim ${n} read ${rows} rows`);
  }
});
