// SQL of the installation's one row, which the first migration writes; the only writer of installation.

import type { Queryable, Transaction } from "../database/database.ts";

/** UUID of this installation, the same on every node. */
export async function readInstallationId(database: Queryable): Promise<string> {
  const [row] = await database.query<{ id: string }>(`SELECT id FROM installation`);
  if (row === undefined) throw new Error("The table installation is empty; the database was changed by hand.");
  return row.id;
}

/** Whether only administrators may change anything, on every node. */
export async function readMaintenance(database: Queryable): Promise<boolean> {
  const [row] = await database.query<{ is_in_maintenance: boolean }>(`SELECT is_in_maintenance FROM installation`);
  return row?.is_in_maintenance === true;
}

/** Answers whether that changed anything. */
export async function setMaintenance(tx: Transaction, isInMaintenance: boolean): Promise<boolean> {
  const rows = await tx.query(`UPDATE installation SET is_in_maintenance = $1 WHERE is_in_maintenance <> $1 RETURNING 1`, [
    isInMaintenance,
  ]);
  return rows.length > 0;
}

/** Enters the identity of the shared folder unless one is there, or in place of it when `replace`; answers the one that counts. */
export async function enterSharedFolder(database: Queryable, identity: string, replace: boolean): Promise<string> {
  const [row] = await database.query<{ shared_folder: string }>(
    `UPDATE installation SET shared_folder = CASE WHEN $2 THEN $1::uuid ELSE coalesce(shared_folder, $1::uuid) END RETURNING shared_folder`,
    [identity, replace],
  );
  if (row === undefined) throw new Error("The table installation is empty; the database was changed by hand.");
  return row.shared_folder;
}

/** The database's clock, in milliseconds since 1970. */
export async function readClock(database: Queryable): Promise<number> {
  const [row] = await database.query<{ ms: number }>(`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`);
  return row!.ms;
}
