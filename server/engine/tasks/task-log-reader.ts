// Reads a task's log from its beginning, from any node: the parts in order, each only up to its committed length.

import type { Queryable } from "../../platform/database/database.ts";
import type { LogEntry } from "./log-entry.ts";
import { readPiece } from "./task-log-pieces.ts";
import { logStart } from "./task-log-position.ts";
import { listParts } from "./task-log-store.ts";
import type { LogFolder } from "./task-log.ts";

/** Bytes held at once of a log that is read as a whole. */
const pieceBytes = 1024 * 1024;

/** All entries of a task's log so far, in order, many at a time. Lines that cannot be decoded are left out. */
export async function* readTaskLog(parts: { database: Queryable; folder: LogFolder; taskId: string }): AsyncGenerator<LogEntry[]> {
  const committed = await listParts(parts.database, parts.taskId);
  let piece = await readPiece(parts.folder, committed, logStart, pieceBytes);
  for (; piece !== undefined; piece = await readPiece(parts.folder, committed, piece.after, pieceBytes))
    yield piece.entries.map(({ entry }) => entry);
}
