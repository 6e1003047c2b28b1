// D10: a due time fires exactly once over the whole cluster. On a real database, with as many schedulers as nodes, transactions that die at
// any statement, outages, and rows that were put back.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "../../../test/support/eventually.ts";
import { startPostgres } from "../../../test/support/postgres.ts";
import type { TestPostgres } from "../../../test/support/postgres.ts";
import type { Database, Transaction } from "../../platform/database/database.ts";
import { openDatabase } from "../../platform/database/database.ts";
import { createScheduler } from "./schedules.ts";
import type { ScheduleSource, Scheduler, WantedSchedule } from "./schedules.ts";

let postgres: TestPostgres;
before(async () => {
  postgres = await startPostgres();
});

const hourMs = 3_600_000;

async function stage(t: TestContext, intervals: Record<string, number>) {
  const { connection, drop } = await postgres.createDatabase();
  const database = openDatabase({ connection, applicationName: "cuttle-test-schedules", connectionsMax: 20 });
  t.after(async () => {
    await database.close();
    await drop();
  });
  const wanted = new Map(Object.entries(intervals));
  const warnings: unknown[] = [];
  const source: ScheduleSource = {
    kind: "Test",
    list: async () => [...wanted].map(([trigger, intervalMs]): WantedSchedule => ({ trigger, spaceId: null, intervalMs })),
    plan: async (_tx, trigger) => planned(trigger),
  };
  const scheduler = (own: Partial<ScheduleSource> = {}, on: Database = database): Scheduler =>
    createScheduler({
      database: on,
      sources: [{ ...source, ...own }],
      upToDateMs: 0,
      log: { warn: (fields) => void warnings.push(fields) },
    });
  return {
    database,
    wanted,
    warnings,
    scheduler,
    /** As if so much time had passed: what is due comes closer. */
    async pass(ms: number): Promise<void> {
      await database.execute(
        `UPDATE schedules SET next_due = next_due - $1 * interval '1 millisecond', last_due = last_due - $1 * interval '1 millisecond',
                created_at = created_at - $1 * interval '1 millisecond'`,
        [ms],
      );
      // By way of a time where none is, since one row after the other is moved and no two may meet.
      await database.execute(`UPDATE schedule_firings SET due_at = due_at - interval '1000 years'`);
      await database.execute(`UPDATE schedule_firings SET due_at = due_at + interval '1000 years' - $1 * interval '1 millisecond'`, [ms]);
    },
    tasks: () => database.query<TaskRow>(`SELECT id, name, description, state, arguments FROM tasks ORDER BY number`),
    firings: () =>
      database.query<{ due_at: Date; task_id: string | null; missed_count: number; missed_from: Date | null; missed_to: Date | null }>(
        `SELECT due_at, task_id, missed_count, missed_from, missed_to FROM schedule_firings ORDER BY due_at`,
      ),
    /** All tasks so far have ended. */
    async endTasks(): Promise<void> {
      await database.execute(`DELETE FROM task_queue`);
      await database.execute(`UPDATE tasks SET state = 'Success', completed_at = now() WHERE completed_at IS NULL`);
    },
    due: async () =>
      (await database.query<{ next_due: Date }>(`SELECT next_due FROM schedules ORDER BY trigger`)).map((row) => row.next_due),
  };
}
interface TaskRow {
  id: string;
  name: string;
  description: string;
  state: string;
  arguments: Record<string, string | number>;
}

function planned(trigger: string) {
  return {
    spaceId: null,
    name: "Test",
    description: `Do ${trigger}`,
    arguments: { trigger },
    argumentsVersion: 1,
    relatedDocumentIds: [trigger],
  };
}

