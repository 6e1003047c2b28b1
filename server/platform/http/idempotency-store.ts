// SQL of the stored answers; the only writer of idempotency_keys.

import type { Transaction } from "../database/database.ts";
import type { IdempotentRequest } from "./idempotent-request.ts";
import type { Answer } from "./route.ts";

/** A day: long enough for a build that is restarted next morning. */
const keptHours = 24;
/** Expired rows removed by each new one, so that the table shrinks by itself without a job of its own. */
const forgottenAtOnceMax = 10;

interface Row {
  fingerprint: Buffer;
  status: number | null;
  body: unknown;
  location: string | null;
}

/** Takes the key for this transaction, waiting for another that holds it. Returns the earlier request when there was one. */
export async function claimKey(tx: Transaction, request: IdempotentRequest): Promise<{ fingerprint: Buffer; answer: Answer } | undefined> {
  await tx.execute(
    `DELETE FROM idempotency_keys WHERE user_id = $1 AND key = $2 AND created_at < now() - make_interval(hours => ${keptHours})`,
    [request.userId, request.key],
  );
  const inserted = await tx.execute(
    `INSERT INTO idempotency_keys (user_id, key, fingerprint) VALUES ($1, $2, $3) ON CONFLICT (user_id, key) DO NOTHING`,
    [request.userId, request.key, request.fingerprint],
  );
  if (inserted === 1) return undefined;
  const [row] = await tx.query<Row>(`SELECT fingerprint, status, body, location FROM idempotency_keys WHERE user_id = $1 AND key = $2`, [
    request.userId,
    request.key,
  ]);
  if (row === undefined) throw new Error("An Idempotency-Key vanished between two statements.");
  return {
    fingerprint: row.fingerprint,
    answer: {
      status: row.status ?? 200,
      ...(row.body === null ? {} : { body: row.body }),
      ...(row.location === null ? {} : { location: row.location }),
    },
  };
}

export async function storeAnswer(tx: Transaction, request: IdempotentRequest, answer: Answer): Promise<void> {
  await tx.execute(`UPDATE idempotency_keys SET status = $3, body = $4, location = $5 WHERE user_id = $1 AND key = $2`, [
    request.userId,
    request.key,
    answer.status,
    answer.body === undefined ? null : JSON.stringify(answer.body),
    answer.location ?? null,
  ]);
}

export async function forgetExpiredKeys(tx: Transaction): Promise<void> {
  await tx.execute(
    `DELETE FROM idempotency_keys WHERE (user_id, key) IN (
       SELECT user_id, key FROM idempotency_keys WHERE created_at < now() - make_interval(hours => ${keptHours})
        ORDER BY created_at LIMIT ${forgottenAtOnceMax} FOR UPDATE SKIP LOCKED)`,
  );
}
