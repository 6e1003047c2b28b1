// SQL of tasks and of the queue; the only writer of both tables. The lock order everywhere is: tag, then task, so that
// taking the next head of a tag never waits for somebody who waits for us.

import type { Queryable, Transaction } from "../../platform/database/database.ts";
import { nextId } from "../../platform/database/database.ts";
import type { ClaimedTask, Json, NewTask, TaskState } from "./task.ts";

/** Channel on which a change of the queue is hinted. Only wakes; every waiter also polls. */
export const taskChannel = "cuttle_tasks";

/**
 * Who freezes in the middle of a transaction that holds a lock on a task or tag holds it no longer than so long after its last statement: less
 * than a lease, since a takeover passes over what is locked, and enqueueing and finishing wait for it. Whoever was only slow does it again.
 */
const heldMsMax = 2_000;
const holdShortly = `set_config('idle_in_transaction_session_timeout', '${heldMsMax}', true)`;

const lockTag = `SELECT pg_advisory_xact_lock(hashtextextended($1, 7001)), ${holdShortly}`;

/**
 * What a claim takes besides queued tasks: a lease that has been over for so long, or a task that waits for a person and is to be cancelled. A
 * waiting task is `running` for its tag, so that the next one of it stays behind, but has no owner and a lease that never ends.
 */
const isForfeited = (overdueMs: string): string =>
  `state = 'running' AND (lease_until < now() - ${overdueMs} * interval '1 millisecond' OR (owner IS NULL AND cancel_requested))`;

/** What both ways of adding a task store of it, as $1 to $12. */
function taskValues(id: string, number: number, task: NewTask): unknown[] {
  return [
    id,
    number,
    task.spaceId,
    task.name,
    task.description,
    JSON.stringify(task.arguments),
    task.argumentsVersion,
    task.concurrencyTag,
    task.projectId ?? null,
    task.environmentId ?? null,
    task.actor.userId,
    task.relatedDocumentIds ?? [],
  ];
}

/**
 * Adds a task to the queue. It is eligible at once unless an unfinished task holds its tag. The two states are asked for one by one, since
 * each has an index by tag of its own.
 */
export async function insertTask(tx: Transaction, task: NewTask): Promise<{ id: string; isEligible: boolean }> {
  const { id, number } = await nextId(tx, "ServerTasks");
  if (task.concurrencyTag !== null) await tx.query(lockTag, [task.concurrencyTag], { name: "task-lock-tag" });
  const [queued] = await tx.query<{ is_head: boolean }>(
    `WITH inserted AS (
       INSERT INTO tasks (id, number, space_id, name, description, arguments, arguments_version, state, concurrency_tag,
                          project_id, environment_id, created_by, related_document_ids)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 'Queued', $8::text, $9, $10, $11, $12)
       RETURNING id)
     INSERT INTO task_queue (task_id, position, tag, is_head, state)
     SELECT id, nextval('task_positions'), $8::text,
            $8::text IS NULL OR NOT (EXISTS (SELECT 1 FROM task_queue WHERE tag = $8::text AND state = 'running')
                                     OR EXISTS (SELECT 1 FROM task_queue WHERE tag = $8::text AND state = 'queued')), 'queued'
     FROM inserted
     RETURNING is_head`,
    taskValues(id, number, task),
    { name: "task-insert" },
  );
  return { id, isEligible: queued?.is_head === true };
}

/**
 * Adds a task that has times of its own, without its place in the queue. It shows as queued from its start on, as clients expect.
 * Times are ISO texts; null: at once, or never.
 */
export async function insertTimedTask(
  tx: Transaction,
  task: NewTask,
  times: { startsAt: string | null; expiresAt: string | null },
): Promise<string> {
  const { id, number } = await nextId(tx, "ServerTasks");
  await tx.execute(
    `INSERT INTO tasks (id, number, space_id, name, description, arguments, arguments_version, state, concurrency_tag,
                        project_id, environment_id, created_by, related_document_ids, queued_at, starts_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 'Queued', $8, $9, $10, $11, $12, greatest($13::timestamptz, now()), $13, $14)`,
    [...taskValues(id, number, task), times.startsAt, times.expiresAt],
  );
  return id;
}

