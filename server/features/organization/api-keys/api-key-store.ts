// SQL of API keys; the only writer of the table. Only hashes are stored.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export interface ApiKeyRow {
  id: string;
  user_id: string;
  purpose: string;
  prefix: string;
  created_at: Date;
  expires_at: Date | null;
}

const columns = "id, user_id, purpose, prefix, created_at, expires_at";

export async function listApiKeys(db: Queryable, userId: string): Promise<ApiKeyRow[]> {
  return db.query<ApiKeyRow>(`SELECT ${columns} FROM api_keys WHERE user_id = $1 ORDER BY created_at, id`, [userId]);
}

export async function insertApiKey(
  tx: Transaction,
  key: { id: string; userId: string; purpose: string; prefix: string; hash: Buffer; expires: string | null },
): Promise<ApiKeyRow> {
  const [row] = await tx.query<ApiKeyRow>(
    `INSERT INTO api_keys (id, user_id, purpose, prefix, hash, expires_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${columns}`,
    [key.id, key.userId, key.purpose, key.prefix, key.hash, key.expires],
  );
  return row!;
}

export async function findKeyByHash(db: Queryable, hash: Buffer): Promise<ApiKeyRow | undefined> {
  const [row] = await db.query<ApiKeyRow>(`SELECT ${columns} FROM api_keys WHERE hash = $1`, [hash]);
  return row;
}

/** Takes a key away from whoever had it; it works from now on for `userId` without an end. */
export async function giveKeyTo(tx: Transaction, id: string, userId: string): Promise<void> {
  await tx.execute(`UPDATE api_keys SET user_id = $2, expires_at = NULL WHERE id = $1`, [id, userId]);
}

export async function deleteApiKey(tx: Transaction, userId: string, id: string): Promise<ApiKeyRow | undefined> {
  const [row] = await tx.query<ApiKeyRow>(`DELETE FROM api_keys WHERE user_id = $1 AND lower(id) = lower($2) RETURNING ${columns}`, [
    userId,
    id,
  ]);
  return row;
}

/** Whether a time lies in the future by the database's clock. */
export async function isInFuture(db: Queryable, time: string): Promise<boolean> {
  const [row] = await db.query<{ future: boolean }>(`SELECT $1::timestamptz > now() AS future`, [time]);
  return row?.future ?? false;
}
