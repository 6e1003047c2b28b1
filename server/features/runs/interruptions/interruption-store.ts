// SQL of interruptions; the only writer of the table. An interruption is pending while it has no answer and its task has not ended.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import type { InterruptionType } from "./interruption-rules.ts";

export interface InterruptionRow {
  id: string;
  number: number;
  space_id: string;
  task_id: string;
  /** Of the task's log, to which it belongs. */
  block: string;
  attempt: number;
  type: InterruptionType;
  title: string;
  instructions: string;
  choices: string[];
  responsible_team_ids: string[];
  related_document_ids: string[];
  created_at: Date;
  responsible_user_id: string | null;
  result: string | null;
  notes: string | null;
  answered_by: AnsweredBy | null;
  is_pending: boolean;
}

/** Who answered, as they were called then. */
export interface AnsweredBy {
  id: string | null;
  username: string;
  displayName: string;
  emailAddress: string;
}

const columns = `i.id, i.number, i.space_id, i.task_id, i.block, i.attempt, i.type, i.title, i.instructions, i.choices, i.responsible_team_ids,
  i.related_document_ids, i.created_at, i.responsible_user_id, i.result, i.notes, i.answered_by,
  i.answered_at IS NULL AND t.completed_at IS NULL AS is_pending`;
const from = "interruptions i JOIN tasks t ON t.id = i.task_id";

export interface InterruptionFilter {
  ids?: readonly string[] | undefined;
  /** A task, a deployment, or whatever else its task is about. */
  regarding?: string | undefined;
  pendingOnly?: boolean | undefined;
}

/** Newest first. */
export async function listInterruptions(
  db: Queryable,
  spaceId: string,
  filter: InterruptionFilter,
  window: { skip: number; take: number },
): Promise<{ rows: InterruptionRow[]; total: number }> {
  const where = `i.space_id = $1 AND ($2::text[] IS NULL OR lower(i.id) = ANY ($2))
     AND ($3::text IS NULL OR lower(i.task_id) = $3 OR EXISTS (SELECT 1 FROM unnest(i.related_document_ids) related WHERE lower(related) = $3))
     AND (NOT $4::boolean OR (i.answered_at IS NULL AND t.completed_at IS NULL))`;
  const values = [
    spaceId,
    filter.ids?.length ? filter.ids.map((one) => one.toLowerCase()) : null,
    filter.regarding?.toLowerCase() ?? null,
    filter.pendingOnly === true,
  ];
  const rows = await db.query<InterruptionRow>(`SELECT ${columns} FROM ${from} WHERE ${where} ORDER BY i.number DESC OFFSET $5 LIMIT $6`, [
    ...values,
    window.skip,
    window.take,
  ]);
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM ${from} WHERE ${where}`, values);
  return { rows, total: count?.total ?? 0 };
}

export async function findInterruption(db: Queryable, spaceId: string, id: string): Promise<InterruptionRow | undefined> {
  const [row] = await db.query<InterruptionRow>(`SELECT ${columns} FROM ${from} WHERE i.space_id = $1 AND lower(i.id) = lower($2)`, [
    spaceId,
    id,
  ]);
  return row;
}

/** Locked against another taker or answer. */
export async function lockInterruption(tx: Transaction, spaceId: string, id: string): Promise<InterruptionRow | undefined> {
  const [row] = await tx.query<InterruptionRow>(
    `SELECT ${columns} FROM ${from} WHERE i.space_id = $1 AND lower(i.id) = lower($2) FOR UPDATE OF i`,
    [spaceId, id],
  );
  return row;
}

/** What became of the question that a task asked at this place of its log; undefined: it has not asked yet. */
export async function findAnswer(
  db: Queryable,
  asked: { taskId: string; block: string; attempt: number },
): Promise<{ id: string; result: string | null; notes: string | null; answeredBy: AnsweredBy | null } | undefined> {
  const [row] = await db.query<Pick<InterruptionRow, "id" | "result" | "notes" | "answered_by">>(
    `SELECT id, result, notes, answered_by FROM interruptions WHERE task_id = $1 AND block = $2 AND attempt = $3`,
    [asked.taskId, asked.block, asked.attempt],
    { name: "interruption-answer" },
  );
  return row && { id: row.id, result: row.result, notes: row.notes, answeredBy: row.answered_by };
}

/** Asks, unless the task has asked at this place before. The caller has passed the guard of the task. Answers whether it is new. */
export async function insertInterruption(
  tx: Transaction,
  row: Pick<
    InterruptionRow,
    | "id"
    | "number"
    | "space_id"
    | "task_id"
    | "block"
    | "attempt"
    | "type"
    | "title"
    | "instructions"
    | "choices"
    | "responsible_team_ids"
    | "related_document_ids"
  >,
): Promise<boolean> {
  const count = await tx.execute(
    `INSERT INTO interruptions (id, number, space_id, task_id, block, attempt, type, title, instructions, choices, responsible_team_ids, related_document_ids)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT ON CONSTRAINT interruptions_once DO NOTHING`,
    [
      row.id,
      row.number,
      row.space_id,
      row.task_id,
      row.block,
      row.attempt,
      row.type,
      row.title,
      row.instructions,
      row.choices,
      row.responsible_team_ids,
      row.related_document_ids,
    ],
    { name: "interruption-ask" },
  );
  return count === 1;
}

export async function setResponsible(tx: Transaction, id: string, userId: string): Promise<void> {
  await tx.execute(`UPDATE interruptions SET responsible_user_id = $2 WHERE id = $1 AND answered_at IS NULL`, [id, userId]);
}

/** The one answer; a second one changes nothing. */
export async function setAnswer(
  tx: Transaction,
  id: string,
  answer: { result: string; notes: string | null; answeredBy: AnsweredBy },
): Promise<void> {
  await tx.execute(
    `UPDATE interruptions SET result = $2, notes = $3, answered_by = $4, answered_at = clock_timestamp() WHERE id = $1 AND answered_at IS NULL`,
    [id, answer.result, answer.notes, JSON.stringify(answer.answeredBy)],
    { name: "interruption-submit" },
  );
}
