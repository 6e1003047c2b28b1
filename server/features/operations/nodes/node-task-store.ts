// Reads which tasks each node is running. The engine is the only writer of tasks.

import type { Queryable } from "../../../platform/database/database.ts";

export interface RunningTask {
  id: string;
  name: string;
  description: string;
  state: string;
  space_id: string | null;
}

/** By node name, as tasks record it. */
export async function listRunningTasks(db: Queryable, nodeName: string): Promise<RunningTask[]> {
  return db.query<RunningTask>(
    `SELECT id, name, description, state, space_id FROM tasks WHERE completed_at IS NULL AND started_at IS NOT NULL AND lower(server_node) = lower($1) ORDER BY number LIMIT 1000`,
    [nodeName],
  );
}

/** Lower-case node name → number of tasks it runs. */
export async function countRunningTasks(db: Queryable): Promise<Map<string, number>> {
  const rows = await db.query<{ node: string; count: number }>(
    `SELECT lower(server_node) AS node, count(*) AS count FROM tasks WHERE completed_at IS NULL AND started_at IS NOT NULL AND server_node IS NOT NULL GROUP BY 1`,
  );
  return new Map(rows.map((row) => [row.node, row.count]));
}
