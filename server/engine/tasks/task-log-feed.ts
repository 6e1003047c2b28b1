// Follows the logs of running tasks for any number of readers on this node. One statement looks at all followed tasks at once, however
// many they are and whoever reads them, so a further reader costs the database nothing; readers at one place share what is read there.
// Nothing waits in memory for a slow reader: it holds a position and takes the next piece when it wants it.

import { pause } from "../../base/clock.ts";
import type { Database } from "../../platform/database/database.ts";
import { isBorder, readPiece } from "./task-log-pieces.ts";
import type { LogPiece, PlacedEntry } from "./task-log-pieces.ts";
import { nextPart } from "./task-log-position.ts";
import type { LogPosition } from "./task-log-position.ts";
import { readFollowed } from "./task-log-store.ts";
import type { FollowedTask } from "./task-log-store.ts";
import type { LogFolder } from "./task-log.ts";

/**
 * How often the followed tasks are looked at. Nothing notifies of a commit of a log: PostgreSQL lets transactions that do commit only one
 * after the other, and ten statements a second of a node, for all that is watched there, cost less. The node that runs a task needs no
 * notice: it looks when it has committed lines that somebody follows here.
 */
const lookMsDefault = 100;
/** Between two looks at least, however many tasks print. */
const lookMsMin = 20;
/** When the database does not answer. */
const retryMs = 500;
/** Readers are told after so long without an answer of the database, and go elsewhere. */
const patienceMs = 10_000;
/** Pieces of one task that readers share, at most; each holds some hundred kilobytes. */
const sharedPiecesMax = 4;

/** What a reader gets, in order. `state` comes first, after each change of the task, and last; then it is over. */
export type FeedItem =
  | { kind: "entries"; entries: readonly PlacedEntry[]; after: LogPosition }
  | { kind: "state"; task: FollowedTask; isOver: boolean };

export interface TaskLogFeed {
  /**
   * Everything after `from`, and whatever comes until the task has ended. Returns when it has, when it is deleted, or at `signal`.
   * The same array of entries is given to all readers that share it.
   */
  follow(taskId: string, from: LogPosition, signal: AbortSignal): AsyncGenerator<FeedItem>;
  /** Whether a position that came from outside is one of this log. */
  isPosition(taskId: string, position: LogPosition): Promise<boolean>;
  /** This node has committed lines of the task: whoever follows it here need not wait for the next look. */
  grew(taskId: string): void;
}

interface Followed {
  task: FollowedTask | undefined;
  /** Counts the looks that found a change. */
  version: number;
  failure: unknown;
  readers: number;
  waiting: Set<() => void>;
  pieces: Map<string, Promise<LogPiece | undefined>>;
}

export function createTaskLogFeed(parts: { database: Database; folder: LogFolder; lookMs?: number }): TaskLogFeed {
  const lookMs = parts.lookMs ?? lookMsDefault;
  const followed = new Map<string, Followed>();
  let looking = false;
  let isDue = false;
  let wakeLook = (): void => {};

  async function look(): Promise<void> {
    const ids = [...followed.keys()];
    const rows = new Map((await readFollowed(parts.database, ids)).map((task) => [task.id, task]));
    for (const id of ids) {
      const one = followed.get(id);
      if (one === undefined) continue;
      const task = rows.get(id);
      one.failure = undefined;
      if (one.version > 0 && one.task?.mark === task?.mark) continue;
      one.task = task;
      one.version += 1;
      wakeAll(one);
    }
  }

  /** Runs while anybody follows anything. */
  async function lookOn(): Promise<void> {
    let answeredAtMs = performance.now();
    while (followed.size > 0) {
      isDue = false;
      try {
        await look();
        answeredAtMs = performance.now();
      } catch (error) {
        if (performance.now() - answeredAtMs > patienceMs) {
          for (const one of followed.values()) {
            one.failure = error;
            wakeAll(one);
          }
        }
        await pause(retryMs);
        continue;
      }
      await pause(Math.min(lookMsMin, lookMs));
      if (isDue) continue;
      const woken = new AbortController();
      wakeLook = () => woken.abort();
      await pause(Math.max(0, lookMs - lookMsMin), woken.signal);
      wakeLook = () => {};
    }
    looking = false;
  }

  function lookSoon(): void {
    isDue = true;
    wakeLook();
  }

  function enter(taskId: string): Followed {
    let one = followed.get(taskId);
    if (one === undefined) {
      one = { task: undefined, version: 0, failure: undefined, readers: 0, waiting: new Set(), pieces: new Map() };
      followed.set(taskId, one);
      // A reader of a further task does not wait for the next look.
      lookSoon();
    }
    one.readers += 1;
    if (!looking) {
      looking = true;
      void lookOn();
    }
    return one;
  }

  function leave(taskId: string, one: Followed): void {
    one.readers -= 1;
    if (one.readers === 0 && followed.get(taskId) === one) followed.delete(taskId);
    if (followed.size === 0) lookSoon();
  }

  async function piece(one: Followed, task: FollowedTask, from: LogPosition): Promise<LogPiece | undefined> {
    if (nextPart(task.parts, from) === undefined) return undefined;
    const key = `${from.epoch}-${from.ordinal}-${from.offset}-${from.lines}`;
    let shared = one.pieces.get(key);
    if (shared === undefined) {
      shared = readPiece(parts.folder, task.parts, from);
      one.pieces.set(key, shared);
      shared.catch(() => one.pieces.delete(key));
      if (one.pieces.size > sharedPiecesMax) one.pieces.delete(one.pieces.keys().next().value!);
    }
    return shared;
  }

  return {
    async *follow(taskId, from, signal) {
      const one = enter(taskId);
      try {
        let position = from;
        let told = "";
        let seen = 0;
        while (!signal.aborted) {
          if (one.failure !== undefined) throw one.failure;
          if (one.version === seen) {
            await changeOf(one, signal);
            continue;
          }
          seen = one.version;
          const { task } = one;
          if (task === undefined) return;
          for (;;) {
            if (told === "") {
              told = task.shown;
              yield { kind: "state", task, isOver: false };
            }
            const next = await piece(one, task, position);
            if (next === undefined) break;
            position = next.after;
            yield { kind: "entries", entries: next.entries, after: next.after };
            if (signal.aborted) return;
          }
          if (told !== task.shown || task.isCompleted) yield { kind: "state", task, isOver: task.isCompleted };
          told = task.shown;
          if (task.isCompleted) return;
        }
      } finally {
        leave(taskId, one);
      }
    },
    async isPosition(taskId, position) {
      const [task] = await readFollowed(parts.database, [taskId]);
      return task !== undefined && (await isBorder(parts.folder, task.parts, position));
    },
    grew(taskId) {
      if (followed.has(taskId)) lookSoon();
    },
  };
}

function wakeAll(one: Followed): void {
  for (const wake of one.waiting) wake();
}

function changeOf(one: Followed, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      one.waiting.delete(wake);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    one.waiting.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    if (signal.aborted) wake();
  });
}