/** Puts a stored task at the end of the queue; the tag's lock comes first. Undefined: it has ended meanwhile, or is there already. */
export async function queueTask(tx: Transaction, taskId: string): Promise<{ isEligible: boolean } | undefined> {
  const [queued] = await tx.query<{ is_head: boolean }>(
    `INSERT INTO task_queue (task_id, position, tag, is_head, state)
     SELECT t.id, nextval('task_positions'), t.concurrency_tag,
            t.concurrency_tag IS NULL OR NOT EXISTS (SELECT 1 FROM task_queue q WHERE q.tag = t.concurrency_tag), 'queued'
     FROM tasks t WHERE t.id = $1 AND t.completed_at IS NULL
     ON CONFLICT (task_id) DO NOTHING
     RETURNING is_head`,
    [taskId],
  );
  return queued && { isEligible: queued.is_head };
}

/** A task that has times of its own. Undefined: it was deleted. */
export async function findTimedTask(
  db: Queryable,
  taskId: string,
): Promise<
  | {
      tag: string | null;
      spaceId: string | null;
      name: string;
      description: string;
      relatedDocumentIds: string[];
      expiresAt: Date | null;
      isExpired: boolean;
    }
  | undefined
> {
  const [row] = await db.query<{
    concurrency_tag: string | null;
    space_id: string | null;
    name: string;
    description: string;
    related_document_ids: string[];
    expires_at: Date | null;
    is_expired: boolean;
  }>(
    `SELECT concurrency_tag, space_id, name, description, related_document_ids, expires_at, coalesce(expires_at <= now(), false) AS is_expired
       FROM tasks WHERE id = $1`,
    [taskId],
  );
  return (
    row && {
      tag: row.concurrency_tag,
      spaceId: row.space_id,
      name: row.name,
      description: row.description,
      relatedDocumentIds: row.related_document_ids,
      expiresAt: row.expires_at,
      isExpired: row.is_expired,
    }
  );
}

/**
 * Ends a task that no node has ever started, in the queue or still outside of it. False: one has, or it has ended. The tag's lock comes first,
 * `promoteNext` after it.
 */
export async function expireTask(tx: Transaction, taskId: string, message: string, where: "queued" | "outside"): Promise<boolean> {
  if (where === "queued") {
    const count = await tx.execute(`DELETE FROM task_queue WHERE task_id = $1 AND state = 'queued' AND epoch = 0`, [taskId]);
    if (count === 0) return false;
  }
  const count = await tx.execute(
    `UPDATE tasks SET state = 'TimedOut', completed_at = clock_timestamp(), error_message = $2, has_warnings_or_errors = true
     WHERE id = $1 AND completed_at IS NULL`,
    [taskId, message],
  );
  return count === 1;
}

/** Hints at a task on the channel of tasks; in a statement of its own, since transactions that notify commit one after the other. */
export async function sendHint(database: Queryable, payload: string): Promise<void> {
  await database.execute(`SELECT pg_notify($1, $2)`, [taskChannel, payload], { name: "task-hint" });
}

interface ClaimRow {
  id: string;
  space_id: string | null;
  name: string;
  description: string;
  arguments: Json;
  arguments_version: number;
  concurrency_tag: string | null;
  related_document_ids: string[];
  epoch: number;
  cancel_requested: boolean;
  plan: Json;
  plan_version: number | null;
  first_run: boolean;
}

/** How much a node may claim. */
export interface ClaimLimits {
  /** Tasks in all, new ones among them. */
  fresh: number;
  /** Tasks whose owner let its lease end; they are taken first. 0: none are looked for. */
  takeovers: number;
  /** Their leases must have ended so long ago: others that have more room for them go first. */
  overdueMs: number;
}

/** What a look at the queue says. */
export interface QueueLook {
  /** Whether there may be something to claim. */
  found: boolean;
  /** Milliseconds until the next lease ends that nobody renews, with what it must be overdue; null: none, or not looked for. */
  nextTakeoverMs: number | null;
}

/**
 * Looks whether there may be something to claim, and when the next lease could end. One statement instead of the three of a claim that finds
 * nothing, since each node looks several times a second. What was begun is walked once for both answers: with an old snapshot open, dead entries
 * make that walk long.
 */
