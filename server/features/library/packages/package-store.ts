// SQL of packages, of the files behind them, and of uploads under way. The only writer of these three tables.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import type { VersionRange } from "../versions/versions.ts";
import type { Nuspec } from "./nuspec.ts";

/** What is kept of a nuspec; empty for packages without one. Version 1 of the stored form. */
export type PackageDescription = Partial<Omit<Nuspec, "id" | "version">>;

export interface PackageRow {
  space_id: string;
  package_id: string;
  package_key: string;
  version: string;
  version_key: string;
  is_prerelease: boolean;
  is_latest: boolean;
  file_extension: string;
  sha256: string;
  sha1: string;
  bytes: number;
  description: PackageDescription;
  published_at: Date;
}

export interface StoredFile {
  sha256: string;
  sha1: string;
  bytes: number;
}

const columns = `p.space_id, p.package_id, p.package_key, p.version, p.version_key, p.is_prerelease, p.is_latest, p.file_extension,
  p.sha256, f.sha1, f.bytes, p.description, p.published_at`;
const from = `FROM packages p JOIN package_files f USING (sha256)`;

export interface PackageFilter {
  /** The id itself, in any letter case. */
  packageId?: string | undefined;
  /** Contained in the id. */
  partOfId?: string | undefined;
  /** Contained in the version. */
  partOfVersion?: string | undefined;
  latest?: boolean | undefined;
  prereleases?: boolean | undefined;
  /** With the dot. */
  extension?: string | undefined;
  range?: VersionRange | undefined;
}

function conditions(spaceId: string, filter: PackageFilter): { sql: string; values: unknown[] } {
  const values: unknown[] = [spaceId];
  const parts = ["p.space_id = $1"];
  const add = (sql: string, value: unknown): void => {
    values.push(value);
    parts.push(sql.replace("$?", `$${values.length}`));
  };
  if (filter.packageId !== undefined) add("p.package_key = lower($?)", filter.packageId);
  if (filter.partOfId !== undefined && filter.partOfId !== "") {
    // Every id has one latest version, so these say all ids there are in far fewer rows than all versions have.
    const within = "l.space_id = $1 AND l.is_latest AND strpos(l.package_key, lower($?)) > 0";
    if (filter.latest === true) add("strpos(p.package_key, lower($?)) > 0", filter.partOfId);
    else add(`p.package_key = ANY (ARRAY (SELECT l.package_key FROM packages l WHERE ${within}))`, filter.partOfId);
  }
  if (filter.partOfVersion !== undefined && filter.partOfVersion !== "")
    add("strpos(lower(p.version), lower($?)) > 0", filter.partOfVersion);
  if (filter.range?.from !== undefined) add("p.version_key >= $?", filter.range.from);
  if (filter.range?.below !== undefined) add("p.version_key < $?", filter.range.below);
  if (filter.extension !== undefined) add("p.file_extension = $?", filter.extension);
  if (filter.latest === true) parts.push("p.is_latest");
  if (filter.prereleases === false) parts.push("NOT p.is_prerelease");
  return { sql: parts.join(" AND "), values };
}

/** By id, newest version first. */
export async function listPackages(
  db: Queryable,
  spaceId: string,
  filter: PackageFilter,
  window: { skip: number; take: number },
): Promise<PackageRow[]> {
  const { sql, values } = conditions(spaceId, filter);
  return await db.query<PackageRow>(
    `SELECT ${columns} FROM (
       SELECT * FROM packages p WHERE ${sql} ORDER BY p.package_key, p.version_key DESC OFFSET $${values.length + 1} LIMIT $${values.length + 2}
     ) p JOIN package_files f USING (sha256) ORDER BY p.package_key, p.version_key DESC`,
    [...values, window.skip, window.take],
  );
}

export async function countPackages(db: Queryable, spaceId: string, filter: PackageFilter): Promise<number> {
  const { sql, values } = conditions(spaceId, filter);
  const [row] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM packages p WHERE ${sql}`, values);
  return row?.total ?? 0;
}

/** The ids that have any such version, as keys. */
export async function listPackageIds(
  db: Queryable,
  spaceId: string,
  filter: PackageFilter,
  window: { skip: number; take: number },
): Promise<{ ids: string[]; total: number }> {
  const { sql, values } = conditions(spaceId, filter);
  const rows = await db.query<{ id: string }>(
    `SELECT DISTINCT p.package_key AS id FROM packages p WHERE ${sql} ORDER BY 1 OFFSET $${values.length + 1} LIMIT $${values.length + 2}`,
    [...values, window.skip, window.take],
  );
  const [count] = await db.query<{ total: number }>(`SELECT count(DISTINCT p.package_key) AS total FROM packages p WHERE ${sql}`, values);
  return { ids: rows.map((row) => row.id), total: count?.total ?? 0 };
}

/** `fullName` is id and version with a dot between, in any letter case. */
export async function findPackageByName(db: Queryable, spaceId: string, fullName: string): Promise<PackageRow | undefined> {
  const [row] = await db.query<PackageRow>(
    `SELECT ${columns} ${from} WHERE p.space_id = $1 AND lower(p.package_id || '.' || p.version) = lower($2) LIMIT 1`,
    [spaceId, fullName],
  );
  return row;
}

export async function findPackage(db: Queryable, spaceId: string, packageId: string, versionKey: string): Promise<PackageRow | undefined> {
  const [row] = await db.query<PackageRow>(
    `SELECT ${columns} ${from} WHERE p.space_id = $1 AND p.package_key = lower($2) AND p.version_key = $3`,
    [spaceId, packageId, versionKey],
  );
  return row;
}

/** Which of these versions the feed does not have, in their order. */
export async function listMissingVersions<V extends { packageId: string; versionKey: string }>(
  db: Queryable,
  spaceId: string,
  versions: readonly V[],
): Promise<V[]> {
  if (versions.length === 0) return [];
  const rows = await db.query<{ package_key: string; version_key: string }>(
    `SELECT p.package_key, p.version_key FROM packages p
     JOIN (SELECT lower(unnest($2::text[])) AS package_key, unnest($3::text[]) AS version_key) w USING (package_key, version_key)
     WHERE p.space_id = $1`,
    [spaceId, versions.map((one) => one.packageId), versions.map((one) => one.versionKey)],
  );
  const there = new Set(rows.map((row) => `${row.package_key} ${row.version_key}`));
  return versions.filter((one) => !there.has(`${one.packageId.toLowerCase()} ${one.versionKey}`));
}

/** Changes of one package id wait for each other, so that checks for an existing version and the mark of the latest hold. */
export async function lockPackageId(tx: Transaction, spaceId: string, packageId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('package/' || $1 || '/' || lower($2), 0))`, [spaceId, packageId]);
}

