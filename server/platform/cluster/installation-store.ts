// SQL of the installation's one row, which the first migration writes.

import type { Queryable } from "../database/database.ts";

/** UUID of this installation, the same on every node. */
export async function readInstallationId(database: Queryable): Promise<string> {
  const [row] = await database.query<{ id: string }>(`SELECT id FROM installation`);
  if (row === undefined) throw new Error("The table installation is empty; the database was changed by hand.");
  return row.id;
}
