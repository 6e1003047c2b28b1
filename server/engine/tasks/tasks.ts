// The task engine's public face: enqueue, cancel, run, read the log. A task is acknowledged when the transaction that enqueues it
// commits; from then on it reaches exactly one final state, whichever nodes die.

import type { Actor } from "../../platform/audit/audit.ts";
import { recordEvent } from "../../platform/audit/audit.ts";
import type { Queryable, Transaction } from "../../platform/database/database.ts";
import { problem } from "../../base/problems.ts";
import { encodeHint } from "./queue-hints.ts";
import { eventCategory } from "./task-events.ts";
import {
  findTaskForCancel,
  finishQueuedTask,
  insertTask,
  insertTimedTask,
  lockTagOf,
  lockTask,
  markCancel,
  promoteNext,
  queueTask,
  resumePausedTask,
  taskChannel,
} from "./task-store.ts";
import type { NewTask, TaskTimes } from "./task.ts";
import { deleteTimers, insertTimers, judgeTimes } from "./task-timer-store.ts";

export type { BlockStatus, LogCategory, LogEntry, LogProgress } from "./log-entry.ts";
export { logCategories, logFormatVersion } from "./log-entry.ts";
export type { EngineLog, TaskEngine, TaskEngineParts } from "./task-engine.ts";
export { createTaskEngine } from "./task-engine.ts";
export type { LogFiles } from "./task-files.ts";
export { removeTaskFiles, sweepTaskFiles } from "./task-files.ts";
export type { LogFolder, PartFile } from "./task-log.ts";
export type { FeedItem, TaskLogFeed } from "./task-log-feed.ts";
export { createTaskLogFeed } from "./task-log-feed.ts";
export type { LogLines, NumberedLine, TaskLogIndex } from "./task-log-index.ts";
export { createTaskLogIndex } from "./task-log-index.ts";
export { LogPartMissing } from "./task-log-pieces.ts";
export type { PlacedEntry } from "./task-log-pieces.ts";
export { formatPosition, logStart, parsePosition } from "./task-log-position.ts";
export { readTaskLog } from "./task-log-reader.ts";
export type { FollowedTask } from "./task-log-store.ts";
export { deleteEndedTasks } from "./task-store.ts";
export type { TaskTimers } from "./task-timers.ts";
export { createTaskTimers, timerLookMs } from "./task-timers.ts";
export type { ClaimedTask, Json, NewTask, TaskHandler, TaskLog, TaskOutcome, TaskRun, TaskState, TaskTimes } from "./task.ts";
export { LeaseLost, taskStates } from "./task.ts";

/**
 * Adds a task in the caller's transaction, with its event; at commit this node is woken, or another one. One that waits for an earlier one of its
 * tag wakes nobody: whoever ends that one looks. Answers the task's id.
 */
export async function enqueueTask(tx: Transaction, task: NewTask): Promise<string> {
  if (task.times !== undefined) return await enqueueTimed(tx, task, task.times);
  const { id, isEligible } = await insertTask(tx, task);
  await recordEvent(tx, {
    spaceId: task.spaceId,
    category: eventCategory(task.name, "Queued"),
    actor: task.actor,
    message: `${task.description} was queued`,
    relatedDocumentIds: [id, ...(task.relatedDocumentIds ?? [])],
  });
  if (isEligible) tx.notify(taskChannel, encodeHint({ kind: "queued", taskId: id }));
  return id;
}

/** As clients know it: no task is planned further ahead than this. */
const aheadDaysMax = 30;

/**
 * The times a task is given, checked. `names` is what the request calls them. Undefined: it has none.
 * @throws Problem 400 for a time that cannot be kept
 */
export async function readTimes(
  db: Queryable,
  wanted: { startsAt: string | null | undefined; expiresAt: string | null | undefined },
  names: { startsAt: string; expiresAt: string },
): Promise<TaskTimes | undefined> {
  const startsAt = wanted.startsAt || null;
  const expiresAt = wanted.expiresAt || null;
  if (startsAt === null && expiresAt === null) return undefined;
  const judged = await judgeTimes(db, { startsAt, expiresAt, aheadDaysMax });
  const faults: string[] = [];
  if (judged.isTooFarAhead) faults.push(`${names.startsAt} is more than ${aheadDaysMax} days ahead. Choose an earlier time.`);
  if (judged.isExpired)
    faults.push(`${names.expiresAt} must be after ${startsAt === null ? "now" : names.startsAt}, or the task would end before it starts.`);
  if (judged.isExpiryTooFarAhead)
    faults.push(`${names.expiresAt} is more than ${aheadDaysMax} days after the start. Choose an earlier time, or leave it out.`);
  if (faults.length > 0) throw problem.invalid(faults);
  return { startsAt, expiresAt, isLater: judged.isLater };
}

async function enqueueTimed(tx: Transaction, task: NewTask, times: TaskTimes): Promise<string> {
  await lockTagOf(tx, times.isLater ? null : task.concurrencyTag);
  const id = await insertTimedTask(tx, task, times);
  await insertTimers(tx, id, { start: times.isLater ? times.startsAt : null, expire: times.expiresAt });
  const queued = times.isLater ? undefined : await queueTask(tx, id);
  await recordEvent(tx, {
    spaceId: task.spaceId,
    category: eventCategory(task.name, "Queued"),
    actor: task.actor,
    message: `${task.description} was queued${times.isLater ? `, to start at ${new Date(times.startsAt!).toISOString()}` : ""}`,
    relatedDocumentIds: [id, ...(task.relatedDocumentIds ?? [])],
  });
  if (queued?.isEligible === true) tx.notify(taskChannel, encodeHint({ kind: "queued", taskId: id }));
  return id;
}

/**
 * Asks for a task to be cancelled. A queued one is Canceled at once; a running one is told, whichever node runs it or takes it
 * over; one that has ended is left as it is.
 * @throws Problem 404 when there is no such task
 */
export async function requestCancel(tx: Transaction, taskId: string, actor: Actor): Promise<void> {
  const found = await findTaskForCancel(tx, taskId);
  if (found === undefined) throw problem.notFound("task", taskId);
  await lockTagOf(tx, found.tag);
  let was = await markCancel(tx, taskId);
  if (was !== "running" && (await deleteTimers(tx, taskId)) && was === "gone") was = "queued";
  if (was === "gone") return;
  await recordEvent(tx, {
    spaceId: found.spaceId,
    category: eventCategory("", "Canceled"),
    actor,
    message: was === "queued" ? `${found.description} was canceled` : `${found.description}: cancellation was requested`,
    relatedDocumentIds: [taskId, ...found.relatedDocumentIds],
  });
  if (was === "queued") await finishQueuedTask(tx, taskId, "Canceled");
  await promoteNext(tx, found.tag);
  tx.notify(taskChannel, encodeHint({ kind: "changed", taskId }));
}

/**
 * Stores the answer that a waiting task waits for, and lets any node go on with it. `answer` runs with the task locked, so the node that is about
 * to let go of it sees either the answer or a task that is not waiting yet. False: the task has ended, and nothing was stored.
 */
export async function resumeTask(tx: Transaction, taskId: string, answer: () => Promise<void>): Promise<boolean> {
  const tag = (await findTaskForCancel(tx, taskId))?.tag ?? null;
  await lockTagOf(tx, tag);
  if (!(await lockTask(tx, taskId))) return false;
  await answer();
  await resumePausedTask(tx, taskId, tag);
  tx.notify(taskChannel, taskId);
  return true;
}
