// API keys: made at random, shown once, and stored only as a hash. They are long random texts, so a plain fast hash is enough.
import crypto from "node:crypto";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const charactersOfKey = 32; // 36^32 is more than 2^165

/** A new key: `API-` and 32 upper-case letters and digits. */
export function newApiKey(): string {
  let key = "API-";
  for (let n = 0; n < charactersOfKey; n++) key += alphabet[crypto.randomInt(alphabet.length)]!;
  return key;
}

/** What is stored and looked up: SHA-256 of the key's text, 32 bytes. */
export function hashApiKey(text: string): Buffer {
  return crypto.hash("sha256", text, "buffer");
}
