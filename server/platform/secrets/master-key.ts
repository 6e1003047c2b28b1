// The master key: reading it from its base64 text, making a new one, and the file it is kept in when the operator gives none.
// What is encrypted under it is in encryption.ts.
import crypto from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";

const newKeyBytes = 32;
const acceptedKeyBytes = [16, 32]; // 128 bit as the established servers make them, 256 bit as we do

/** A key, ready for use. `text` is the base64 form and itself a secret; `id` is not, and tells keys apart. */
export interface MasterKey {
  readonly id: string;
  readonly text: string;
  /** AES-256 key derived from it. */
  readonly encryptionKey: Buffer;
}

/** The node cannot start with this master key (or without one). The message holds no part of any key, only ids. */
export class MasterKeyProblem extends Error {
  readonly kind: "malformed" | "required" | "wrong" | "not-stored";
  constructor(kind: MasterKeyProblem["kind"], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "MasterKeyProblem";
    this.kind = kind;
  }
}

/** Reads the base64 form of 16 or 32 bytes. Throws MasterKeyProblem malformed. */
export function parseMasterKey(text: string): MasterKey {
  const trimmed = text.trim();
  const bytes = /^[A-Za-z0-9+/]+={0,2}$/.test(trimmed) ? Buffer.from(trimmed, "base64") : Buffer.alloc(0);
  if (!acceptedKeyBytes.includes(bytes.length) || bytes.toString("base64") !== trimmed) {
    throw new MasterKeyProblem(
      "malformed",
      "The master key must be the base64 text of 16 or 32 bytes (24 or 44 characters); check that all of it was copied.",
    );
  }
  return {
    id: derive(bytes, "cuttle master key id", 8).toString("hex"),
    text: trimmed,
    encryptionKey: derive(bytes, "cuttle aes-256-gcm", 32),
  };
}

/** A new random key of 256 bits. */
export function createMasterKey(): MasterKey {
  return parseMasterKey(crypto.randomBytes(newKeyBytes).toString("base64"));
}

function derive(bytes: Buffer, purpose: string, length: number): Buffer {
  return Buffer.from(crypto.hkdfSync("sha256", bytes, Buffer.alloc(0), purpose, length));
}

/** Where a node keeps the key that it made itself. */
export function masterKeyFile(home: string): string {
  return path.join(home, "master-key");
}

/** The key in the node's home folder, or undefined when there is none. */
export async function readMasterKeyFile(home: string): Promise<MasterKey | undefined> {
  const file = masterKeyFile(home);
  try {
    return parseMasterKey(await fs.readFile(file, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if (error instanceof MasterKeyProblem) throw new MasterKeyProblem("malformed", `${file} does not hold a master key: ${error.message}`);
    throw new MasterKeyProblem("malformed", `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"}).`, error);
  }
}

/**
 * Writes the key to the home folder, durable and readable by this account only, unless there is one: then that one counts.
 * Answers the key that is in the file. Throws MasterKeyProblem not-stored.
 */
export async function keepMasterKey(home: string, key: MasterKey): Promise<MasterKey> {
  const file = masterKeyFile(home);
  const staging = `${file}.new-${crypto.randomBytes(6).toString("hex")}`;
  try {
    const handle = await fs.open(staging, "wx", 0o600);
    try {
      await handle.writeFile(`${key.text}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.link(staging, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    await syncFolder(home);
  } catch (error) {
    throw new MasterKeyProblem(
      "not-stored",
      `The new master key cannot be written to ${file} (${(error as NodeJS.ErrnoException).code ?? "unknown error"}); without it everything encrypted would be lost, so nothing was begun. Give the server access to its home folder or set MASTER_KEY.`,
      error,
    );
  } finally {
    await fs.rm(staging, { force: true });
  }
  return (await readMasterKeyFile(home)) ?? key;
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // folders cannot be synced there
  const handle = await fs.open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