export async function lookAtQueue(database: Queryable, limits: ClaimLimits): Promise<QueueLook> {
  const [row] = await database.query<{ found: boolean; next_takeover_ms: number | null }>(
    `SELECT ($1 AND EXISTS (SELECT 1 FROM task_queue WHERE state = 'queued' AND is_head)) OR coalesce(is_forfeited, false) AS found,
            next_takeover_ms
     FROM (
       SELECT bool_or(${isForfeited("$3")}) AS is_forfeited,
              (extract(epoch FROM min(lease_until)
                 FILTER (WHERE lease_until >= now() - $3 * interval '1 millisecond' AND lease_until < 'infinity') - now()) * 1000 + $3
              )::float8 AS next_takeover_ms
       FROM task_queue WHERE $2 AND state = 'running') AS begun`,
    [limits.fresh > 0, limits.takeovers > 0, limits.overdueMs],
    { name: "task-look" },
  );
  return { found: row?.found === true, nextTakeoverMs: row?.next_takeover_ms ?? null };
}

/**
 * Takes tasks: first those whose owner let its lease end, then, as far as there is still room, the oldest eligible ones. Only the head of a tag
 * is eligible, so one statement can never take two tasks of one tag; the partial unique index stands behind that. The commit need not
 * wait for the disk: a claim that a crash of the database forgets has had no effect, since everything that follows from it is
 * preceded by a commit that does wait, and that one makes this one durable too. The arrays keep the database to its indexes: it takes
 * an unknown limit for a tenth of the queue, and would read all tasks there have ever been to find a few of them.
 *
 * A node that is drained takes nothing from the moment the drain is stored, though it hears of it later: its row is read here, and held against
 * a drain that comes at the same moment. A node without a row enters itself again soon; it is not drained.
 */
export async function claimTasks(
  tx: Transaction,
  claim: ClaimLimits & { owner: string; nodeName: string; leaseMs: number },
): Promise<(ClaimedTask & { firstRun: boolean })[]> {
  const rows = await tx.query<ClaimRow>(
    `WITH own AS (
       SELECT is_in_maintenance_mode AS is_drained FROM server_nodes WHERE lower(name) = lower($2) FOR SHARE
     ), room AS MATERIALIZED (
       SELECT NOT EXISTS (SELECT 1 FROM own WHERE is_drained) AS is_open
     ), expired AS (
       SELECT task_id FROM task_queue
       WHERE $5 > 0 AND ($4 = 0 OR (SELECT is_open FROM room)) AND ${isForfeited("$6")}
       ORDER BY task_id LIMIT $5 FOR UPDATE SKIP LOCKED
     ), ready AS (
       SELECT task_id FROM task_queue
       WHERE state = 'queued' AND is_head AND (SELECT is_open FROM room)
       ORDER BY position LIMIT greatest($4 - (SELECT count(*) FROM expired), 0) FOR UPDATE SKIP LOCKED
     ), claimed AS (
       UPDATE task_queue SET state = 'running', owner = $1, epoch = epoch + 1,
              lease_until = now() + $3 * interval '1 millisecond'
       WHERE task_id = ANY (ARRAY(SELECT task_id FROM expired UNION ALL SELECT task_id FROM ready))
       RETURNING task_id, epoch, cancel_requested
     ), shown AS (
       UPDATE tasks SET state = CASE WHEN claimed.cancel_requested THEN 'Cancelling' ELSE 'Executing' END,
              started_at = coalesce(tasks.started_at, clock_timestamp()), server_node = $2
       FROM claimed WHERE tasks.id = claimed.task_id AND tasks.id = ANY (ARRAY(SELECT task_id FROM claimed))
       RETURNING tasks.*, claimed.epoch, claimed.cancel_requested
     )
     SELECT id, space_id, name, description, arguments, arguments_version, concurrency_tag, related_document_ids,
            epoch, cancel_requested, plan, plan_version, epoch = 1 AS first_run, set_config('synchronous_commit', 'off', true),
            ${holdShortly}
     FROM shown ORDER BY number`,
    [claim.owner, claim.nodeName, claim.leaseMs, claim.fresh, claim.takeovers, claim.overdueMs],
    { name: "task-claim" },
  );
  return rows.map((row) => ({
    id: row.id,
    spaceId: row.space_id,
    name: row.name,
    description: row.description,
    arguments: row.arguments,
    argumentsVersion: row.arguments_version,
    concurrencyTag: row.concurrency_tag,
    relatedDocumentIds: row.related_document_ids,
    epoch: row.epoch,
    cancelRequested: row.cancel_requested,
    plan: row.plan_version === null ? null : { version: row.plan_version, body: row.plan },
    firstRun: row.first_run,
  }));
}

