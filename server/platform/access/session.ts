// The secrets of a session: a random token in a cookie that scripts cannot read, and a second one that a page must repeat in a header, so
// that another site cannot act through a signed-in browser. The database holds only their hashes, so any node accepts them.

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** Starts of the cookies' names; what follows tells installations on one host apart. Clients look for exactly these. */
export const sessionCookiePrefix = "OctopusIdentificationToken";
export const csrfCookiePrefix = "Octopus-Csrf-Token";
export const csrfHeader = "x-octopus-csrf-token";

/** Cookies of several installations may come along; a request with more than this was not made by a browser. */
export const sessionCookiesMax = 8;
/** Of SHA-256. */
export const hashBytes = 32;
const secretBytes = 32;

export interface SessionSecrets {
  token: string;
  csrfToken: string;
}

/** Two secrets of 256 bits each in letters that need no escaping in cookies. */
export function newSessionSecrets(): SessionSecrets {
  return { token: randomBytes(secretBytes).toString("base64url"), csrfToken: randomBytes(secretBytes).toString("base64url") };
}

export function hashSessionSecret(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}

/** Whether the header repeats the session's second secret. */
export function csrfMatches(header: string | string[] | undefined, hash: Buffer): boolean {
  return typeof header === "string" && timingSafeEqual(hashSessionSecret(header), hash);
}

/** Hashes of the session tokens in a Cookie header; empty without one. */
export function sessionHashes(header: string | undefined): Buffer[] {
  if (header === undefined) return [];
  const hashes: Buffer[] = [];
  for (const part of header.split(";")) {
    const [name, value] = part.trim().split("=", 2) as [string, string?];
    if (value === undefined || value === "" || !name.startsWith(sessionCookiePrefix)) continue;
    hashes.push(hashSessionSecret(value));
    if (hashes.length === sessionCookiesMax) break;
  }
  return hashes;
}
