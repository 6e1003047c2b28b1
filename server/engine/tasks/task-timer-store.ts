// SQL of what is due for a task at a time of its own; the only writer of that table. The clock is the database's, as for leases.

import type { Queryable, Transaction } from "../../platform/database/database.ts";

export type TimerAction = "start" | "expire";

/** How the times that are asked for stand to the clock of the database. */
export interface JudgedTimes {
  isLater: boolean;
  isTooFarAhead: boolean;
  isExpired: boolean;
  isExpiryTooFarAhead: boolean;
}

export async function judgeTimes(
  db: Queryable,
  times: { startsAt: string | null; expiresAt: string | null; aheadDaysMax: number },
): Promise<JudgedTimes> {
  const [row] = await db.query<{ later: boolean; far: boolean; expired: boolean; expiry_far: boolean }>(
    `SELECT coalesce($1::timestamptz > clock_timestamp(), false) AS later,
            coalesce($1::timestamptz > clock_timestamp() + $3 * interval '1 day', false) AS far,
            coalesce($2::timestamptz <= greatest($1::timestamptz, clock_timestamp()), false) AS expired,
            coalesce($2::timestamptz > greatest($1::timestamptz, clock_timestamp()) + $3 * interval '1 day', false) AS expiry_far`,
    [times.startsAt, times.expiresAt, times.aheadDaysMax],
  );
  return {
    isLater: row?.later === true,
    isTooFarAhead: row?.far === true,
    isExpired: row?.expired === true,
    isExpiryTooFarAhead: row?.expiry_far === true,
  };
}

export async function insertTimers(tx: Transaction, taskId: string, due: { start: string | null; expire: string | null }): Promise<void> {
  await tx.execute(
    `INSERT INTO task_timers (task_id, action, due_at)
     SELECT $1, action, due_at FROM (VALUES ('start', $2::timestamptz), ('expire', $3::timestamptz)) AS wanted (action, due_at)
      WHERE due_at IS NOT NULL`,
    [taskId, due.start, due.expire],
  );
}

/** Due ones, the earliest first: a start comes before the expiry of the same task. */
export async function listDueTimers(db: Queryable, most: number): Promise<{ taskId: string; action: TimerAction }[]> {
  const rows = await db.query<{ task_id: string; action: TimerAction }>(
    `SELECT task_id, action FROM task_timers WHERE due_at <= now() ORDER BY due_at, action DESC LIMIT $1`,
    [most],
    { name: "task-timers-due" },
  );
  return rows.map((row) => ({ taskId: row.task_id, action: row.action }));
}

/** True: the caller's transaction is the one that does what was due. */
export async function takeDueTimer(tx: Transaction, timer: { taskId: string; action: TimerAction }): Promise<boolean> {
  const count = await tx.execute(`DELETE FROM task_timers WHERE task_id = $1 AND action = $2 AND due_at <= now()`, [
    timer.taskId,
    timer.action,
  ]);
  return count === 1;
}

/** Answers whether the task was still to start later. */
export async function deleteTimers(tx: Transaction, taskId: string): Promise<boolean> {
  const rows = await tx.query<{ action: TimerAction }>(`DELETE FROM task_timers WHERE task_id = $1 RETURNING action`, [taskId], {
    name: "task-timers-delete",
  });
  return rows.some((row) => row.action === "start");
}
