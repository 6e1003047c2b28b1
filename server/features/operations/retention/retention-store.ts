// Reads for the retention of tasks: which have ended long enough ago and are needed by nothing. The engine deletes them.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

/** What an operator may set for the whole cluster: `INSERT INTO cluster_settings (name, value) VALUES ('retention', '{"finishedTaskDays": 90}')`. */
export async function readRetentionSettings(database: Queryable): Promise<Record<string, unknown>> {
  const [row] = await database.query<{ value: Record<string, unknown> }>(
    `SELECT value FROM cluster_settings WHERE name = 'retention' AND jsonb_typeof(value) = 'object'`,
    [],
    { name: "retention-settings" },
  );
  return row?.value ?? {};
}

/**
 * Ended tasks to delete, the oldest first, locked for this transaction. Left out are tasks of deployments, which stay as long as their release,
 * and those of which an agent still has to be told to forget a ticket; after `forgetDays` its own cleaner has done it.
 */
export async function lockTasksToDelete(tx: Transaction, wanted: { days: number; forgetDays: number; most: number }): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `SELECT t.id FROM tasks t
     WHERE t.completed_at < now() - $1 * interval '1 day'
       AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.task_id = t.id)
       AND NOT EXISTS (SELECT 1 FROM step_runs s WHERE s.task_id = t.id AND s.completion = 'due'
                         AND s.finished_at > now() - $2 * interval '1 day')
     ORDER BY t.number LIMIT $3 FOR UPDATE SKIP LOCKED`,
    [wanted.days, wanted.forgetDays, wanted.most],
  );
  return rows.map((row) => row.id);
}
