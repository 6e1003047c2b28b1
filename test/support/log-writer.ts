// Writes a task's log with the engine's own writer but without an engine, for tests of those who read it.

import { systemClock } from "../../server/base/clock.ts";
import { createTaskLog } from "../../server/engine/tasks/task-log.ts";
import type { TaskLogWriter } from "../../server/engine/tasks/task-log.ts";
import { enqueueTask } from "../../server/engine/tasks/tasks.ts";
import type { LogFolder } from "../../server/engine/tasks/tasks.ts";
import { systemActor } from "../../server/platform/audit/audit.ts";
import type { Database } from "../../server/platform/database/database.ts";

export type { TaskLogWriter };

/** As the owner with that epoch. */
export function writeLog(parts: {
  database: Database;
  folder: LogFolder;
  taskId: string;
  epoch?: number;
  onGrown?: () => void;
}): TaskLogWriter {
  return createTaskLog({
    taskId: parts.taskId,
    epoch: parts.epoch ?? 1,
    folder: parts.folder,
    guarded: (work) => parts.database.transaction(work),
    lost: new AbortController().signal,
    clock: systemClock,
    ...(parts.onGrown === undefined ? {} : { onGrown: parts.onGrown }),
  });
}

/** A task that nobody runs. */
export function queueTask(database: Database, spaceId: string | null = "Spaces-1"): Promise<string> {
  return database.transaction((tx) =>
    enqueueTask(tx, {
      spaceId,
      name: "Health",
      description: "Check",
      arguments: {},
      argumentsVersion: 1,
      concurrencyTag: null,
      actor: systemActor,
    }),
  );
}

export async function endTask(database: Database, taskId: string): Promise<void> {
  await database.execute(`UPDATE tasks SET state = 'Success', completed_at = now() WHERE id = $1`, [taskId]);
}
