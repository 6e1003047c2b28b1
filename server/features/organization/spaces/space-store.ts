// SQL of spaces; the only writer of the table.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export interface SpaceRow {
  id: string;
  name: string;
  slug: string;
  description: string;
  is_default: boolean;
  task_queue_stopped: boolean;
}

const columns = "id, name, slug, description, is_default, task_queue_stopped";

export async function listSpaces(db: Queryable): Promise<SpaceRow[]> {
  return db.query<SpaceRow>(`SELECT ${columns} FROM spaces ORDER BY lower(name)`);
}

export async function findSpace(db: Queryable, idOrSlug: string, lock: "" | "FOR UPDATE" = ""): Promise<SpaceRow | undefined> {
  const [row] = await db.query<SpaceRow>(
    `SELECT ${columns} FROM spaces WHERE lower(id) = lower($1) OR lower(slug) = lower($1) ORDER BY (lower(id) = lower($1)) DESC LIMIT 1 ${lock}`,
    [idOrSlug],
  );
  return row;
}

export async function findDefaultSpace(db: Queryable): Promise<SpaceRow | undefined> {
  const [row] = await db.query<SpaceRow>(`SELECT ${columns} FROM spaces WHERE is_default`, [], { name: "find-default-space" });
  return row;
}

/** Makes everybody who creates or renames spaces wait for each other, so that checks of names and slugs hold. */
export async function lockSpaces(tx: Transaction): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('spaces', 0))`);
}

export async function insertSpace(tx: Transaction, row: SpaceRow): Promise<void> {
  await tx.execute(`INSERT INTO spaces (${columns}) VALUES ($1, $2, $3, $4, $5, $6)`, [
    row.id,
    row.name,
    row.slug,
    row.description,
    row.is_default,
    row.task_queue_stopped,
  ]);
}

export async function updateSpace(tx: Transaction, row: SpaceRow): Promise<void> {
  await tx.execute(`UPDATE spaces SET name = $2, slug = $3, description = $4, is_default = $5, task_queue_stopped = $6 WHERE id = $1`, [
    row.id,
    row.name,
    row.slug,
    row.description,
    row.is_default,
    row.task_queue_stopped,
  ]);
}

export async function clearDefaultSpace(tx: Transaction): Promise<void> {
  await tx.execute(`UPDATE spaces SET is_default = false WHERE is_default`);
}

/** Everything inside goes with it. What refers to each other inside goes in any order, so references are checked when all is gone. */
export async function deleteSpace(tx: Transaction, id: string): Promise<void> {
  await tx.execute(`SET CONSTRAINTS ALL DEFERRED`);
  await tx.execute(`DELETE FROM spaces WHERE id = $1`, [id]);
  await tx.execute(`SET CONSTRAINTS ALL IMMEDIATE`);
}

export async function countUnfinishedTasks(db: Queryable, spaceId: string): Promise<number> {
  const [row] = await db.query<{ count: number }>(`SELECT count(*) AS count FROM tasks WHERE space_id = $1 AND completed_at IS NULL`, [
    spaceId,
  ]);
  return row?.count ?? 0;
}