describe("D10: schedules", () => {
  test("a new trigger is due after its interval, and then once an interval, with task, event and due time", async (t) => {
    const { scheduler, pass, tasks, firings, endTasks, database } = await stage(t, { "Test/1": hourMs });
    const one = scheduler();
    assert.deepEqual(await one.look(), []);
    await pass(hourMs - 60_000);
    assert.deepEqual(await one.look(), []);
    await pass(60_000);
    assert.equal((await one.look()).length, 1);
    assert.deepEqual(await one.look(), []);
    const [task] = await tasks();
    const [firing] = await firings();
    assert.deepEqual([task!.name, task!.description, task!.arguments["trigger"]], ["Test", "Do Test/1", "Test/1"]);
    assert.equal(task!.arguments["dueAt"], firing!.due_at.toISOString());
    assert.deepEqual([firing!.task_id, firing!.missed_count, firing!.missed_from], [task!.id, 0, null]);
    const events = await database.query<{ category: string }>(`SELECT category FROM events WHERE $1 = ANY (related_document_ids)`, [
      task!.id,
    ]);
    assert.deepEqual(events, [{ category: "TaskQueued" }]);
    await endTasks();
    await pass(hourMs);
    assert.equal((await one.look()).length, 1);
    assert.equal((await firings()).length, 2);
  });

  test("eight nodes that look at the same moment fire each due time once", async (t) => {
    const triggers = Object.fromEntries(Array.from({ length: 25 }, (_, n) => [`Test/${n}`, hourMs]));
    const { scheduler, pass, tasks, firings, endTasks, warnings } = await stage(t, triggers);
    const nodes = Array.from({ length: 8 }, () => scheduler());
    await Promise.all(nodes.map((node) => node.look()));
    for (let round = 1; round <= 4; round++) {
      await pass(hourMs);
      await Promise.all(nodes.map((node) => node.look()));
      // A node that finds a trigger held passes it over; whoever holds it has fired it.
      assert.equal((await tasks()).length, round * 25);
      await endTasks();
    }
    assert.equal((await firings()).length, 100);
    assert.deepEqual(warnings, [], "losing a race is silent");
  });

  test("while one node fires, another passes the trigger over at once, also when it would see a later due time", async (t) => {
    const { scheduler, pass, tasks, firings, database } = await stage(t, { "Test/1": 1_000 });
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: inside, resolve: entered } = Promise.withResolvers<void>();
    const slow = scheduler({
      plan: async (_tx, trigger) => {
        entered();
        await gate;
        return planned(trigger);
      },
    });
    await scheduler().look();
    await pass(1_000);
    const firing = slow.look();
    await inside;
    const heldSince = await now(database);
    await eventually("a later due time has come", async () => (await now(database)) - heldSince > 1_200);
    const other = scheduler().look();
    // Without the lock the other waits here for the first, or fires what the first will have passed over.
    await Promise.race([other, eventually("the other is held up", async () => (await lockWaits(database)) > 0, 5_000).catch(() => {})]);
    open();
    await Promise.all([firing, other]);
    assert.equal((await tasks()).length, 1);
    assert.equal((await firings()).length, 1);
  });

  test("a node that dies at any statement of a firing leaves nothing behind, and the next look fires the due time", async (t) => {
    const { scheduler, pass, tasks, firings, endTasks, database, warnings } = await stage(t, { "Test/1": hourMs });
    await scheduler().look();
    let statements = 0;
    for (let dieAt = 1; ; dieAt++) {
      await pass(hourMs);
      const before = (await tasks()).length;
      statements = 0;
      const dying: Database = {
        ...database,
        transaction: (work) =>
          database.transaction((tx) => {
            const step = async <R>(run: () => Promise<R>): Promise<R> => {
              statements += 1;
              if (statements === dieAt) throw new Error("killed");
              return run();
            };
            const mortal: Transaction = {
              ...tx,
              query: (text, values, options) => step(() => tx.query(text, values, options)) as never,
              execute: (text, values, options) => step(() => tx.execute(text, values, options)),
            };
            return work(mortal);
          }),
      };
      const fired = await scheduler({}, dying).look();
      if (fired.length === 1) break; // it has come to its end: there is no further statement to die at
      assert.equal((await tasks()).length, before, `statement ${dieAt}: no task without its firing`);
      assert.equal((await firings()).length, before, `statement ${dieAt}: no firing without its task`);
      assert.equal((await scheduler().look()).length, 1, `statement ${dieAt}: the due time is not lost`);
      assert.equal((await scheduler().look()).length, 0);
      await endTasks();
    }
    assert.ok(statements >= 6, `${statements} statements`);
    assert.equal((await firings()).length, (await tasks()).length);
    assert.equal(warnings.length, statements, "each death was told");
  });

  test("after an outage the latest due time fires once and tells which ones it passed over", async (t) => {
    const { scheduler, pass, tasks, firings, due } = await stage(t, { "Test/1": hourMs });
    const [one, other] = [scheduler(), scheduler()];
    await one.look();
    const [first] = await due();
    await pass(5 * hourMs + 60_000);
    await Promise.all([one.look(), other.look()]);
    const [firing, ...more] = await firings();
    const at = (hours: number) => new Date(first!.getTime() - 5 * hourMs - 60_000 + hours * hourMs);
    assert.deepEqual(more, []);
    assert.deepEqual([firing!.due_at, firing!.missed_count, firing!.missed_from, firing!.missed_to], [at(4), 4, at(0), at(3)]);
    const [task] = await tasks();
    assert.deepEqual(
      [task!.arguments["dueAt"], task!.arguments["missedFrom"], task!.arguments["missedTo"], task!.arguments["missedCount"]],
      [at(4).toISOString(), at(0).toISOString(), at(3).toISOString(), 4],
    );
    assert.deepEqual(await due(), [at(5)], "the next one keeps the beat");
  });

  test("a due time that was fired is not fired again, though the schedule's row was put back", async (t) => {
    const { scheduler, pass, tasks, endTasks, database, due } = await stage(t, { "Test/1": hourMs });
    await scheduler().look();
    await pass(hourMs);
    await scheduler().look();
    await endTasks();
    const [next] = await due();
    await database.execute(`UPDATE schedules SET next_due = last_due`);
    assert.deepEqual(await scheduler().look(), []);
    assert.equal((await tasks()).length, 1);
    assert.deepEqual(await due(), [next], "it goes on where it was");
  });

  test("a schedule waits for its last task: never two of one, and what came due meanwhile is fired when it has ended", async (t) => {
    const { scheduler, pass, firings, endTasks } = await stage(t, { "Test/1": hourMs });
    await scheduler().look();
    await pass(hourMs);
    await scheduler().look();
    await pass(3 * hourMs);
    assert.deepEqual(await scheduler().look(), [], "the first still runs");
    await endTasks();
    assert.equal((await scheduler().look()).length, 1);
    assert.deepEqual(
      (await firings()).map((row) => row.missed_count),
      [0, 2],
    );
  });

  test("a changed interval counts from the last due time, a trigger that is not wanted goes, a due time without work passes", async (t) => {
    const { scheduler, pass, tasks, wanted, due, endTasks, firings } = await stage(t, { "Test/1": hourMs });
    await scheduler().look();
    await pass(hourMs);
    await scheduler().look();
    await endTasks();
    const [{ due_at: last } = { due_at: new Date(0) }] = await firings();
    wanted.set("Test/1", 3 * hourMs);
    await scheduler().look();
    assert.deepEqual(await due(), [new Date(last.getTime() + 3 * hourMs)]);
    wanted.set("Test/1", hourMs / 2);
    await pass(hourMs / 2);
    assert.equal((await scheduler().look()).length, 1, "a shorter interval is in force at once");
    await endTasks();
    await pass(hourMs / 2);
    assert.deepEqual(await scheduler({ plan: async () => undefined }).look(), []);
    assert.equal((await scheduler().look()).length, 0, "that due time is over");
    wanted.clear();
    await scheduler().look();
    assert.deepEqual(await due(), []);
    assert.equal((await tasks()).length, 2);
  });
});

async function now(database: Database): Promise<number> {
  const [row] = await database.query<{ ms: number }>(`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`);
  return row!.ms;
}

async function lockWaits(database: Database): Promise<number> {
  const [row] = await database.query<{ count: number }>(`SELECT count(*) AS count FROM pg_locks WHERE NOT granted`);
  return row!.count;
}
