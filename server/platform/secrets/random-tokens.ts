// Tokens that are used once and soon: random, shown once, stored only as a hash. They are long random texts, so a plain fast hash is enough.
import crypto from "node:crypto";

const tokenBytes = 32;

/** Letters, digits, - and _ only, so that it needs no quotes in a shell or an address. */
export function newInstallToken(): string {
  // Never a dash in front: it stands where shells could take it for an option.
  return `CI_${crypto.randomBytes(tokenBytes).toString("base64url")}`;
}

export function newSignInToken(): string {
  return crypto.randomBytes(tokenBytes).toString("base64url");
}

/** What is stored and looked up: SHA-256 of the text, 32 bytes. */
export function hashInstallToken(text: string): Buffer {
  return crypto.createHash("sha256").update(`install ${text}`, "utf8").digest();
}

export function hashSignInToken(text: string): Buffer {
  return crypto.createHash("sha256").update(`sign-in ${text}`, "utf8").digest();
}
