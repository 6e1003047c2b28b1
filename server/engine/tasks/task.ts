// What a task is to the rest of the server: how it is asked for, what runs it, and what it may answer.

import type { Clock } from "../../base/clock.ts";
import type { Actor } from "../../platform/audit/audit.ts";
import type { Transaction } from "../../platform/database/database.ts";
import type { LogEntry } from "./log-entry.ts";

/** Plain data that survives JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export const taskStates = ["Queued", "Executing", "Cancelling", "Success", "Failed", "Canceled", "TimedOut"] as const;
export type TaskState = (typeof taskStates)[number];

/** When a task may start, and until when it must have been started; ISO texts, null: at once, never. Made by `readTimes`. */
export interface TaskTimes {
  startsAt: string | null;
  expiresAt: string | null;
  /** Whether the start is still to come, by the clock of the database. */
  isLater: boolean;
}

/** Work to be done by some node of the cluster. */
export interface NewTask {
  /** Null for work of the whole system. */
  spaceId: string | null;
  /** Which handler runs it: Deploy, Health … */
  name: string;
  description: string;
  /** Frozen now: whatever the run depends on must be here or in rows that never change. */
  arguments: Json;
  argumentsVersion: number;
  /** Tasks with equal tags run one after the other, in the order they were queued. */
  concurrencyTag: string | null;
  projectId?: string | null;
  environmentId?: string | null;
  /** Without: at once, and whenever there is a place for it. */
  times?: TaskTimes | undefined;
  actor: Actor;
  /** Ids of the documents this is about besides the task itself. */
  relatedDocumentIds?: readonly string[];
}

/** A task that this node holds a lease on. */
export interface ClaimedTask {
  id: string;
  spaceId: string | null;
  name: string;
  description: string;
  arguments: Json;
  argumentsVersion: number;
  concurrencyTag: string | null;
  relatedDocumentIds: readonly string[];
  /** Grows by one at every change of owner; 1 for the first run. */
  epoch: number;
  cancelRequested: boolean;
  /** The plan a former owner stored, if it came that far. */
  plan: { version: number; body: Json } | null;
}

export type TaskOutcome =
  | { state: "Success" }
  | { state: "Failed"; message: string }
  | { state: "Canceled" }
  /**
   * It waits for a person. The task then belongs to no node and takes no place until `resumeTask` or a cancel; whichever node claims it then
   * runs the handler again. `isStill` is asked in the transaction that lets go, with the task locked: an answer that came meanwhile is not lost.
   * With `letsOthersPass` the next task of its tag may run meanwhile, and it waits for that one when it is answered.
   */
  | { state: "Waiting"; isStill: (tx: Transaction) => Promise<boolean>; letsOthersPass?: boolean };

/** Writes the lines of one task. Every promise settles only when the lines are durable and counted. */
export interface TaskLog {
  /** Appends in order; `also` runs inside the guarded transaction that makes the lines true, and must be harmless when run again. */
  append(entries: readonly LogEntry[], also?: (tx: Transaction) => Promise<void>): Promise<void>;
}

/** What a handler gets to work with. Everything on it throws LeaseLost once another node may own the task. */
export interface TaskRun {
  task: ClaimedTask;
  /** What this run holds, for whoever must prove in the database that it is still the current one. */
  lease: { taskId: string; owner: string; epoch: number };
  /** Aborts when the lease is lost or the node lets go: send nothing, write nothing. */
  lost: AbortSignal;
  /** Aborts when somebody asked to cancel. */
  cancelRequested: AbortSignal;
  /** A transaction that first proves, in itself, that this node still owns the task. `work` must be harmless when run again. */
  guarded<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Proves ownership before a command goes out to an agent. Never enough for a write. */
  checkLease(): Promise<void>;
  /** Stores the plan, in a guarded transaction; the first one stored is what counts for ever, and it is returned. */
  storePlan(tx: Transaction, plan: { version: number; body: Json }): Promise<{ version: number; body: Json }>;
  log: TaskLog;
  /** Measures and waits; whatever runs for this task uses it and no other. */
  clock: Clock;
}

/** Runs all tasks of one name. Called again from the start after a takeover: it must go on, not begin anew. */
export interface TaskHandler {
  readonly name: string;
  run(run: TaskRun): Promise<TaskOutcome>;
}

/** This node no longer owns the task. Not an error: drop everything at once, another node goes on. */
export class LeaseLost extends Error {
  constructor(why: string) {
    super(`The lease of this task is gone: ${why}`);
    this.name = "LeaseLost";
  }
}
