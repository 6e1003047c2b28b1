// SQL of releases; the only writer of the table.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export interface ReleaseRow {
  id: string;
  number: number;
  space_id: string;
  project_id: string;
  channel_id: string;
  version: string;
  release_notes: string | null;
  ignore_channel_rules: boolean;
  selected_packages: object[];
  custom_fields: Record<string, string>;
  process_snapshot_id: string;
  /** Null for a release made before there were variables. */
  variable_snapshot_id: string | null;
  /** In the order in which the project includes the sets. */
  library_variable_snapshot_ids: string[];
  assembled_at: Date;
}

const columns =
  "r.id, r.number, r.space_id, r.project_id, r.channel_id, r.version, r.release_notes, r.ignore_channel_rules, r.selected_packages, r.custom_fields, r.process_snapshot_id, r.variable_snapshot_id, r.library_variable_snapshot_ids, r.assembled_at";

export interface ReleaseFilter {
  projectId?: string;
  channelId?: string;
  ids?: readonly string[];
  searchByVersion?: string;
}

/** Newest first. */
export async function listReleases(
  db: Queryable,
  spaceId: string,
  filter: ReleaseFilter,
  window: { skip: number; take: number },
): Promise<{ rows: ReleaseRow[]; total: number }> {
  const where = `r.space_id = $1 AND ($2::text IS NULL OR r.project_id = $2) AND ($3::text IS NULL OR r.channel_id = $3)
     AND ($4::text[] IS NULL OR lower(r.id) = ANY ($4)) AND ($5::text IS NULL OR strpos(lower(r.version), lower($5)) > 0)`;
  const values = [
    spaceId,
    filter.projectId ?? null,
    filter.channelId ?? null,
    filter.ids?.length ? filter.ids.map((id) => id.toLowerCase()) : null,
    filter.searchByVersion || null,
  ];
  const rows = await db.query<ReleaseRow>(`SELECT ${columns} FROM releases r WHERE ${where} ORDER BY r.number DESC OFFSET $6 LIMIT $7`, [
    ...values,
    window.skip,
    window.take,
  ]);
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM releases r WHERE ${where}`, values);
  return { rows, total: count?.total ?? 0 };
}

export async function findRelease(
  db: Queryable,
  spaceId: string,
  id: string,
  lock: "" | "FOR UPDATE" | "FOR SHARE" = "",
): Promise<ReleaseRow | undefined> {
  const [row] = await db.query<ReleaseRow>(
    `SELECT ${columns} FROM releases r WHERE r.space_id = $1 AND (r.id = $2 OR lower(r.id) = lower($2)) ${lock}`,
    [spaceId, id],
  );
  return row;
}

export async function findReleaseByVersion(db: Queryable, projectId: string, version: string): Promise<ReleaseRow | undefined> {
  const [row] = await db.query<ReleaseRow>(`SELECT ${columns} FROM releases r WHERE r.project_id = $1 AND lower(r.version) = lower($2)`, [
    projectId,
    version,
  ]);
  return row;
}

/** This one and those of its project made before it, back to the one after `there`; newest first. None when it is not newer than that. */
export async function listReleasesUpTo(db: Queryable, release: ReleaseRow, there: string | undefined, most: number): Promise<ReleaseRow[]> {
  return db.query<ReleaseRow>(
    `SELECT ${columns} FROM releases r WHERE r.project_id = $1 AND r.number <= $2
        AND r.number > coalesce((SELECT o.number FROM releases o WHERE o.id = $3), 0) ORDER BY r.number DESC LIMIT $4`,
    [release.project_id, release.number, there ?? null, most],
  );
}

export async function latestVersion(db: Queryable, projectId: string, channelId: string | null = null): Promise<string | undefined> {
  const [row] = await db.query<{ version: string }>(
    `SELECT version FROM releases WHERE project_id = $1 AND ($2::text IS NULL OR channel_id = $2) ORDER BY number DESC LIMIT 1`,
    [projectId, channelId],
  );
  return row?.version;
}

/** Makes creators of releases of one project wait for each other, so that computed versions do not collide. */
export async function lockReleases(tx: Transaction, projectId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`releases/${projectId}`]);
}

export async function insertRelease(tx: Transaction, row: Omit<ReleaseRow, "assembled_at">): Promise<void> {
  await tx.execute(
    `INSERT INTO releases (id, number, space_id, project_id, channel_id, version, release_notes, ignore_channel_rules, selected_packages, custom_fields, process_snapshot_id,
       variable_snapshot_id, library_variable_snapshot_ids)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      row.id,
      row.number,
      row.space_id,
      row.project_id,
      row.channel_id,
      row.version,
      row.release_notes,
      row.ignore_channel_rules,
      JSON.stringify(row.selected_packages),
      JSON.stringify(row.custom_fields),
      row.process_snapshot_id,
      row.variable_snapshot_id,
      row.library_variable_snapshot_ids,
    ],
  );
}

export async function updateRelease(
  tx: Transaction,
  id: string,
  change: { version: string; channelId: string; notes: string | null; customFields: object },
): Promise<void> {
  await tx.execute(`UPDATE releases SET version = $2, channel_id = $3, release_notes = $4, custom_fields = $5 WHERE id = $1`, [
    id,
    change.version,
    change.channelId,
    change.notes,
    JSON.stringify(change.customFields),
  ]);
}

export async function updateReleaseVariables(
  tx: Transaction,
  id: string,
  snapshots: { projectSnapshotId: string; librarySnapshotIds: readonly string[] },
): Promise<void> {
  await tx.execute(`UPDATE releases SET variable_snapshot_id = $2, library_variable_snapshot_ids = $3 WHERE id = $1`, [
    id,
    snapshots.projectSnapshotId,
    snapshots.librarySnapshotIds,
  ]);
}

export async function deleteRelease(tx: Transaction, id: string): Promise<void> {
  await tx.execute(`DELETE FROM releases WHERE id = $1`, [id]);
}