/** Extends the leases this process knows of. A task that is not in the answer is no longer ours. */
export async function renewLeases(
  database: Queryable,
  renewal: { owner: string; leaseMs: number; taskIds: readonly string[] },
): Promise<{ taskId: string; epoch: number; cancelRequested: boolean }[]> {
  const rows = await database.query<{ task_id: string; epoch: number; cancel_requested: boolean }>(
    `UPDATE task_queue SET lease_until = now() + $2 * interval '1 millisecond'
     WHERE task_id = ANY ($3) AND owner = $1 AND state = 'running'
     RETURNING task_id, epoch, cancel_requested`,
    [renewal.owner, renewal.leaseMs, renewal.taskIds],
    { name: "task-renew" },
  );
  return rows.map((row) => ({ taskId: row.task_id, epoch: row.epoch, cancelRequested: row.cancel_requested }));
}

const guard = `FROM task_queue WHERE task_id = $1 AND owner = $2 AND epoch = $3 AND state = 'running'`;

/** Locks the queue row of a task that is ours, in the transaction that is about to write for it. False: it is not ours. */
export async function lockOwnTask(tx: Transaction, lease: { taskId: string; owner: string; epoch: number }): Promise<boolean> {
  const rows = await tx.query(`SELECT ${holdShortly} ${guard} FOR UPDATE`, [lease.taskId, lease.owner, lease.epoch], {
    name: "task-guard",
  });
  return rows.length === 1;
}

/** Whether a task is ours right now: for a decision to send, never for a write. */
export async function ownsTask(database: Queryable, lease: { taskId: string; owner: string; epoch: number }): Promise<boolean> {
  const rows = await database.query(`SELECT 1 ${guard}`, [lease.taskId, lease.owner, lease.epoch], { name: "task-owned" });
  return rows.length === 1;
}

/**
 * Stores the plan unless one is there already; answers the one that counts. The caller has passed the guard. The commit waits for the
 * disk: a crash of the database that forgot the plan but not the claim would leave this node following a plan that nobody else knows.
 */
export async function insertPlan(
  tx: Transaction,
  taskId: string,
  plan: { version: number; body: Json },
): Promise<{ version: number; body: Json }> {
  const [stored] = await tx.query<{ plan: Json; plan_version: number }>(
    `UPDATE tasks SET plan = coalesce(plan, $2), plan_version = coalesce(plan_version, $3) WHERE id = $1
     RETURNING plan, plan_version`,
    [taskId, JSON.stringify(plan.body), plan.version],
    { name: "task-plan" },
  );
  if (stored === undefined) throw new Error(`Task ${taskId} vanished while its plan was stored.`);
  return { version: stored.plan_version, body: stored.plan };
}

/** Serialises everything that changes who is the head of a tag. Must come before the lock on any task of that tag. */
export async function lockTagOf(tx: Transaction, tag: string | null): Promise<void> {
  if (tag !== null) await tx.query(lockTag, [tag], { name: "task-lock-tag" });
}

/**
 * Writes the final state and takes the task off the queue, if this owner still holds it: the condition is the guard. Answers false,
 * and changes nothing, when it does not. The tag lock comes first, `promoteNext` after it.
 */
export async function finishOwnTask(
  tx: Transaction,
  lease: { taskId: string; owner: string; epoch: number },
  finish: { state: TaskState; errorMessage: string | null },
): Promise<boolean> {
  const count = await tx.execute(
    `WITH owned AS (
       DELETE FROM task_queue WHERE task_id = $1 AND owner = $2 AND epoch = $3 AND state = 'running' RETURNING task_id
     )
     UPDATE tasks SET state = $4, completed_at = clock_timestamp(), error_message = $5,
            has_warnings_or_errors = has_warnings_or_errors OR $4 <> 'Success'
     FROM owned WHERE tasks.id = owned.task_id AND completed_at IS NULL
     RETURNING ${holdShortly}`,
    [lease.taskId, lease.owner, lease.epoch, finish.state, finish.errorMessage],
    { name: "task-finish" },
  );
  return count === 1;
}

/** The log of a task holds something to look at, however it ends. The caller has passed the guard. */
export async function markWarned(tx: Transaction, taskId: string): Promise<void> {
  await tx.execute(`UPDATE tasks SET has_warnings_or_errors = true WHERE id = $1 AND NOT has_warnings_or_errors`, [taskId], {
    name: "task-warned",
  });
}

