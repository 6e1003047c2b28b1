// Lets a client repeat a POST after a lost answer without doing it twice: the answer is stored under the caller's key in the same
// transaction as the change. Repeats of one key wait for each other, because they meet at one row.

import { createHash } from "node:crypto";
import { problem, Problem } from "../../base/problems.ts";
import type { Transaction } from "../database/database.ts";
import { claimKey, forgetExpiredKeys, storeAnswer } from "./idempotency-store.ts";
import type { IdempotentRequest } from "./idempotent-request.ts";
import type { Answer } from "./route.ts";

/** A UUID or a build number fits easily; longer keys only fill the table. */
export const idempotencyKeyCharactersMax = 200;

/** @throws Problem 400 for a key that is too long or empty */
export function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const key = (Array.isArray(header) ? header[0] : header)?.trim() ?? "";
  if (key === "" || key.length > idempotencyKeyCharactersMax) {
    throw problem.invalid(`The Idempotency-Key header must hold between 1 and ${idempotencyKeyCharactersMax} characters.`);
  }
  return key;
}

export function fingerprintOf(method: string, address: string, body: Uint8Array | undefined): Buffer {
  return createHash("sha256")
    .update(`${method} ${address}\n`)
    .update(body ?? new Uint8Array())
    .digest();
}

/** Runs `work` once per key: a repeat gets the stored answer. @throws Problem 422 when the key was used for another request */
export async function onceOnly(tx: Transaction, request: IdempotentRequest, work: () => Promise<Answer>): Promise<Answer> {
  const earlier = await claimKey(tx, request);
  if (earlier !== undefined) {
    if (!earlier.fingerprint.equals(request.fingerprint)) {
      throw new Problem(422, "This Idempotency-Key was already used for a different request. Use a new key for a new request.");
    }
    return earlier.answer;
  }
  const answer = await work();
  await storeAnswer(tx, request, answer);
  await forgetExpiredKeys(tx);
  return answer;
}
