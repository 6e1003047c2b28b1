// SQL of log parts: how many bytes of each part file are true. The only writer of task_log_parts.

import type { Queryable, Transaction } from "../../platform/database/database.ts";

export interface LogPart {
  epoch: number;
  ordinal: number;
  formatVersion: number;
  file: string;
  committedBytes: number;
  committedLines: number;
}

/** Makes the first `committedBytes` of a part true. Absolute figures, so running it again changes nothing. The guard came first. */
export async function commitPart(tx: Transaction, taskId: string, part: LogPart): Promise<void> {
  await tx.execute(
    `INSERT INTO task_log_parts (task_id, epoch, ordinal, format_version, file, committed_bytes, committed_lines)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (task_id, epoch, ordinal) DO UPDATE
       SET committed_bytes = EXCLUDED.committed_bytes, committed_lines = EXCLUDED.committed_lines`,
    [taskId, part.epoch, part.ordinal, part.formatVersion, part.file, part.committedBytes, part.committedLines],
    { name: "log-commit" },
  );
}

/** The parts of a task in reading order. */
export async function listParts(database: Queryable, taskId: string): Promise<LogPart[]> {
  const rows = await database.query<{
    epoch: number;
    ordinal: number;
    format_version: number;
    file: string;
    committed_bytes: number;
    committed_lines: number;
  }>(
    `SELECT epoch, ordinal, format_version, file, committed_bytes, committed_lines FROM task_log_parts
     WHERE task_id = $1 AND committed_bytes > 0 ORDER BY epoch, ordinal`,
    [taskId],
    { name: "log-parts" },
  );
  return rows.map((row) => ({
    epoch: row.epoch,
    ordinal: row.ordinal,
    formatVersion: row.format_version,
    file: row.file,
    committedBytes: row.committed_bytes,
    committedLines: row.committed_lines,
  }));
}
