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

/** A task as those who follow its log see it, at one moment. */
export interface FollowedTask {
  id: string;
  state: string;
  isCompleted: boolean;
  hasWarningsOrErrors: boolean;
  errorMessage: string | null;
  serverNode: string | null;
  parts: LogPart[];
  /** Changes with anything of it; `shown` only with what is not the log. */
  mark: string;
  shown: string;
}

/** One statement for all of them, so that a task which has ended comes with the whole of its log. Those that are gone are left out. */
export async function readFollowed(database: Queryable, taskIds: readonly string[]): Promise<FollowedTask[]> {
  const rows = await database.query<{
    id: string;
    state: string;
    is_completed: boolean;
    has_warnings_or_errors: boolean;
    error_message: string | null;
    server_node: string | null;
    parts: [number, number, number, string, number, number][];
  }>(
    `SELECT t.id, t.state, t.completed_at IS NOT NULL AS is_completed, t.has_warnings_or_errors, t.error_message, t.server_node,
            (SELECT coalesce(json_agg(json_build_array(p.epoch, p.ordinal, p.format_version, p.file, p.committed_bytes, p.committed_lines)
                                      ORDER BY p.epoch, p.ordinal), '[]')
               FROM task_log_parts p WHERE p.task_id = t.id AND p.committed_bytes > 0) AS parts
       FROM tasks t WHERE t.id = ANY ($1)`,
    [taskIds],
    { name: "log-followed" },
  );
  return rows.map((row) => {
    const shown = JSON.stringify([row.state, row.has_warnings_or_errors, row.error_message, row.server_node]);
    return {
      id: row.id,
      state: row.state,
      isCompleted: row.is_completed,
      hasWarningsOrErrors: row.has_warnings_or_errors,
      errorMessage: row.error_message,
      serverNode: row.server_node,
      parts: row.parts.map(([epoch, ordinal, formatVersion, file, committedBytes, committedLines]) => ({
        epoch,
        ordinal,
        formatVersion,
        file,
        committedBytes,
        committedLines,
      })),
      mark: `${shown} ${row.parts.map((part) => part[4]).join(" ")}`,
      shown,
    };
  });
}
