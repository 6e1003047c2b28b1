// SQL of the marks that transactions leave when their outcome may have to be read back; the only writer of commit_marks. A row is there
// exactly when its transaction took effect.

import type { Queryable } from "./queryable.ts";

/** Far longer than anybody waits to learn the outcome of a commit. */
const keptMinutes = 60;
/** Removed by one statement, so that it stays short. */
const forgottenAtOnceMax = 5_000;

/**
 * Leaves the mark of this intent. Waits for an earlier attempt that the database is still committing. Answers the number of the
 * attempt whose mark is there: another one's means that it took effect, and this one must not.
 */
export async function leaveCommitMark(tx: Queryable, intent: string, attempt: number): Promise<number> {
  const inserted = await tx.execute(
    `INSERT INTO commit_marks (intent, attempt) VALUES ($1, $2) ON CONFLICT (intent) DO NOTHING`,
    [intent, attempt],
    {
      name: "commit-mark",
    },
  );
  if (inserted === 1) return attempt;
  const [row] = await tx.query<{ attempt: number }>(`SELECT attempt FROM commit_marks WHERE intent = $1`, [intent]);
  if (row === undefined) throw new Error("The mark of a commit vanished between two statements.");
  return row.attempt;
}

export async function forgetOldCommitMarks(database: Queryable): Promise<void> {
  await database.execute(
    `DELETE FROM commit_marks WHERE intent IN (
       SELECT intent FROM commit_marks WHERE at < now() - make_interval(mins => ${keptMinutes})
        ORDER BY at LIMIT ${forgottenAtOnceMax} FOR UPDATE SKIP LOCKED)`,
  );
}
