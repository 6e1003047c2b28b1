// Jobs of the whole cluster that are due again and again. Every node looks, any node may fire, and there is no leader: one transaction writes
// down the due time, which can be written only once, makes the task, and sets the next due time. A node that dies before its commit has done
// nothing, one that dies after it is not needed any more.
//
// Missed due times, policy FireLatestOnce: after an outage, or when the last task took longer than the interval, only the latest due time is
// fired. The older ones are passed over, and the firing and its task say from when to when and how many they were.

import { systemClock } from "../../base/clock.ts";
import type { Clock } from "../../base/clock.ts";
import { systemActor } from "../../platform/audit/audit.ts";
import type { Database, Queryable, Transaction } from "../../platform/database/database.ts";
import { enqueueTask } from "../tasks/tasks.ts";
import type { Json } from "../tasks/tasks.ts";
import {
  advanceSchedule,
  insertFiring,
  listDue,
  listIntervals,
  lockDue,
  lockKind,
  replaceSchedules,
  setFiringTask,
} from "./schedule-store.ts";
import type { WantedSchedule } from "./schedule-store.ts";

export type { WantedSchedule } from "./schedule-store.ts";

/** How often each node looks for due times; a due time is at most so late while any node lives. */
export const scheduleLookMs = 1_000;
/** How often each node reads what the triggers should be, so also how late a changed interval is noticed. */
const upToDateMsDefault = 5_000;
/** A look that has taken so long fires nothing more; what is left is due at the next one, here or elsewhere. */
const lookDeadlineMs = 30_000;
/** Triggers fired at one look; more wait for the next. */
const firingsPerLookMax = 100;
/** Triggers of one kind; those past it are not fired, and the node's log says so. */
const triggersPerKindMax = 10_000;
/** Shorter intervals would ask for tasks faster than they end. */
export const intervalMsMin = 1_000;

/** What a due time asks for. Due time and missed ones are added to the arguments. */
export interface PlannedTask {
  spaceId: string | null;
  name: string;
  description: string;
  arguments: { [name: string]: Json };
  argumentsVersion: number;
  relatedDocumentIds: readonly string[];
}

/** All triggers of one kind: which there are now, and what each asks for when it is due. */
export interface ScheduleSource {
  readonly kind: string;
  /** In an order that does not change, so that a limit always leaves out the same ones. */
  list(database: Queryable, most: number): Promise<WantedSchedule[]>;
  /** Undefined: there is nothing to be done, the due time passes without a task. */
  plan(tx: Transaction, trigger: string): Promise<PlannedTask | undefined>;
}

export interface Scheduler {
  /** One look: brings the triggers up to date, if it is time to, and fires what is due. Answers the ids of the tasks it made. */
  look(): Promise<string[]>;
}

export function createScheduler(parts: {
  database: Database;
  sources: readonly ScheduleSource[];
  upToDateMs?: number;
  log: { warn(fields: object, message: string): void };
  /** Default: that of the process. */
  clock?: Clock;
}): Scheduler {
  const sources = new Map(parts.sources.map((source) => [source.kind, source]));
  const { database, log, upToDateMs = upToDateMsDefault, clock = systemClock } = parts;
  let upToDateAtMs = -Infinity;

  async function wantedOf(db: Queryable, source: ScheduleSource): Promise<WantedSchedule[]> {
    const wanted = await source.list(db, triggersPerKindMax + 1);
    if (wanted.length > triggersPerKindMax)
      log.warn(
        { kind: source.kind, most: triggersPerKindMax },
        "There are more schedules of this kind than the limit; the rest is not fired.",
      );
    return wanted.slice(0, triggersPerKindMax).map((one) => ({ ...one, intervalMs: Math.max(intervalMsMin, Math.floor(one.intervalMs)) }));
  }

  /** Most looks find nothing to change, with two reads. What is written was read under the lock, so an old reading never wins. */
  async function bringUpToDate(source: ScheduleSource): Promise<void> {
    const stored = await listIntervals(database, source.kind);
    const wanted = await wantedOf(database, source);
    if (wanted.length === stored.size && wanted.every((one) => stored.get(one.trigger) === one.intervalMs)) return;
    await database.transaction(async (tx) => {
      if (await lockKind(tx, source.kind)) await replaceSchedules(tx, source.kind, await wantedOf(tx, source));
    });
  }

  /** Fires the latest due time of a trigger. Undefined: another node was faster, or nothing is to be done. */
  async function fire(source: ScheduleSource, trigger: string): Promise<string | undefined> {
    return database.transaction(async (tx) => {
      const due = await lockDue(tx, trigger);
      if (due === undefined) return undefined;
      const planned = await source.plan(tx, trigger);
      const firing = planned === undefined ? undefined : await insertFiring(tx, trigger, due.missed);
      if (planned === undefined || firing === undefined) {
        await advanceSchedule(tx, trigger, due.missed, null);
        return undefined;
      }
      const { dueAt, missed } = firing;
      const taskId = await enqueueTask(tx, {
        ...planned,
        arguments: {
          ...planned.arguments,
          dueAt: dueAt.toISOString(),
          ...(missed === null
            ? {}
            : { missedFrom: missed.from.toISOString(), missedTo: missed.to.toISOString(), missedCount: missed.count }),
        },
        concurrencyTag: `schedule/${trigger}`,
        actor: systemActor,
      });
      await setFiringTask(tx, trigger, dueAt, taskId);
      await advanceSchedule(tx, trigger, due.missed, taskId);
      return taskId;
    });
  }

  return {
    async look() {
      const startedMs = clock.monotonicMs();
      if (startedMs - upToDateAtMs >= upToDateMs) {
        for (const source of parts.sources) {
          // What is stored goes on being fired, also when one kind cannot be read.
          await bringUpToDate(source).catch((error: unknown) =>
            log.warn({ err: error, kind: source.kind }, "Schedules of this kind could not be brought up to date; trying again soon."),
          );
        }
        upToDateAtMs = startedMs;
      }
      const fired: string[] = [];
      for (const { trigger, kind } of await listDue(database, firingsPerLookMax)) {
        if (clock.monotonicMs() - startedMs > lookDeadlineMs) break;
        const source = sources.get(kind);
        if (source === undefined) continue; // a kind of a newer version, which fires it by itself
        try {
          const taskId = await fire(source, trigger);
          if (taskId !== undefined) fired.push(taskId);
        } catch (error) {
          // An unknown commit needs no decision here: the stored due time says at the next look whether it happened.
          log.warn({ err: error, trigger }, "A schedule could not be fired; trying again at the next look.");
        }
      }
      return fired;
    },
  };
}
