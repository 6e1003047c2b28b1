// SQL of projects beyond what every resource has.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export async function countUnfinishedTasksOfProject(db: Queryable, projectId: string): Promise<number> {
  const [row] = await db.query<{ count: number }>(`SELECT count(*) AS count FROM tasks WHERE project_id = $1 AND completed_at IS NULL`, [
    projectId,
  ]);
  return row?.count ?? 0;
}

/** Tells the database which library sets the project includes, so that none of them is deleted. */
export async function setIncludedLibrarySets(tx: Transaction, projectId: string, ids: readonly string[]): Promise<void> {
  await tx.execute(`DELETE FROM project_library_sets WHERE project_id = $1 AND library_variable_set_id <> ALL ($2)`, [projectId, ids]);
  await tx.execute(
    `INSERT INTO project_library_sets (project_id, library_variable_set_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`,
    [projectId, ids],
  );
}
