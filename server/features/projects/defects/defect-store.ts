// SQL of the defects of releases; the only writer of the table.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export interface DefectRow {
  id: number;
  release_id: string;
  description: string;
  resolved_at: Date | null;
}

const columns = "id, release_id, description, resolved_at";

export async function listDefects(
  db: Queryable,
  releaseId: string,
  window: { skip: number; take: number },
): Promise<{ rows: DefectRow[]; total: number }> {
  const rows = await db.query<DefectRow>(
    `SELECT ${columns} FROM release_defects WHERE release_id = $1 ORDER BY id DESC OFFSET $2 LIMIT $3`,
    [releaseId, window.skip, window.take],
  );
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM release_defects WHERE release_id = $1`, [releaseId]);
  return { rows, total: count?.total ?? 0 };
}

/** Release id → what its unresolved defect says. */
export async function findUnresolvedDefects(db: Queryable, releaseIds: readonly string[]): Promise<Map<string, string>> {
  const rows = await db.query<DefectRow>(
    `SELECT ${columns} FROM release_defects WHERE release_id = ANY ($1) AND resolved_at IS NULL ORDER BY id`,
    [releaseIds],
  );
  return new Map(rows.map((row) => [row.release_id, row.description]));
}

export async function insertDefect(tx: Transaction, releaseId: string, description: string): Promise<DefectRow> {
  const [row] = await tx.query<DefectRow>(`INSERT INTO release_defects (release_id, description) VALUES ($1, $2) RETURNING ${columns}`, [
    releaseId,
    description,
  ]);
  return row!;
}

/** Resolves what is unresolved; answers the newest, undefined when there was none. */
export async function resolveDefects(tx: Transaction, releaseId: string): Promise<DefectRow | undefined> {
  const rows = await tx.query<DefectRow>(
    `UPDATE release_defects SET resolved_at = now() WHERE release_id = $1 AND resolved_at IS NULL RETURNING ${columns}`,
    [releaseId],
  );
  return rows.sort((a, b) => b.id - a.id)[0];
}
