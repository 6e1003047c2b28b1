// Tasks that start at a time of their own, and tasks that give up when no node has started them by then. Such a task is acknowledged like any
// other, but joins the queue, and the line behind its tag, only when it is due. Every node looks and any may act: the transaction that deletes
// the timer is the one that does what it stands for, so a node that dies has done all of it or nothing.

import { recordEvent, systemActor } from "../../platform/audit/audit.ts";
import type { Database } from "../../platform/database/database.ts";
import { encodeHint } from "./queue-hints.ts";
import { eventCategory } from "./task-events.ts";
import { expireTask, findTimedTask, lockTagOf, promoteNext, queueTask, taskChannel } from "./task-store.ts";
import { listDueTimers, takeDueTimer } from "./task-timer-store.ts";
import type { TimerAction } from "./task-timer-store.ts";

/** How often each node looks; a start or an expiry is at most so late while any node lives. */
export const timerLookMs = 1_000;
/** Done at one look; the rest is found by the next. */
const timersPerLookMax = 200;

export interface TaskTimers {
  /** One look. Answers the tasks for which something was done here. */
  look(): Promise<string[]>;
}

export function createTaskTimers(parts: { database: Database; log: { warn(fields: object, message: string): void } }): TaskTimers {
  const { database, log } = parts;

  /** False: another node was faster, or the task had begun or ended in time. */
  async function act(taskId: string, action: TimerAction): Promise<boolean> {
    return database.transaction(async (tx) => {
      const task = await findTimedTask(tx, taskId);
      if (task === undefined) return false;
      await lockTagOf(tx, task.tag);
      if (!(await takeDueTimer(tx, { taskId, action }))) return false;
      if (action === "start" && !task.isExpired) {
        const queued = await queueTask(tx, taskId);
        if (queued?.isEligible === true) tx.notify(taskChannel, encodeHint({ kind: "queued", taskId }));
        return queued !== undefined;
      }
      const message = `No node started it by ${task.expiresAt?.toISOString() ?? "the time it was given"}.`;
      if (!(await expireTask(tx, taskId, message, action === "start" ? "outside" : "queued"))) return false;
      await promoteNext(tx, task.tag);
      await recordEvent(tx, {
        spaceId: task.spaceId,
        category: eventCategory(task.name, "Failed"),
        actor: systemActor,
        message: `${task.description} timed out: ${message}`,
        relatedDocumentIds: [taskId, ...task.relatedDocumentIds],
      });
      tx.notify(taskChannel, encodeHint({ kind: "changed", taskId }));
      return true;
    });
  }

  return {
    async look() {
      const acted: string[] = [];
      for (const { taskId, action } of await listDueTimers(database, timersPerLookMax)) {
        try {
          if (await act(taskId, action)) acted.push(taskId);
        } catch (error) {
          // An unknown commit needs no decision: the timer is there at the next look, or it is not.
          log.warn({ err: error, task: taskId, action }, "What was due for a task could not be done; trying again at the next look.");
        }
      }
      return acted;
    },
  };
}
