// The one row that tells whether a master key belongs to this database: something encrypted under it.
import type { Queryable } from "../database/database.ts";

const settingName = "master-key-check";

/** Version 1 of the stored form. `sealed` is base64. */
export interface KeyCheck {
  version: 1;
  keyId: string;
  sealed: string;
}

export async function findKeyCheck(database: Queryable): Promise<KeyCheck | undefined> {
  const [row] = await database.query<{ value: KeyCheck }>("SELECT value FROM cluster_settings WHERE name = $1", [settingName]);
  return row?.value;
}

/** Stores it unless there is one already; answers the one that counts. */
export async function insertKeyCheck(database: Queryable, check: KeyCheck): Promise<KeyCheck> {
  await database.execute("INSERT INTO cluster_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", [settingName, check]);
  return (await findKeyCheck(database)) ?? check;
}
