// SQL of sessions, of links that make one, and of the count of failed sign-ins; the only writer of these tables.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

/** Rows that one sign-in clears away on its way, so that no job of its own is needed. */
const clearedAtOnceMax = 100;

export async function insertSession(
  tx: Transaction,
  session: { tokenHash: Buffer; csrfHash: Buffer; userId: string; lifeMs: number; perUserMax: number },
): Promise<void> {
  await tx.execute(
    `DELETE FROM sessions WHERE token_hash IN (
       SELECT token_hash FROM sessions WHERE expires_at < now() ORDER BY expires_at LIMIT ${clearedAtOnceMax} FOR UPDATE SKIP LOCKED)`,
  );
  await tx.execute(
    `DELETE FROM sessions WHERE token_hash IN (
       SELECT token_hash FROM sessions WHERE user_id = $1 ORDER BY created_at DESC OFFSET $2 LIMIT ${clearedAtOnceMax} FOR UPDATE SKIP LOCKED)`,
    [session.userId, session.perUserMax - 1],
  );
  await tx.execute(
    `INSERT INTO sessions (token_hash, csrf_hash, user_id, expires_at) VALUES ($1, $2, $3, now() + $4 * interval '1 millisecond')`,
    [session.tokenHash, session.csrfHash, session.userId, session.lifeMs],
  );
}

export async function deleteSession(tx: Transaction, tokenHash: Buffer): Promise<boolean> {
  return (await tx.execute(`DELETE FROM sessions WHERE token_hash = $1`, [tokenHash])) > 0;
}

export async function deleteSessionsOf(tx: Transaction, userId: string): Promise<void> {
  await tx.execute(`DELETE FROM sessions WHERE user_id = $1`, [userId]);
  await tx.execute(`DELETE FROM sign_in_links WHERE user_id = $1`, [userId]);
}

/** A link that signs its user in once. */
export async function insertSignInLink(tx: Transaction, link: { hash: Buffer; userId: string; lifeMs: number }): Promise<void> {
  await tx.execute(
    `DELETE FROM sign_in_links WHERE hash IN (
       SELECT hash FROM sign_in_links WHERE expires_at < now() ORDER BY expires_at LIMIT ${clearedAtOnceMax} FOR UPDATE SKIP LOCKED)`,
  );
  await tx.execute(`INSERT INTO sign_in_links (hash, user_id, expires_at) VALUES ($1, $2, now() + $3 * interval '1 millisecond')`, [
    link.hash,
    link.userId,
    link.lifeMs,
  ]);
}

/** Takes a link away; of two at once, one gets it. Answers its user where the link was in time and the user is active. */
export async function spendSignInLink(tx: Transaction, hash: Buffer): Promise<{ id: string; username: string } | undefined> {
  const [row] = await tx.query<{ id: string; username: string; usable: boolean }>(
    `DELETE FROM sign_in_links l USING users u WHERE l.hash = $1 AND u.id = l.user_id
     RETURNING u.id, u.username, l.expires_at > now() AND u.is_active AS usable`,
    [hash],
  );
  return row?.usable === true ? { id: row.id, username: row.username } : undefined;
}

export async function countSignInLinks(db: Queryable, userId: string): Promise<number> {
  const [row] = await db.query<{ n: number }>(`SELECT count(*) AS n FROM sign_in_links WHERE user_id = $1 AND expires_at > now()`, [
    userId,
  ]);
  return row?.n ?? 0;
}

/** Failures of a name within the window, and the milliseconds until they are forgotten. `name` in lower case. */
export async function findFailures(db: Queryable, name: string, windowMs: number): Promise<{ failures: number; remainingMs: number }> {
  const [row] = await db.query<{ failures: number; remaining_ms: number }>(
    `SELECT failures, ceil(extract(epoch FROM counted_since - now()) * 1000 + $2)::int AS remaining_ms
       FROM sign_in_failures WHERE username = $1 AND counted_since > now() - $2 * interval '1 millisecond'`,
    [name, windowMs],
  );
  return { failures: row?.failures ?? 0, remainingMs: row?.remaining_ms ?? 0 };
}

/** Counts one more, from one again where the window has passed; answers the count. */
export async function countFailure(tx: Transaction, name: string, windowMs: number): Promise<number> {
  await tx.execute(
    `DELETE FROM sign_in_failures WHERE username IN (
       SELECT username FROM sign_in_failures WHERE counted_since < now() - $1 * interval '1 millisecond'
        ORDER BY counted_since LIMIT ${clearedAtOnceMax} FOR UPDATE SKIP LOCKED)`,
    [windowMs],
  );
  const [row] = await tx.query<{ failures: number }>(
    `INSERT INTO sign_in_failures AS f (username, failures) VALUES ($1, 1)
     ON CONFLICT (username) DO UPDATE SET
       failures = CASE WHEN f.counted_since < now() - $2 * interval '1 millisecond' THEN 1 ELSE f.failures + 1 END,
       counted_since = CASE WHEN f.counted_since < now() - $2 * interval '1 millisecond' THEN now() ELSE f.counted_since END
     RETURNING failures`,
    [name, windowMs],
  );
  return row?.failures ?? 1;
}

export async function forgetFailures(tx: Transaction, name: string): Promise<void> {
  await tx.execute(`DELETE FROM sign_in_failures WHERE username = $1`, [name]);
}
