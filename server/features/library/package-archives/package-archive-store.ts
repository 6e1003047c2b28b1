// SQL of repacked packages: which archive was made of which file, and its blocks. The only writer of this table.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export interface ArchiveRow {
  sha256: string;
  bytes: number;
  unpacked_bytes: number;
  blocks: Buffer;
}

export async function findArchive(db: Queryable, sourceSha256: string, format: number): Promise<ArchiveRow | undefined> {
  const [row] = await db.query<ArchiveRow>(
    `SELECT sha256, bytes, unpacked_bytes, blocks FROM package_archives WHERE source_sha256 = $1 AND format_version = $2`,
    [sourceSha256, format],
    { name: "package-archive-find" },
  );
  return row;
}

/** Keeps the row that is there. Waits for whoever is just removing the package's file, and fails by its foreign key when that is gone. */
export async function insertArchive(tx: Transaction, sourceSha256: string, format: number, row: ArchiveRow): Promise<ArchiveRow> {
  await tx.execute(
    `INSERT INTO package_archives (source_sha256, format_version, sha256, bytes, unpacked_bytes, blocks) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (source_sha256, format_version) DO UPDATE SET bytes = package_archives.bytes`,
    [sourceSha256, format, row.sha256, row.bytes, row.unpacked_bytes, row.blocks],
  );
  return (await findArchive(tx, sourceSha256, format))!;
}

/** Its file is gone: made anew, it may be another one. */
export async function deleteArchive(db: Queryable, sourceSha256: string, sha256: string): Promise<void> {
  await db.execute(`DELETE FROM package_archives WHERE source_sha256 = $1 AND sha256 = $2`, [sourceSha256, sha256]);
}

/** The files of the archives made of a package's file. */
export async function listArchives(db: Queryable, sourceSha256: string): Promise<string[]> {
  const rows = await db.query<{ sha256: string }>(`SELECT sha256 FROM package_archives WHERE source_sha256 = $1`, [sourceSha256]);
  return rows.map((row) => row.sha256);
}

/** Whether another package's file has given the same archive. */
export async function isArchiveShared(db: Queryable, sha256: string, sourceSha256: string): Promise<boolean> {
  const rows = await db.query(`SELECT 1 FROM package_archives WHERE sha256 = $1 AND source_sha256 <> $2 LIMIT 1`, [sha256, sourceSha256]);
  return rows.length > 0;
}
