// SQL of build information; the only writer of its table.

import { nextId } from "../../../platform/database/database.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";

/** What a build server said, in version 1 of the stored form. */
export interface Build {
  BuildEnvironment: string;
  BuildNumber: string;
  BuildUrl: string;
  Branch: string;
  VcsType: string;
  VcsRoot: string;
  VcsCommitNumber: string;
  Commits: { Id: string; Comment: string }[];
}
const buildVersion = 1;

export interface BuildRow {
  id: string;
  space_id: string;
  package_id: string;
  version: string;
  build: Build;
  created_at: Date;
}

const columns = "b.id, b.space_id, b.package_id, b.version, b.build, b.created_at";

export interface BuildFilter {
  packageId?: string | undefined;
  partOfId?: string | undefined;
  latest?: boolean | undefined;
}

export async function listBuilds(
  db: Queryable,
  spaceId: string,
  filter: BuildFilter,
  window: { skip: number; take: number },
): Promise<{ rows: BuildRow[]; total: number }> {
  const where = `b.space_id = $1 AND ($2::text IS NULL OR b.package_key = lower($2)) AND ($3::text IS NULL OR strpos(b.package_key, lower($3)) > 0)
    AND ($4::boolean IS NOT TRUE OR NOT EXISTS (SELECT FROM build_information n
      WHERE n.space_id = b.space_id AND n.package_key = b.package_key AND n.version_key > b.version_key))`;
  const values = [spaceId, filter.packageId || null, filter.partOfId || null, filter.latest ?? null];
  const rows = await db.query<BuildRow>(
    `SELECT ${columns} FROM build_information b WHERE ${where} ORDER BY b.number DESC OFFSET $5 LIMIT $6`,
    [...values, window.skip, window.take],
  );
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM build_information b WHERE ${where}`, values);
  return { rows, total: count?.total ?? 0 };
}

export async function findBuild(db: Queryable, spaceId: string, id: string, lock: "" | "FOR UPDATE" = ""): Promise<BuildRow | undefined> {
  const [row] = await db.query<BuildRow>(
    `SELECT ${columns} FROM build_information b WHERE b.space_id = $1 AND lower(b.id) = lower($2) ${lock}`,
    [spaceId, id],
  );
  return row;
}

export async function findBuildOf(db: Queryable, spaceId: string, packageId: string, versionKey: string): Promise<BuildRow | undefined> {
  const [row] = await db.query<BuildRow>(
    `SELECT ${columns} FROM build_information b WHERE b.space_id = $1 AND b.package_key = lower($2) AND b.version_key = $3`,
    [spaceId, packageId, versionKey],
  );
  return row;
}

/** Of many versions in one statement. Keys are `packageKey version_key`. */
export async function findBuildsOf(
  db: Queryable,
  spaceId: string,
  versions: readonly { packageId: string; versionKey: string }[],
): Promise<Map<string, BuildRow>> {
  if (versions.length === 0) return new Map();
  const rows = await db.query<BuildRow & { package_key: string; version_key: string }>(
    `SELECT ${columns}, b.package_key, b.version_key FROM build_information b
     JOIN (SELECT lower(unnest($2::text[])) AS package_key, unnest($3::text[]) AS version_key) w USING (package_key, version_key)
     WHERE b.space_id = $1`,
    [spaceId, versions.map((one) => one.packageId), versions.map((one) => one.versionKey)],
  );
  return new Map(rows.map((row) => [`${row.package_key} ${row.version_key}`, row]));
}

export async function lockBuilds(tx: Transaction, spaceId: string, packageId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('build information/' || $1 || '/' || lower($2), 0))`, [spaceId, packageId]);
}

/** A new row, or new content for the one of that version. */
export async function putBuild(
  tx: Transaction,
  row: { spaceId: string; packageId: string; version: string; versionKey: string; build: Build },
): Promise<string> {
  const { id, number } = await nextId(tx, "BuildInformation");
  const [stored] = await tx.query<{ id: string }>(
    `INSERT INTO build_information (id, number, space_id, package_id, package_key, version, version_key, build, build_version)
     VALUES ($1, $2, $3, $4, lower($4), $5, $6, $7, $8)
     ON CONFLICT (space_id, package_key, version_key) DO UPDATE SET package_id = EXCLUDED.package_id, version = EXCLUDED.version,
       build = EXCLUDED.build, build_version = EXCLUDED.build_version, created_at = now()
     RETURNING id`,
    [id, number, row.spaceId, row.packageId, row.version, row.versionKey, JSON.stringify(row.build), buildVersion],
  );
  return stored!.id;
}

export async function deleteBuild(tx: Transaction, id: string): Promise<void> {
  await tx.execute(`DELETE FROM build_information WHERE id = $1`, [id]);
}
