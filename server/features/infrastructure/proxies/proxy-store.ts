// SQL of proxies beyond what every resource has: the way to one, for whoever connects.

import type { Queryable } from "../../../platform/database/database.ts";

export interface ProxyRow {
  host: string;
  port: number;
  username: string;
  passwordSecretId: string | null;
}

export async function findProxyRow(db: Queryable, id: string): Promise<ProxyRow | undefined> {
  const [row] = await db.query<{ host: string; port: number; username: string; password_secret_id: string | null }>(
    `SELECT host, port, username, password_secret_id::text FROM proxies WHERE id = $1`,
    [id],
  );
  return row && { host: row.host, port: row.port, username: row.username, passwordSecretId: row.password_secret_id };
}
