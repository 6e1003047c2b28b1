// Retention: deletes tasks that ended long ago, with their logs, and leaves every deployment with its task. Its task is due every few hours
// for the whole cluster. Rows go first, files after them: files that a dying node leaves behind are swept like all others without a row.

import type { ScheduleSource } from "../../../engine/schedules/schedules.ts";
import { deleteEndedTasks, removeTaskFiles } from "../../../engine/tasks/tasks.ts";
import type { LogEntry, LogFiles, TaskHandler } from "../../../engine/tasks/tasks.ts";
import { recordEvent, systemActor } from "../../../platform/audit/audit.ts";
import { lockTasksToDelete, readRetentionSettings } from "./retention-store.ts";

const taskName = "Retention";
/** The only trigger of this kind. */
const trigger = "Retention";
/** Settings of the cluster in force when the operator has set none; 0 days keep tasks for ever. */
const finishedTaskDaysDefault = 30;
const everyHoursDefault = 4;
const finishedTaskDaysMax = 36_500;
const everyHoursMax = 24 * 365;
/** Tasks deleted by one transaction. */
const batchMax = 200;
/** Our agents keep a ticket for a week, others for a day. */
const forgetDays = 7;
const rootBlock = "task";

export interface RetentionSettings {
  finishedTaskDays: number;
  everyHours: number;
}

/** What was set, within its limits; whatever is no number there is as if it were not set. */
export function readRetention(stored: Readonly<Record<string, unknown>>): RetentionSettings {
  const within = (value: unknown, usual: number, min: number, max: number): number =>
    typeof value === "number" && Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : usual;
  return {
    finishedTaskDays: Math.ceil(within(stored["finishedTaskDays"], finishedTaskDaysDefault, 0, finishedTaskDaysMax)),
    everyHours: within(stored["everyHours"], everyHoursDefault, 1 / 3_600, everyHoursMax),
  };
}

export const retentionSchedule: ScheduleSource = {
  kind: "Retention",
  async list(database) {
    const { everyHours } = readRetention(await readRetentionSettings(database));
    return [{ trigger, spaceId: null, intervalMs: everyHours * 3_600_000 }];
  },
  plan: async () => ({
    spaceId: null,
    name: taskName,
    description: "Apply retention policies",
    arguments: {},
    argumentsVersion: 1,
    relatedDocumentIds: [],
  }),
};

export function createRetentionTask(parts: { files: LogFiles }): TaskHandler {
  return {
    name: taskName,
    async run(run) {
      const at = () => new Date().toISOString();
      const line = (text: string): LogEntry => ({ kind: "line", block: rootBlock, category: "Info", at: at(), text });
      await run.log.append([
        { kind: "block", id: rootBlock, parent: null, name: run.task.description, at: at() },
        { kind: "status", id: rootBlock, status: "Running", at: at() },
      ]);
      const { finishedTaskDays: days } = await run.guarded(async (tx) => readRetention(await readRetentionSettings(tx)));
      if (days === 0) {
        await run.log.append([line("Finished tasks are kept for ever."), { kind: "status", id: rootBlock, status: "Success", at: at() }]);
        return { state: "Success" };
      }
      let deleted = 0;
      for (;;) {
        if (run.cancelRequested.aborted) return { state: "Canceled" };
        const gone = await run.guarded(async (tx) => {
          const ids = await deleteEndedTasks(tx, await lockTasksToDelete(tx, { days, forgetDays, most: batchMax }));
          if (ids.length > 0) {
            await recordEvent(tx, {
              spaceId: null,
              category: "Deleted",
              actor: systemActor,
              message: `Retention deleted ${ids.length} tasks that ended more than ${days} days ago`,
              relatedDocumentIds: [run.task.id],
            });
          }
          return ids;
        });
        for (const id of gone) {
          run.lost.throwIfAborted();
          await removeTaskFiles(parts.files, id);
        }
        deleted += gone.length;
        if (gone.length < batchMax) break;
      }
      await run.log.append([
        line(`Deleted ${deleted} tasks that ended more than ${days} days ago, with their logs.`),
        { kind: "status", id: rootBlock, status: "Success", at: at() },
      ]);
      return { state: "Success" };
    },
  };
}
