// Password hashing. The stored text names its algorithm and costs, so that they can be raised later and every old hash still checks.
import crypto from "node:crypto";
import type * as argon2Package from "@node-rs/argon2";
import { problem } from "../../base/problems.ts";

/** Longer texts are refused before any work is done for them. */
export const passwordCharactersMax = 1_000;
const hashingAtOnceMax = 2; // each takes one core and up to 128 MB
const hashingQueueMax = 100; // beyond this a flood of sign-ins is answered with an error at once
const argonCosts = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }; // 19 MiB twice: about 10 ms
const scryptCosts = { N: 2 ** 17, r: 8, p: 1 }; // where the native argon2 cannot be loaded: about 300 ms
const scryptMemoryBytesMax = 256 * 1024 * 1024;
const scryptHashBytes = 32;

type Argon2 = typeof argon2Package;
let argon2: Promise<Argon2 | undefined> | undefined;

function loadArgon2(): Promise<Argon2 | undefined> {
  // The native part is missing on platforms the package was not built for. Its members are only on the default export when bundled.
  argon2 ??= import("@node-rs/argon2").then(
    (module) => (module as unknown as { default?: Argon2 }).default ?? module,
    () => undefined,
  );
  return argon2;
}

/** The text to store: `$argon2id$…`, or `$scrypt$…` where argon2 is not available. Throws RangeError beyond passwordCharactersMax. */
export async function hashPassword(password: string, options: { algorithm?: "scrypt" } = {}): Promise<string> {
  if (password.length > passwordCharactersMax) throw new RangeError(`A password has at most ${passwordCharactersMax} characters.`);
  const argon = options.algorithm === "scrypt" ? undefined : await loadArgon2();
  return await atOnce(async () => {
    if (argon !== undefined) return await argon.hash(password, argonCosts);
    const salt = crypto.randomBytes(16);
    const hash = await scrypt(password, salt, scryptCosts);
    return `$scrypt$N=${scryptCosts.N},r=${scryptCosts.r},p=${scryptCosts.p}$${salt.toString("base64")}$${hash.toString("base64")}`;
  });
}

/**
 * Whether the password belongs to the stored text. `null` as stored text (no such user, or one without a password) takes as long as
 * a wrong password and answers false. Throws Error when the stored text is of no known algorithm.
 */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  if (password.length > passwordCharactersMax) return false;
  if (stored === null) {
    await hashPassword(password);
    return false;
  }
  if (stored.startsWith("$argon2")) {
    const argon = await loadArgon2();
    if (argon === undefined)
      throw new Error("This password was hashed with argon2, which cannot be loaded on this machine; install @node-rs/argon2 for it.");
    return await atOnce(() => argon.verify(stored, password));
  }
  const parts = /^\$scrypt\$N=(\d{1,8}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)$/.exec(stored);
  if (parts === null) throw new Error("A stored password hash is of an unknown kind; it was written by a newer version of this server.");
  const [, n, r, p, salt, hash] = parts as unknown as [string, string, string, string, string, string];
  const wanted = Buffer.from(hash, "base64");
  const found = await atOnce(() => scrypt(password, Buffer.from(salt, "base64"), { N: Number(n), r: Number(r), p: Number(p) }));
  return wanted.length === found.length && crypto.timingSafeEqual(wanted, found);
}

function scrypt(password: string, salt: Buffer, costs: { N: number; r: number; p: number }): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  crypto.scrypt(password, salt, scryptHashBytes, { ...costs, maxmem: scryptMemoryBytesMax }, (error, key) =>
    error === null ? resolve(key) : reject(error),
  );
  return promise;
}

let hashing = 0;
const waiting: (() => void)[] = [];

async function atOnce<T>(work: () => Promise<T>): Promise<T> {
  if (hashing >= hashingAtOnceMax) {
    if (waiting.length >= hashingQueueMax)
      throw problem.unavailable("Too many passwords are being checked at the moment; try again in a few seconds.");
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else hashing += 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) hashing -= 1;
    else next();
  }
}
