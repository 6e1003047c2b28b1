// The log of one task while this process owns it. Lines go to a part file that only this lease writes, are fsynced, and become
// true when a guarded transaction commits the part's length. Appends that arrive meanwhile share one fsync and one commit.

import type { Clock } from "../../base/clock.ts";
import type { Transaction } from "../../platform/database/database.ts";
import { encodeEntry, logFormatVersion } from "./log-entry.ts";
import type { LogCategory } from "./log-entry.ts";
import { commitPart } from "./task-log-store.ts";
import { markWarned } from "./task-store.ts";
import type { TaskLog } from "./task.ts";
import { LeaseLost } from "./task.ts";

/** A file that only grows, written by one process. */
export interface PartFile {
  /** Durable when it resolves; answers the file's length in bytes. After a rejection the file must not be used again. */
  append(bytes: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

/** Where the log parts of all tasks lie: the shared folder. */
export interface LogFolder {
  /** A new, empty file; fails when it exists. `file` is relative: `ServerTasks-7/2-0.log`. */
  createPart(file: string): Promise<PartFile>;
  /** The bytes [from, to) of a part; fails when the file is shorter. */
  readPart(file: string, from: number, to: number): Promise<Uint8Array>;
}

/** The log could not be written for so long that the task cannot go on honestly. */
export class LogNotWritable extends Error {
  constructor(cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`The task log cannot be written: ${why}. Check the free space and the permissions of the shared folder.`, { cause });
    this.name = "LogNotWritable";
  }
}

/** Bytes that one fsync and commit carry at most, so that one flood does not hold up others for long. */
const batchBytesMax = 4 * 1024 * 1024;
/** A full or unreachable shared folder gets this long to come back before the task fails. */
const writeRetryMsDefault = 60_000;
const writeRetryPauseMs = 500;
/** Lines that someone should look at, also when the task ends well. */
const worrying: ReadonlySet<LogCategory> = new Set<LogCategory>(["Warning", "Error", "Fatal"]);

interface Pending {
  bytes: Uint8Array;
  lines: number;
  isWorrying: boolean;
  also: ((tx: Transaction) => Promise<void>) | undefined;
  resolve(): void;
  reject(error: unknown): void;
}

export interface TaskLogWriter extends TaskLog {
  /** Waits for what is under way and closes the part. */
  close(): Promise<void>;
}

export function createTaskLog(parts: {
  taskId: string;
  epoch: number;
  folder: LogFolder;
  guarded: (work: (tx: Transaction) => Promise<void>) => Promise<void>;
  lost: AbortSignal;
  clock: Clock;
  writeRetryMs?: number;
  /** False while this node cannot reach the folder at all: then another node should go on, and nothing is tried again here. */
  isAble?: () => boolean;
  /** Hears of each commit of lines. */
  onGrown?: () => void;
}): TaskLogWriter {
  const pending: Pending[] = [];
  const writeRetryMs = parts.writeRetryMs ?? writeRetryMsDefault;
  let part: { file: PartFile; name: string; ordinal: number; bytes: number; lines: number } | undefined;
  let ordinalNext = 0;
  let draining: Promise<void> | undefined;
  let broken: unknown;
  /** The task says already that its log holds something to look at. */
  let isWarned = false;

  async function writeDurably(bytes: Uint8Array, lines: number): Promise<void> {
    const startedMs = parts.clock.monotonicMs();
    for (;;) {
      if (parts.lost.aborted) throw parts.lost.reason;
      try {
        if (part === undefined) {
          const ordinal = ordinalNext++;
          const name = `${parts.taskId}/${parts.epoch}-${ordinal}.log`;
          part = { file: await parts.folder.createPart(name), name, ordinal, bytes: 0, lines: 0 };
        }
        part.bytes = await part.file.append(bytes);
        part.lines += lines;
        return;
      } catch (error) {
        // What a failed write or fsync left behind is unknown: never go on in that file, its committed length still stands.
        const abandoned = part;
        part = undefined;
        await abandoned?.file.close().catch(() => {});
        if (parts.clock.monotonicMs() - startedMs > writeRetryMs || parts.isAble?.() === false) throw new LogNotWritable(error);
        await parts.clock.pause(writeRetryPauseMs, parts.lost);
      }
    }
  }

  async function drain(): Promise<void> {
    while (pending.length > 0) {
      const batch: Pending[] = [];
      let size = 0;
      while (pending.length > 0 && (batch.length === 0 || size + pending[0]!.bytes.length <= batchBytesMax)) {
        const one = pending.shift()!;
        batch.push(one);
        size += one.bytes.length;
      }
      const warns = !isWarned && batch.some((one) => one.isWorrying);
      try {
        if (size > 0) {
          await writeDurably(
            Buffer.concat(batch.map((one) => one.bytes)),
            batch.reduce((sum, one) => sum + one.lines, 0),
          );
        }
        const now = part;
        await parts.guarded(async (tx) => {
          if (size > 0 && now !== undefined) {
            await commitPart(tx, parts.taskId, {
              epoch: parts.epoch,
              ordinal: now.ordinal,
              formatVersion: logFormatVersion,
              file: now.name,
              committedBytes: now.bytes,
              committedLines: now.lines,
            });
          }
          if (warns) await markWarned(tx, parts.taskId);
          for (const one of batch) await one.also?.(tx);
        });
        if (size > 0) parts.onGrown?.();
        isWarned ||= warns;
        for (const one of batch) one.resolve();
      } catch (error) {
        broken = error;
        for (const one of [...batch, ...pending.splice(0)]) one.reject(error);
      }
    }
    // In the same turn as the look at `pending`: an append that comes a moment later must start a drain of its own.
    draining = undefined;
  }

  return {
    append(entries, also) {
      if (broken !== undefined) return Promise.reject(broken instanceof Error ? broken : new LeaseLost("the log is closed"));
      if (parts.lost.aborted) return Promise.reject(parts.lost.reason as Error);
      const bytes = Buffer.from(entries.map(encodeEntry).join(""), "utf8");
      const isWorrying = entries.some((entry) => entry.kind === "line" && worrying.has(entry.category));
      const written = new Promise<void>((resolve, reject) => {
        pending.push({ bytes, lines: entries.length, isWorrying, also, resolve, reject });
      });
      draining ??= drain();
      return written;
    },
    async close() {
      broken ??= new LeaseLost("the log is closed");
      await draining;
      await part?.file.close().catch(() => {});
      part = undefined;
    },
  };
}
