// Secrets of configuration, one row each, encrypted under the master key and bound to their row and space. Documents and plans hold
// only the id; the text is read back at the moment a script needs it.

import { randomUUID } from "node:crypto";
import type { Queryable, Transaction } from "../database/database.ts";
import type { SecretContext, Secrets } from "../secrets/secrets.ts";
import { deleteSecret, deleteSecrets, deleteSecretsOf, findCiphertexts, insertSecret, insertSecrets } from "./kept-secret-store.ts";

export interface SecretToKeep {
  /** A UUID of the caller's making, so that the document naming it can be stored in the same transaction. */
  id: string;
  spaceId: string;
  /** Id of the document it belongs to. */
  owner: string;
  text: string;
}

function contextOf(id: string, spaceId: string): SecretContext {
  return { table: "secrets", column: "ciphertext", row: id, space: spaceId };
}

/** Stores a secret in the caller's transaction. */
export async function keepSecret(tx: Transaction, secrets: Secrets, secret: SecretToKeep): Promise<void> {
  await insertSecret(tx, { ...secret, ciphertext: secrets.encrypt(secret.text, contextOf(secret.id, secret.spaceId)) });
}

/** Takes a secret out of the database. Backups and the write-ahead log hold its ciphertext for as long as they are kept. */
export async function forgetSecret(tx: Transaction, id: string): Promise<void> {
  await deleteSecret(tx, id);
}

/** Stores many secrets of one document at once. */
export async function keepSecrets(
  tx: Transaction,
  secrets: Secrets,
  { spaceId, owner, texts }: { spaceId: string; owner: string; texts: readonly { id: string; text: string }[] },
): Promise<void> {
  const rows = texts.map(({ id, text }) => ({ id, ciphertext: secrets.encrypt(text, contextOf(id, spaceId)) }));
  await insertSecrets(tx, rows, { spaceId, owner });
}

/** Like `forgetSecret`, for many. */
export async function forgetSecrets(tx: Transaction, ids: readonly string[]): Promise<void> {
  await deleteSecrets(tx, ids);
}

/** Takes all secrets of a document out, with the document itself. */
export async function forgetSecretsOf(tx: Transaction, owner: string, spaceId: string): Promise<void> {
  await deleteSecretsOf(tx, owner, spaceId);
}

/** The texts of secrets by id. An id that is not there is missing in the answer. @throws SecretUnreadable for a row that was tampered with */
export async function readKeptSecrets(db: Queryable, secrets: Secrets, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await findCiphertexts(db, ids);
  return new Map(rows.map((row) => [row.id, secrets.decrypt(row.ciphertext, contextOf(row.id, row.space_id))]));
}

/** Keeps the texts of these secrets once more, for another document of the space. Answers the new id of each; one that is not there has none. */
export async function copyKeptSecrets(
  tx: Transaction,
  secrets: Secrets,
  { spaceId, owner, ids }: { spaceId: string; owner: string; ids: readonly string[] },
): Promise<Map<string, string>> {
  const copies = [...(await readKeptSecrets(tx, secrets, ids))].map(([old, text]) => ({ old, id: randomUUID(), text }));
  await keepSecrets(tx, secrets, { spaceId, owner, texts: copies });
  return new Map(copies.map(({ old, id }) => [old, id]));
}
