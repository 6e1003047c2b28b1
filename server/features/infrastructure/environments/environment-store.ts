// SQL of environments beyond what every resource has: their order.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export async function nextSortOrder(tx: Transaction, spaceId: string): Promise<number> {
  const [row] = await tx.query<{ next: number }>(`SELECT COALESCE(max(sort_order) + 1, 0) AS next FROM environments WHERE space_id = $1`, [
    spaceId,
  ]);
  return row?.next ?? 0;
}

/** The named ones first, in the given order; all others behind them in their old order. */
export async function setSortOrder(tx: Transaction, spaceId: string, ids: readonly string[]): Promise<void> {
  await tx.execute(
    `UPDATE environments e SET sort_order = o.position
       FROM (SELECT id, row_number() OVER (ORDER BY array_position($2::text[], id) NULLS LAST, sort_order, lower(name)) - 1 AS position
               FROM environments WHERE space_id = $1) o
      WHERE e.id = o.id AND e.sort_order <> o.position`,
    [spaceId, ids],
  );
}

/** Ids of all environments of a space in their order. */
export async function environmentIdsInOrder(db: Queryable, spaceId: string): Promise<string[]> {
  const rows = await db.query<{ id: string }>(`SELECT id FROM environments WHERE space_id = $1 ORDER BY sort_order, lower(name)`, [
    spaceId,
  ]);
  return rows.map((row) => row.id);
}