/**
 * Lets go of a task that waits for a person: nobody owns it and no node counts it. `answered`: any node claims it at once. `passing`: it gives its
 * tag away, so that the next one of it may run; the tag's lock came first and `promoteNext` comes after. The caller has passed the guard, and has
 * asked whether there is an answer after that.
 */
export async function pauseOwnTask(tx: Transaction, taskId: string, how: "answered" | "holding" | "passing"): Promise<void> {
  await tx.execute(
    `WITH paused AS (
       UPDATE task_queue SET owner = NULL, lease_until = CASE WHEN $2 THEN '-infinity'::timestamptz ELSE 'infinity' END,
              tag = CASE WHEN $3 THEN NULL ELSE tag END
       WHERE task_id = $1 RETURNING task_id
     )
     UPDATE tasks SET server_node = NULL FROM paused WHERE tasks.id = paused.task_id`,
    [taskId, how === "answered", how === "passing"],
    { name: "task-pause" },
  );
}

/** Locks the queue row of any task that has not ended. False: it has. */
export async function lockTask(tx: Transaction, taskId: string): Promise<boolean> {
  const rows = await tx.query(`SELECT 1 FROM task_queue WHERE task_id = $1 FOR UPDATE`, [taskId], { name: "task-lock" });
  return rows.length === 1;
}

/**
 * Lets any node claim a task that waits; one that somebody holds finds the answer itself. One that gave its tag away is queued for it again, before
 * those that were queued later. The tag's lock and the task's come first.
 */
export async function resumePausedTask(tx: Transaction, taskId: string, tag: string | null): Promise<void> {
  if (tag !== null) {
    const count = await tx.execute(
      `UPDATE task_queue SET state = 'queued', tag = $2, is_head = false, lease_until = NULL
        WHERE task_id = $1 AND state = 'running' AND owner IS NULL AND tag IS NULL AND NOT cancel_requested`,
      [taskId, tag],
      { name: "task-requeue" },
    );
    if (count === 1) {
      // Waits for a claim that is just taking the head: then that one runs, and this one is next.
      await tx.execute(`UPDATE task_queue SET is_head = false WHERE tag = $1 AND state = 'queued' AND is_head`, [tag], {
        name: "task-unhead",
      });
      await promoteNext(tx, tag);
      return;
    }
  }
  await tx.execute(`UPDATE task_queue SET lease_until = '-infinity' WHERE task_id = $1 AND state = 'running' AND owner IS NULL`, [taskId], {
    name: "task-resume",
  });
}

/** Ends a task that nobody runs. Tag lock and row lock come first, `promoteNext` after it. */
export async function finishQueuedTask(tx: Transaction, taskId: string, state: TaskState): Promise<void> {
  await tx.execute(
    `WITH gone AS (DELETE FROM task_queue WHERE task_id = $1)
     UPDATE tasks SET state = $2, completed_at = clock_timestamp() WHERE id = $1 AND completed_at IS NULL`,
    [taskId, state],
    { name: "task-finish-queued" },
  );
}

/** Makes the next task of a tag eligible, when none of it runs. Positions are given under the tag's lock: if one of it is eligible, it is the first. */
export async function promoteNext(tx: Transaction, tag: string | null): Promise<void> {
  if (tag === null) return;
  await tx.execute(
    `UPDATE task_queue SET is_head = true
     WHERE task_id = (SELECT task_id FROM task_queue WHERE tag = $1 AND state = 'queued' ORDER BY position LIMIT 1)
       AND NOT is_head AND NOT EXISTS (SELECT 1 FROM task_queue WHERE tag = $1 AND state = 'running')`,
    [tag],
    { name: "task-promote" },
  );
}

/** A task as the cancel request finds it. Undefined: no such task in that space. */
export async function findTaskForCancel(
  tx: Transaction,
  taskId: string,
): Promise<{ tag: string | null; spaceId: string | null; description: string; relatedDocumentIds: string[] } | undefined> {
  const [row] = await tx.query<{
    concurrency_tag: string | null;
    space_id: string | null;
    description: string;
    related_document_ids: string[];
  }>(`SELECT concurrency_tag, space_id, description, related_document_ids FROM tasks WHERE id = $1`, [taskId], {
    name: "task-find-for-cancel",
  });
  return (
    row && { tag: row.concurrency_tag, spaceId: row.space_id, description: row.description, relatedDocumentIds: row.related_document_ids }
  );
}

