// SQL of feeds; the only writer of their table.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

/** Settings of the built-in feed. */
export interface FeedSettings {
  deleteUnreleasedPackagesAfterDays: number | null;
  deletePackagesAssociatedWithReleases: boolean;
}

export interface FeedRow {
  id: string;
  space_id: string;
  name: string;
  slug: string;
  feed_type: string;
  settings: Partial<FeedSettings>;
}

const columns = "id, space_id, name, slug, feed_type, settings";

export interface FeedFilter {
  ids?: readonly string[] | undefined;
  name?: string | undefined;
  partialName?: string | undefined;
  feedTypes?: readonly string[] | undefined;
}

export async function listFeeds(
  db: Queryable,
  spaceId: string,
  filter: FeedFilter,
  window: { skip: number; take: number },
): Promise<{ rows: FeedRow[]; total: number }> {
  const where = `space_id = $1 AND ($2::text[] IS NULL OR lower(id) = ANY ($2)) AND ($3::text IS NULL OR lower(name) = lower($3))
    AND ($4::text IS NULL OR strpos(lower(name), lower($4)) > 0) AND ($5::text[] IS NULL OR lower(feed_type) = ANY ($5))`;
  const lower = (list: readonly string[] | undefined) => (list && list.length > 0 ? list.map((one) => one.toLowerCase()) : null);
  const values = [spaceId, lower(filter.ids), filter.name || null, filter.partialName || null, lower(filter.feedTypes)];
  const rows = await db.query<FeedRow>(`SELECT ${columns} FROM feeds WHERE ${where} ORDER BY lower(name) OFFSET $6 LIMIT $7`, [
    ...values,
    window.skip,
    window.take,
  ]);
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM feeds WHERE ${where}`, values);
  return { rows, total: count?.total ?? 0 };
}

/** By id or slug, in any letter case. */
export async function findFeed(
  db: Queryable,
  spaceId: string,
  idOrSlug: string,
  lock: "" | "FOR UPDATE" = "",
): Promise<FeedRow | undefined> {
  const [row] = await db.query<FeedRow>(
    `SELECT ${columns} FROM feeds WHERE space_id = $1 AND (lower(id) = lower($2) OR lower(slug) = lower($2))
     ORDER BY (lower(id) = lower($2)) DESC LIMIT 1 ${lock}`,
    [spaceId, idOrSlug],
  );
  return row;
}

export async function setFeedSettings(tx: Transaction, row: FeedRow, settings: FeedSettings): Promise<void> {
  await tx.execute(`UPDATE feeds SET settings = $3 WHERE space_id = $1 AND id = $2`, [row.space_id, row.id, JSON.stringify(settings)]);
}

/** Gives the feed to spaces without one of its type; answers their ids. */
export async function insertMissingFeeds(tx: Transaction, feed: Omit<FeedRow, "space_id" | "settings">): Promise<string[]> {
  const rows = await tx.query<{ space_id: string }>(
    `INSERT INTO feeds (id, space_id, name, slug, feed_type)
     SELECT $1, s.id, $2, $3, $4 FROM spaces s WHERE NOT EXISTS (SELECT FROM feeds f WHERE f.space_id = s.id AND f.feed_type = $4)
     ON CONFLICT DO NOTHING RETURNING space_id`,
    [feed.id, feed.name, feed.slug, feed.feed_type],
  );
  return rows.map((row) => row.space_id);
}
