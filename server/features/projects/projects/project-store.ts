// SQL of projects beyond what every resource has.

import type { Queryable } from "../../../platform/database/database.ts";

export async function countUnfinishedTasksOfProject(db: Queryable, projectId: string): Promise<number> {
  const [row] = await db.query<{ count: number }>(`SELECT count(*) AS count FROM tasks WHERE project_id = $1 AND completed_at IS NULL`, [
    projectId,
  ]);
  return row?.count ?? 0;
}
