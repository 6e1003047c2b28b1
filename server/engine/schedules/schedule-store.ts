// SQL of schedules and their firings; the only writer of both tables. Every time in it is the database's: no node's clock has a say.

import type { Queryable, Transaction } from "../../platform/database/database.ts";

/** A trigger that has to exist. */
export interface WantedSchedule {
  trigger: string;
  spaceId: string | null;
  intervalMs: number;
}

/** The triggers of a kind as they are stored, with their intervals. */
export async function listIntervals(database: Queryable, kind: string): Promise<Map<string, number>> {
  const rows = await database.query<{ trigger: string; interval_ms: number }>(
    `SELECT trigger, interval_ms FROM schedules WHERE kind = $1`,
    [kind],
    { name: "schedule-intervals" },
  );
  return new Map(rows.map((row) => [row.trigger, row.interval_ms]));
}

/** Lets one transaction at a time change the triggers of a kind. False: another one is at it. */
export async function lockKind(tx: Transaction, kind: string): Promise<boolean> {
  const [row] = await tx.query<{ locked: boolean }>(`SELECT pg_try_advisory_xact_lock(hashtextextended($1, 7002)) AS locked`, [kind], {
    name: "schedule-lock-kind",
  });
  return row?.locked === true;
}

/**
 * Makes the triggers of a kind what is wanted. A new one is due after its interval; one whose interval has changed is due the new interval
 * after its last due time, or after it was made; one that is not wanted any more goes, with its firings.
 */
export async function replaceSchedules(tx: Transaction, kind: string, wanted: readonly WantedSchedule[]): Promise<void> {
  const triggers = wanted.map((one) => one.trigger);
  await tx.execute(`DELETE FROM schedules WHERE kind = $1 AND trigger <> ALL ($2)`, [kind, triggers], { name: "schedule-remove" });
  await tx.execute(
    `INSERT INTO schedules AS known (trigger, kind, space_id, interval_ms, created_at, next_due)
     SELECT w.trigger, $1, w.space_id, w.interval_ms, made.at, made.at + w.interval_ms * interval '1 millisecond'
     FROM unnest($2::text[], $3::text[], $4::bigint[]) AS w (trigger, space_id, interval_ms),
          (SELECT date_trunc('milliseconds', clock_timestamp()) AS at) made
     ON CONFLICT (trigger) DO UPDATE
       SET interval_ms = EXCLUDED.interval_ms,
           next_due = coalesce(known.last_due, known.created_at) + EXCLUDED.interval_ms * interval '1 millisecond'
       WHERE known.interval_ms <> EXCLUDED.interval_ms`,
    [kind, triggers, wanted.map((one) => one.spaceId), wanted.map((one) => one.intervalMs)],
    { name: "schedule-want" },
  );
}

/** A trigger is due when its time has come and its last task has ended: a schedule never queues a second run of itself. */
const isDue = `s.next_due <= clock_timestamp() AND NOT EXISTS (SELECT 1 FROM task_queue q WHERE q.task_id = s.last_task_id)`;

/** Triggers that are due, the most overdue first. */
export async function listDue(database: Queryable, most: number): Promise<{ trigger: string; kind: string }[]> {
  return database.query<{ trigger: string; kind: string }>(
    `SELECT s.trigger, s.kind FROM schedules s WHERE ${isDue} ORDER BY s.next_due LIMIT $1`,
    [most],
    { name: "schedule-due" },
  );
}

/**
 * Holds a due trigger until the end of the transaction. Answers how many whole intervals have passed since its next due time, so many due
 * times were missed before the latest one. Undefined: it is not due any more, or another node is firing it.
 */
export async function lockDue(tx: Transaction, trigger: string): Promise<{ missed: number } | undefined> {
  const [row] = await tx.query<{ missed: number }>(
    `SELECT floor(extract(epoch FROM clock_timestamp() - s.next_due) * 1000)::bigint / s.interval_ms AS missed
     FROM schedules s WHERE s.trigger = $1 AND ${isDue} FOR UPDATE SKIP LOCKED`,
    [trigger],
    { name: "schedule-lock" },
  );
  return row;
}

/** The latest due time of a trigger, and the older ones that are passed over for it. */
export interface DueTime {
  dueAt: Date;
  missed: { from: Date; to: Date; count: number } | null;
}

/** Writes down that the latest due time is fired. Undefined: it was fired before. The trigger is locked. */
export async function insertFiring(tx: Transaction, trigger: string, missed: number): Promise<DueTime | undefined> {
  const [row] = await tx.query<{ due_at: Date; missed_from: Date | null; missed_to: Date | null; missed_count: number }>(
    `INSERT INTO schedule_firings (trigger, due_at, missed_from, missed_to, missed_count)
     SELECT trigger, next_due + $2::bigint * interval_ms * interval '1 millisecond',
            CASE WHEN $2::bigint > 0 THEN next_due END,
            CASE WHEN $2::bigint > 0 THEN next_due + ($2::bigint - 1) * interval_ms * interval '1 millisecond' END, $2::bigint
     FROM schedules WHERE trigger = $1
     ON CONFLICT ON CONSTRAINT schedule_firings_once DO NOTHING
     RETURNING due_at, missed_from, missed_to, missed_count`,
    [trigger, missed],
    { name: "schedule-fire" },
  );
  return (
    row && {
      dueAt: row.due_at,
      missed: row.missed_from === null || row.missed_to === null ? null : { from: row.missed_from, to: row.missed_to, count: missed },
    }
  );
}

export async function setFiringTask(tx: Transaction, trigger: string, dueAt: Date, taskId: string): Promise<void> {
  await tx.execute(`UPDATE schedule_firings SET task_id = $3 WHERE trigger = $1 AND due_at = $2`, [trigger, dueAt, taskId], {
    name: "schedule-task",
  });
}

/** Goes on to the due time after the latest one. The trigger is locked; without a task the last one stays what it was. */
export async function advanceSchedule(tx: Transaction, trigger: string, missed: number, taskId: string | null): Promise<void> {
  await tx.execute(
    `UPDATE schedules SET last_due = next_due + $2::bigint * interval_ms * interval '1 millisecond',
            next_due = next_due + ($2::bigint + 1) * interval_ms * interval '1 millisecond', last_task_id = coalesce($3, last_task_id)
     WHERE trigger = $1`,
    [trigger, missed, taskId],
    { name: "schedule-advance" },
  );
}
