// Sweeping: removes from the shared folder what no row tells of, such as log parts of a node that died before its first commit, files of
// deleted tasks, and files that were never written to their end. Its task is due once a day for the whole cluster.

import type { ScheduleSource } from "../../../engine/schedules/schedules.ts";
import { sweepTaskFiles } from "../../../engine/tasks/tasks.ts";
import type { LogEntry, LogFiles, TaskHandler } from "../../../engine/tasks/tasks.ts";
import type { Database } from "../../../platform/database/database.ts";
import type { SharedFolder } from "../../../platform/files/files.ts";
import { readSweepSettings } from "./sweep-store.ts";

const taskName = "SweepSharedFolder";
/** The only trigger of this kind. */
const trigger = "SweepSharedFolder";
/** A file younger than this is never touched. Far more than clocks of nodes, database and file server may differ. */
const graceHoursDefault = 24;
const graceHoursMin = 3;
const everyHoursDefault = 24;
const hoursMax = 24 * 365;
/** What is put under its name when it is whole, and files in it; other names are not of this server's making. */
const unfinished = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,90}\.tmp$/;
const inUnfinished = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,90}$/;
const rootBlock = "task";

export function readSweeping(stored: Readonly<Record<string, unknown>>): { graceHours: number; everyHours: number } {
  const within = (value: unknown, usual: number, min: number): number =>
    typeof value === "number" && Number.isFinite(value) ? Math.min(hoursMax, Math.max(min, value)) : usual;
  return {
    graceHours: within(stored["graceHours"], graceHoursDefault, graceHoursMin),
    everyHours: within(stored["everyHours"], everyHoursDefault, 1 / 3_600),
  };
}

export const sweepSchedule: ScheduleSource = {
  kind: "SweepSharedFolder",
  async list(database) {
    const { everyHours } = readSweeping((await readSweepSettings(database)).stored);
    return [{ trigger, spaceId: null, intervalMs: everyHours * 3_600_000 }];
  },
  plan: async () => ({
    spaceId: null,
    name: taskName,
    description: "Remove files that nothing refers to from the shared folder",
    arguments: {},
    argumentsVersion: 1,
    relatedDocumentIds: [],
  }),
};

export function createSweepTask(parts: { database: Database; shared: SharedFolder; logFiles: LogFiles }): TaskHandler {
  return {
    name: taskName,
    async run(run) {
      const at = () => new Date().toISOString();
      const line = (text: string): LogEntry => ({ kind: "line", block: rootBlock, category: "Info", at: at(), text });
      await run.log.append([
        { kind: "block", id: rootBlock, parent: null, name: run.task.description, at: at() },
        { kind: "status", id: rootBlock, status: "Running", at: at() },
      ]);
      const { stored, nowMs } = await readSweepSettings(parts.database);
      const { graceHours } = readSweeping(stored);
      const olderThanMs = nowMs - graceHours * 3_600_000;
      let removed = await sweepUnfinished(parts.shared, olderThanMs);
      let foreign = 0;
      for await (const counts of sweepTaskFiles({ database: parts.database, files: parts.logFiles, olderThanMs })) {
        removed += counts.removed;
        foreign += counts.foreign;
        if (run.cancelRequested.aborted) return { state: "Canceled" };
        await run.checkLease();
      }
      await run.log.append([
        line(`Removed ${removed} files without a row that were older than ${graceHours} hours.`),
        ...(foreign > 0 ? [line(`Left ${foreign} things alone that this server has not made; find out who put them there.`)] : []),
        { kind: "status", id: rootBlock, status: "Success", at: at() },
      ]);
      return { state: "Success" };
    },
  };
}

/** What was being written at the top of the shared folder when its node died. */
async function sweepUnfinished(shared: SharedFolder, olderThanMs: number): Promise<number> {
  let removed = 0;
  for await (const entries of shared.list("")) {
    for (const { name, kind, changedAtMs } of entries) {
      if (!unfinished.test(name) || changedAtMs >= olderThanMs) continue;
      if (kind === "file") await shared.remove(name);
      if (kind === "folder") {
        for await (const inside of shared.list(name))
          for (const entry of inside)
            if (entry.kind === "file" && inUnfinished.test(entry.name)) await shared.remove(`${name}/${entry.name}`);
        await shared.removeFolder(name);
      }
      if (kind !== "other") removed += 1;
    }
  }
  return removed;
}
