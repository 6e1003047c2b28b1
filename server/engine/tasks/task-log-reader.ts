// Reads a task's log from any node: the parts in order, each only up to its committed length. What lies beyond does not exist.

import { pause } from "../../base/clock.ts";
import type { Queryable } from "../../platform/database/database.ts";
import type { LogEntry } from "./log-entry.ts";
import { decodeEntry } from "./log-entry.ts";
import type { LogPart } from "./task-log-store.ts";
import { listParts } from "./task-log-store.ts";
import type { LogFolder } from "./task-log.ts";

/** Bytes read from a part at once. */
const pieceBytes = 1024 * 1024;
/** Attribute caches of network shares may show a file shorter than it is for a while. */
const staleRetries = 20;
const staleRetryPauseMs = 250;

/** A committed part of the log is missing or shorter than what was committed. */
export class LogPartMissing extends Error {
  constructor(file: string, cause: unknown) {
    super(
      `A part of the task log (${file}) cannot be read from the shared folder. Check that this node sees the same folder as the others.`,
      { cause },
    );
    this.name = "LogPartMissing";
  }
}

/** All entries of a task's log so far, in order. Lines that cannot be decoded are left out. */
export async function* readTaskLog(parts: { database: Queryable; folder: LogFolder; taskId: string }): AsyncGenerator<LogEntry> {
  for (const part of await listParts(parts.database, parts.taskId)) {
    let rest = Buffer.alloc(0);
    for (let from = 0; from < part.committedBytes; from += pieceBytes) {
      const piece = await readPiece(parts.folder, part, from, Math.min(from + pieceBytes, part.committedBytes));
      const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : Buffer.from(piece);
      let start = 0;
      for (let end = bytes.indexOf(10, start); end !== -1; end = bytes.indexOf(10, start)) {
        const entry = decodeEntry(bytes.toString("utf8", start, end), part.formatVersion);
        if (entry !== undefined) yield entry;
        start = end + 1;
      }
      rest = bytes.subarray(start);
    }
  }
}

async function readPiece(folder: LogFolder, part: LogPart, from: number, to: number): Promise<Uint8Array> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await folder.readPart(part.file, from, to);
    } catch (error) {
      if (attempt >= staleRetries) throw new LogPartMissing(part.file, error);
      await pause(staleRetryPauseMs);
    }
  }
}
