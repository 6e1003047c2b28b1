// Removes files of task logs that nothing needs: those of tasks that are gone, and parts that no row tells of and none ever will. What decides
// is the database. The age of a file only makes us more careful, since the clocks of nodes and file servers may be wrong.

import type { Queryable } from "../../platform/database/database.ts";
import type { FolderEntry } from "../../platform/files/files.ts";
import { findPartsOf, listKnownTasks } from "./task-store.ts";

/** What tidying needs of the folder in which the log parts of all tasks lie. Names are relative to it, `""` is the folder itself. */
export interface LogFiles {
  list(folder: string): AsyncGenerator<FolderEntry[]>;
  remove(file: string): Promise<void>;
  removeFolder(folder: string): Promise<boolean>;
}

/** Nothing is written for a task that ended so long ago, so its folder was looked through by an earlier sweep. */
const settledAfterMs = 7 * 24 * 3_600_000;
const taskFolder = /^ServerTasks-\d+$/;
const partFile = /^(\d+)-\d+\.log$/;

/** Removes the log parts of a task whose rows are gone, and their folder. May be stopped and done again at any point. */
export async function removeTaskFiles(files: LogFiles, taskId: string): Promise<void> {
  for await (const entries of files.list(taskId))
    for (const entry of entries) if (entry.kind === "file" && partFile.test(entry.name)) await files.remove(`${taskId}/${entry.name}`);
  await files.removeFolder(taskId);
}

export interface SweepCounts {
  removed: number;
  /** What is not named as files of task logs are; it is told and left alone. */
  foreign: number;
}

/**
 * One sweep through the folder of task logs, told batch by batch. A file goes when it is older than the grace period, and
 * - its task has no row, or
 * - it is a part without a row, and its epoch is over: the guard refuses each row that its owner may still want to write.
 * The names of files are read before the rows, so a row that is committed in between is seen.
 */
export async function* sweepTaskFiles(parts: { database: Queryable; files: LogFiles; olderThanMs: number }): AsyncGenerator<SweepCounts> {
  const { database, files, olderThanMs } = parts;
  for await (const entries of files.list("")) {
    const counts: SweepCounts = { removed: 0, foreign: 0 };
    const folders = entries.filter((entry) => entry.kind === "folder" && taskFolder.test(entry.name));
    counts.foreign += entries.length - folders.length;
    const known = await listKnownTasks(
      database,
      folders.map((entry) => entry.name),
      settledAfterMs,
    );
    for (const { name } of folders) if (known.get(name)?.settled !== true) await sweepFolder(name, counts);
    yield counts;
  }

  async function sweepFolder(taskId: string, counts: SweepCounts): Promise<void> {
    let left = 0;
    let hasTask = false;
    for await (const entries of files.list(taskId)) {
      const rows = await findPartsOf(database, taskId);
      hasTask ||= rows !== undefined;
      for (const entry of entries) {
        const epoch = entry.kind === "file" ? partFile.exec(entry.name)?.[1] : undefined;
        const name = `${taskId}/${entry.name}`;
        const isNeeded = rows !== undefined && (rows.files.has(name) || Number(epoch) >= rows.openFromEpoch);
        if (epoch === undefined) counts.foreign += 1;
        if (epoch === undefined || isNeeded || entry.changedAtMs >= olderThanMs) left += 1;
        else {
          await files.remove(name);
          counts.removed += 1;
        }
      }
    }
    // An empty folder of a task that exists may be about to get its first part.
    if (!hasTask && left === 0) await removeIfUnknown(taskId);
  }

  async function removeIfUnknown(taskId: string): Promise<void> {
    if ((await findPartsOf(database, taskId)) === undefined) await files.removeFolder(taskId);
  }
}