export async function putPackage(
  tx: Transaction,
  row: Omit<PackageRow, "package_key" | "is_latest" | "sha1" | "bytes" | "published_at">,
): Promise<void> {
  await tx.execute(
    `INSERT INTO packages (space_id, package_id, package_key, version, version_key, is_prerelease, file_extension, sha256, description)
     VALUES ($1, $2, lower($2), $3, $4, $5, $6, $7, $8)
     ON CONFLICT (space_id, package_key, version_key) DO UPDATE SET package_id = EXCLUDED.package_id, version = EXCLUDED.version,
       file_extension = EXCLUDED.file_extension, sha256 = EXCLUDED.sha256, description = EXCLUDED.description, published_at = now()`,
    [
      row.space_id,
      row.package_id,
      row.version,
      row.version_key,
      row.is_prerelease,
      row.file_extension,
      row.sha256,
      JSON.stringify(row.description),
    ],
  );
  await markLatest(tx, row.space_id, row.package_id);
}

export async function deletePackage(tx: Transaction, row: PackageRow): Promise<boolean> {
  const deleted = await tx.execute(`DELETE FROM packages WHERE space_id = $1 AND package_key = $2 AND version_key = $3`, [
    row.space_id,
    row.package_key,
    row.version_key,
  ]);
  await markLatest(tx, row.space_id, row.package_id);
  return deleted > 0;
}

async function markLatest(tx: Transaction, spaceId: string, packageId: string): Promise<void> {
  await tx.execute(
    `UPDATE packages p SET is_latest = NOT p.is_latest
     FROM (SELECT max(version_key) AS newest FROM packages WHERE space_id = $1 AND package_key = lower($2)) n
     WHERE p.space_id = $1 AND p.package_key = lower($2) AND p.is_latest <> (p.version_key = n.newest)`,
    [spaceId, packageId],
  );
}

export async function insertUpload(db: Queryable, uploadId: string): Promise<void> {
  await db.execute(`INSERT INTO package_uploads (id) VALUES ($1)`, [uploadId]);
}

/** False when somebody took the upload for abandoned. */
export async function touchUpload(db: Queryable, uploadId: string): Promise<boolean> {
  return (await db.execute(`UPDATE package_uploads SET seen_at = now() WHERE id = $1`, [uploadId])) > 0;
}

/** From here on nobody removes the file, though no package uses it yet. */
export async function claimFile(tx: Transaction, uploadId: string, file: StoredFile): Promise<boolean> {
  // The update that changes nothing waits for whoever is just removing the file.
  await tx.execute(
    `INSERT INTO package_files (sha256, sha1, bytes) VALUES ($1, $2, $3) ON CONFLICT (sha256) DO UPDATE SET bytes = EXCLUDED.bytes`,
    [file.sha256, file.sha1, file.bytes],
  );
  return (await tx.execute(`UPDATE package_uploads SET sha256 = $2, seen_at = now() WHERE id = $1`, [uploadId, file.sha256])) > 0;
}

export async function deleteUpload(db: Queryable, uploadId: string): Promise<boolean> {
  return (await db.execute(`DELETE FROM package_uploads WHERE id = $1`, [uploadId])) > 0;
}

export async function listAbandonedUploads(db: Queryable, afterSeconds: number, limit: number): Promise<string[]> {
  const rows = await db.query<{ id: string }>(
    `SELECT id FROM package_uploads WHERE seen_at < now() - make_interval(secs => $1) ORDER BY seen_at LIMIT $2`,
    [afterSeconds, limit],
  );
  return rows.map((row) => row.id);
}

const unused = `NOT EXISTS (SELECT FROM packages p WHERE p.sha256 = f.sha256)
  AND NOT EXISTS (SELECT FROM package_uploads u WHERE u.sha256 = f.sha256)`;

export async function listUnusedFiles(db: Queryable, limit: number): Promise<string[]> {
  const rows = await db.query<{ sha256: string }>(`SELECT sha256 FROM package_files f WHERE ${unused} LIMIT $1`, [limit]);
  return rows.map((row) => row.sha256);
}

/** Whether the file is there and nobody uses it; until the transaction ends, nobody can begin to. */
export async function lockUnusedFile(tx: Transaction, sha256: string): Promise<boolean> {
  await tx.query(`SELECT 1 FROM package_files WHERE sha256 = $1 FOR UPDATE`, [sha256]);
  // A statement of its own: it sees what was committed while the lock was waited for.
  const rows = await tx.query(`SELECT 1 FROM package_files f WHERE f.sha256 = $1 AND ${unused}`, [sha256]);
  return rows.length > 0;
}

export async function deleteFile(tx: Transaction, sha256: string): Promise<void> {
  await tx.execute(`DELETE FROM package_files WHERE sha256 = $1`, [sha256]);
}