/**
 * Marks the task to be cancelled and answers what it is now. `gone`: it has a final state already. One that is queued again after it has waited for a
 * person is nobody's from now on, without its tag, so that any node brings it to its end at once. The tag's lock comes first, `promoteNext` after it.
 */
export async function markCancel(tx: Transaction, taskId: string): Promise<"queued" | "running" | "gone"> {
  const [row] = await tx.query<{ state: "queued" | "running" }>(
    `UPDATE task_queue SET cancel_requested = true, state = CASE WHEN epoch > 0 THEN 'running' ELSE state END,
            tag = CASE WHEN state = 'queued' AND epoch > 0 THEN NULL ELSE tag END,
            is_head = is_head AND NOT (state = 'queued' AND epoch > 0),
            lease_until = CASE WHEN state = 'queued' AND epoch > 0 THEN 'infinity' ELSE lease_until END
     WHERE task_id = $1 RETURNING state`,
    [taskId],
    { name: "task-mark-cancel" },
  );
  if (row === undefined) return "gone";
  if (row.state === "running")
    await tx.execute(`UPDATE tasks SET state = 'Cancelling' WHERE id = $1 AND state = 'Executing'`, [taskId], {
      name: "task-show-cancelling",
    });
  return row.state;
}

/** How long leases last and how often they are renewed: one truth for all nodes. Milliseconds. */
export interface LeaseSettings {
  leaseMs: number;
  renewalMs: number;
  selfStopMs: number;
}

export async function readLeaseSettings(database: Queryable): Promise<Partial<LeaseSettings>> {
  const [row] = await database.query<{ value: Partial<LeaseSettings> }>(`SELECT value FROM cluster_settings WHERE name = 'lease'`, [], {
    name: "lease-settings",
  });
  return row?.value ?? {};
}

/** Ends the leases of a process that lets go, so that others need not wait for them to run out. */
export async function releaseLeases(database: Queryable, owner: string): Promise<void> {
  await database.execute(
    `WITH released AS (UPDATE task_queue SET lease_until = '-infinity' WHERE owner = $1 AND state = 'running' RETURNING task_id)
     SELECT pg_notify('${taskChannel}', task_id) FROM released`,
    [owner],
    { name: "task-release" },
  );
}

/**
 * Deletes tasks that have ended, with their step runs and the rows of their logs, and answers the ids of those it deleted. A task that is
 * queued or runs stays, whoever names it.
 */
export async function deleteEndedTasks(tx: Transaction, ids: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `DELETE FROM tasks t WHERE t.id = ANY ($1) AND t.completed_at IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM task_queue q WHERE q.task_id = t.id)
     RETURNING t.id`,
    [ids],
  );
  return rows.map((row) => row.id);
}

/** Of these ids, those that are tasks; `settled` ended so long ago that nothing about them changes any more. */
export async function listKnownTasks(
  database: Queryable,
  ids: readonly string[],
  settledAfterMs: number,
): Promise<Map<string, { settled: boolean }>> {
  const rows = await database.query<{ id: string; settled: boolean }>(
    `SELECT id, coalesce(completed_at < now() - $2 * interval '1 millisecond', false) AS settled FROM tasks WHERE id = ANY ($1)`,
    [ids, settledAfterMs],
  );
  return new Map(rows.map((row) => [row.id, { settled: row.settled }]));
}

/**
 * The log parts of a task that are stored, and from which epoch on others may still be: the current one of a task that is queued or runs,
 * none of one that has ended. One statement, so one moment. Undefined: there is no such task.
 */
export async function findPartsOf(database: Queryable, taskId: string): Promise<{ files: Set<string>; openFromEpoch: number } | undefined> {
  const [row] = await database.query<{ files: string[]; epoch: number | null }>(
    `SELECT ARRAY(SELECT p.file FROM task_log_parts p WHERE p.task_id = t.id) AS files, q.epoch
     FROM tasks t LEFT JOIN task_queue q ON q.task_id = t.id WHERE t.id = $1`,
    [taskId],
  );
  return row && { files: new Set(row.files), openFromEpoch: row.epoch ?? Infinity };
}
