// Finds the master key at start and proves that it is the one this database was encrypted with, before anything is written under it.
import fs from "node:fs/promises";
import type { Queryable } from "../database/database.ts";
import { createSecrets, SecretUnreadable } from "./encryption.ts";
import type { SecretContext, Secrets } from "./encryption.ts";
import { findKeyCheck, insertKeyCheck } from "./key-check-store.ts";
import type { KeyCheck } from "./key-check-store.ts";
import { createMasterKey, keepMasterKey, masterKeyFile, MasterKeyProblem, parseMasterKey, readMasterKeyFile } from "./master-key.ts";
import type { MasterKey } from "./master-key.ts";

const checkContext: SecretContext = { table: "cluster_settings", column: "value", row: "master-key-check", space: null };
const checkText = "this is the master key of this database";

/**
 * The secrets of this cluster. Uses the key given, else the one in the home folder; for a new database without either it makes
 * one and stores it in the home folder before anything else. Throws MasterKeyProblem: malformed, required, wrong, not-stored.
 */
export async function openSecrets(parts: {
  database: Queryable;
  masterKey: string | undefined;
  home: string;
}): Promise<Secrets & { masterKeyMade: boolean }> {
  const given = parts.masterKey === undefined ? await readMasterKeyFile(parts.home) : parseMasterKey(parts.masterKey);
  const check = await findKeyCheck(parts.database);
  if (check !== undefined) {
    if (given === undefined) throw required(check);
    return { ...proven(given, check), masterKeyMade: false };
  }
  // The file is durable before the row: a key that encrypted something is never only in memory.
  const key = given ?? (await keepMasterKey(parts.home, createMasterKey()));
  const sealed = createSecrets(key).encrypt(checkText, checkContext).toString("base64");
  const stored = await insertKeyCheck(parts.database, { version: 1, keyId: key.id, sealed });
  if (given === undefined && stored.keyId !== key.id) {
    // Another node began this database at the same moment, with its own new key; ours protects nothing.
    await fs.rm(masterKeyFile(parts.home), { force: true });
    throw required(stored);
  }
  return { ...proven(key, stored), masterKeyMade: given === undefined };
}

function required(check: KeyCheck): MasterKeyProblem {
  return new MasterKeyProblem(
    "required",
    `This database is encrypted with the master key ${check.keyId}, which this node was not given. Set MASTER_KEY; "cuttle-server show-master-key" prints it on a node that has it.`,
  );
}

function proven(key: MasterKey, check: KeyCheck): Secrets {
  const secrets = createSecrets(key);
  if (check.version !== 1)
    throw new MasterKeyProblem(
      "wrong",
      "The master key's check in this database was stored by a newer version of this server; use that version.",
    );
  try {
    if (secrets.decrypt(Buffer.from(check.sealed, "base64"), checkContext) === checkText) return secrets;
  } catch (error) {
    if (!(error instanceof SecretUnreadable)) throw error;
  }
  throw new MasterKeyProblem(
    "wrong",
    `The master key given (${key.id}) is not the one this database is encrypted with (${check.keyId}). Nothing was changed; set MASTER_KEY to the right one.`,
  );
}
