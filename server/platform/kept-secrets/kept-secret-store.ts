// SQL of kept secrets; the only writer of the table. It sees ciphertext only.

import type { Queryable, Transaction } from "../database/database.ts";

export async function insertSecret(
  tx: Transaction,
  row: { id: string; spaceId: string; owner: string; ciphertext: Buffer },
): Promise<void> {
  await tx.execute(`INSERT INTO secrets (id, space_id, owner, ciphertext) VALUES ($1, $2, $3, $4)`, [
    row.id,
    row.spaceId,
    row.owner,
    row.ciphertext,
  ]);
}

export async function deleteSecret(tx: Transaction, id: string): Promise<void> {
  await tx.execute(`DELETE FROM secrets WHERE id = $1`, [id]);
}

export async function findCiphertexts(
  db: Queryable,
  ids: readonly string[],
): Promise<{ id: string; space_id: string; ciphertext: Buffer }[]> {
  if (ids.length === 0) return [];
  return db.query(`SELECT id, space_id, ciphertext FROM secrets WHERE id = ANY ($1::uuid[])`, [ids]);
}

export async function insertSecrets(
  tx: Transaction,
  rows: readonly { id: string; ciphertext: Buffer }[],
  of: { spaceId: string; owner: string },
): Promise<void> {
  if (rows.length === 0) return;
  await tx.execute(
    `INSERT INTO secrets (id, space_id, owner, ciphertext) SELECT id, $3, $4, ciphertext FROM unnest($1::uuid[], $2::bytea[]) AS new (id, ciphertext)`,
    [rows.map((row) => row.id), rows.map((row) => row.ciphertext), of.spaceId, of.owner],
  );
}

export async function deleteSecrets(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await tx.execute(`DELETE FROM secrets WHERE id = ANY ($1::uuid[])`, [ids]);
}

export async function deleteSecretsOf(tx: Transaction, owner: string, spaceId: string): Promise<void> {
  await tx.execute(`DELETE FROM secrets WHERE owner = $1 AND space_id = $2`, [owner, spaceId]);
}
