// SQL of tags, and of the order of tag sets; the only writer of tags. Whoever names a tag holds its canonical name under a foreign key, which
// follows renames.

import type { Transaction } from "../../../platform/database/database.ts";
import type { WantedTag } from "./tag-set-rules.ts";

export async function nextSortOrder(tx: Transaction, spaceId: string): Promise<number> {
  const [row] = await tx.query<{ next: number }>(`SELECT COALESCE(max(sort_order) + 1, 0) AS next FROM tag_sets WHERE space_id = $1`, [
    spaceId,
  ]);
  return row?.next ?? 0;
}

/** The named ones first, in the given order; all others behind them in their old order. */
export async function setSortOrder(tx: Transaction, spaceId: string, ids: readonly string[]): Promise<void> {
  await tx.execute(
    `UPDATE tag_sets s SET sort_order = o.position
       FROM (SELECT id, row_number() OVER (ORDER BY array_position($2::text[], id) NULLS LAST, sort_order, lower(name)) - 1 AS position
               FROM tag_sets WHERE space_id = $1) o
      WHERE s.id = o.id AND s.sort_order <> o.position`,
    [spaceId, ids],
  );
}

/** @throws the violated foreign key while something still names it */
export async function deleteTag(tx: Transaction, id: string): Promise<void> {
  await tx.execute(`DELETE FROM tags WHERE id = $1`, [id]);
}

export async function insertTag(tx: Transaction, tag: WantedTag & { Id: string; setId: string; spaceId: string }): Promise<void> {
  await tx.execute(
    `INSERT INTO tags (id, space_id, tag_set_id, name, canonical_name, color, description, sort_order) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [tag.Id, tag.spaceId, tag.setId, tag.Name, tag.CanonicalTagName, tag.Color, tag.Description, tag.SortOrder],
  );
}

/** Gives tags names that nobody else has (their ids), so that two tags can swap theirs. */
export async function freeNames(tx: Transaction, ids: readonly string[]): Promise<void> {
  await tx.execute(`UPDATE tags SET canonical_name = 'renamed ' || id WHERE id = ANY ($1)`, [ids]);
}

export async function updateTag(tx: Transaction, tag: WantedTag & { Id: string }): Promise<void> {
  await tx.execute(`UPDATE tags SET name = $2, canonical_name = $3, color = $4, description = $5, sort_order = $6 WHERE id = $1`, [
    tag.Id,
    tag.Name,
    tag.CanonicalTagName,
    tag.Color,
    tag.Description,
    tag.SortOrder,
  ]);
}
