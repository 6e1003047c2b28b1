// Encryption of single values for the database. Each is bound to its place (table, column, row, space): moved anywhere else it does not
// decrypt. Stored form, version 1: version byte, 8 bytes key id, 12 bytes nonce, ciphertext, 16 bytes tag.
import crypto from "node:crypto";
import type { MasterKey } from "./master-key.ts";

const formatVersion = 1;
const keyIdBytes = 8;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + keyIdBytes + nonceBytes;
const plainBytesMax = 256 * 1024; // certificates and key files fit; masking keeps each value of a task in memory

/** The place a value is stored in. `space` is null for what belongs to no space. */
export interface SecretContext {
  table: string;
  column: string;
  row: string;
  space: string | null;
}

/** A stored value does not decrypt. The message never holds any of it. */
export class SecretUnreadable extends Error {
  readonly kind: "malformed" | "unknown-version" | "other-key" | "not-authentic";
  constructor(kind: SecretUnreadable["kind"], message: string) {
    super(message);
    this.name = "SecretUnreadable";
    this.kind = kind;
  }
}

export interface Secrets {
  /** Id of the key that new values are encrypted with. */
  readonly keyId: string;
  /** The bytes to store; other ones each time. Throws RangeError above 256 KiB. */
  encrypt(plain: string, context: SecretContext): Buffer;
  /** The text that was encrypted for this very place. Throws SecretUnreadable. */
  decrypt(stored: Uint8Array, context: SecretContext): string;
}

export function createSecrets(key: MasterKey): Secrets {
  const keyId = Buffer.from(key.id, "hex");

  function boundTo(head: Buffer, context: SecretContext): Buffer {
    // JSON keeps the parts apart: no two places give the same text.
    return Buffer.concat([head, Buffer.from(JSON.stringify([context.table, context.column, context.row, context.space]))]);
  }

  return {
    keyId: key.id,
    encrypt(plain, context) {
      const bytes = Buffer.from(plain, "utf8");
      if (bytes.length > plainBytesMax) throw new RangeError(`A sensitive value has at most ${plainBytesMax} bytes.`);
      const nonce = crypto.randomBytes(nonceBytes);
      const head = Buffer.concat([Buffer.of(formatVersion), keyId, nonce]);
      const cipher = crypto.createCipheriv("aes-256-gcm", key.encryptionKey, nonce);
      cipher.setAAD(boundTo(head, context));
      return Buffer.concat([head, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
    },
    decrypt(stored, context) {
      const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
      const where = `${context.table}.${context.column} of ${context.row}`;
      if (bytes[0] !== undefined && bytes[0] !== formatVersion) {
        throw new SecretUnreadable(
          "unknown-version",
          `The secret in ${where} was stored by a newer version of this server (format ${bytes[0]}); use that version.`,
        );
      }
      if (bytes.length < headBytes + tagBytes)
        throw new SecretUnreadable("malformed", `The secret in ${where} is damaged: it is too short. Enter it again.`);
      const head = bytes.subarray(0, headBytes);
      const storedKeyId = head.subarray(1, 1 + keyIdBytes);
      if (!storedKeyId.equals(keyId)) {
        throw new SecretUnreadable(
          "other-key",
          `The secret in ${where} was encrypted with master key ${storedKeyId.toString("hex")}, but this node has ${key.id}.`,
        );
      }
      const decipher = crypto.createDecipheriv("aes-256-gcm", key.encryptionKey, head.subarray(1 + keyIdBytes), {
        authTagLength: tagBytes,
      });
      decipher.setAAD(boundTo(head, context));
      decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(headBytes, bytes.length - tagBytes)), decipher.final()]).toString("utf8");
      } catch {
        throw new SecretUnreadable(
          "not-authentic",
          `The secret in ${where} was changed, or moved there from another place; it is not used. Enter it again.`,
        );
      }
    },
  };
}
