// Reads tasks for lists and pages. The engine is their only writer.

import type { Queryable } from "../../../platform/database/database.ts";
import type { SpacesAsked } from "../../../platform/resources/resources.ts";
import type { PlannedParts } from "./task-progress.ts";

export interface TaskRow {
  id: string;
  number: number;
  space_id: string | null;
  name: string;
  description: string;
  arguments: Record<string, unknown>;
  arguments_version: number;
  related_document_ids: string[];
  state: string;
  concurrency_tag: string | null;
  project_id: string | null;
  /** When it joined the queue, or will. */
  queued_at: Date;
  expires_at: Date | null;
  started_at: Date | null;
  completed_at: Date | null;
  error_message: string | null;
  has_warnings_or_errors: boolean;
  server_node: string | null;
  lasted_s: number | null;
  /** Kinds of what it waits for a person to answer. */
  pending_interruptions: string[];
}

const columns = `t.id, t.number, t.space_id, t.name, t.description, t.arguments, t.arguments_version, t.related_document_ids, t.state, t.concurrency_tag, t.project_id, t.queued_at, t.expires_at, t.started_at,
  t.completed_at, t.error_message, t.has_warnings_or_errors, t.server_node,
  extract(epoch FROM COALESCE(t.completed_at, now()) - t.started_at)::float8 AS lasted_s,
  ARRAY(SELECT DISTINCT i.type FROM interruptions i WHERE i.task_id = t.id AND i.answered_at IS NULL AND t.completed_at IS NULL) AS pending_interruptions`;

/** Whether it waits for a person. */
const isInterrupted = `(t.completed_at IS NULL AND EXISTS (SELECT 1 FROM interruptions i WHERE i.task_id = t.id AND i.answered_at IS NULL))`;

export interface TaskFilter {
  spaceId?: string | undefined;
  spaces?: SpacesAsked | undefined;
  ids?: readonly string[] | undefined;
  active?: boolean | undefined;
  running?: boolean | undefined;
  states?: readonly string[] | undefined;
  names?: readonly string[] | undefined;
  node?: string | undefined;
  environment?: string | undefined;
  project?: string | undefined;
  partialName?: string | undefined;
  hasWarningsOrErrors?: boolean | undefined;
  hasPendingInterruptions?: boolean | undefined;
  /** An id that the task is about: a deployment, a machine … */
  regarding?: string | undefined;
}

function conditions(filter: TaskFilter, withStates: boolean): { sql: string; values: unknown[] } {
  const values: unknown[] = [];
  const sql: string[] = ["true"];
  const add = (condition: string, value: unknown) => {
    values.push(value);
    sql.push(condition.replace("$?", `$${values.length}`));
  };
  const lower = (list: readonly string[]) => list.map((one) => one.toLowerCase());
  if (filter.spaceId !== undefined) add("t.space_id = $?", filter.spaceId);
  if (filter.spaces !== undefined) {
    if (filter.spaces.ids === undefined) sql.push(filter.spaces.includeSystem ? "true" : "t.space_id IS NOT NULL");
    else add(`(lower(t.space_id) = ANY ($?)${filter.spaces.includeSystem ? " OR t.space_id IS NULL" : ""})`, filter.spaces.ids);
  }
  if (filter.ids?.length) add("lower(t.id) = ANY ($?)", lower(filter.ids));
  if (filter.names?.length) add("lower(t.name) = ANY ($?)", lower(filter.names));
  if (filter.node) add("lower('OctopusServerNodes-' || t.server_node) = lower($?)", filter.node);
  if (filter.environment) add("lower(t.environment_id) = lower($?)", filter.environment);
  if (filter.project) add("lower(t.project_id) = lower($?)", filter.project);
  if (filter.partialName) add("strpos(lower(t.description), lower($?)) > 0", filter.partialName);
  if (filter.hasWarningsOrErrors !== undefined) add("t.has_warnings_or_errors = $?", filter.hasWarningsOrErrors);
  if (filter.hasPendingInterruptions !== undefined) add(`${isInterrupted} = $?`, filter.hasPendingInterruptions);
  if (filter.regarding)
    add("EXISTS (SELECT 1 FROM unnest(t.related_document_ids) related WHERE lower(related) = lower($?))", filter.regarding);
  if (withStates) {
    if (filter.active !== undefined) sql.push(filter.active ? "t.completed_at IS NULL" : "t.completed_at IS NOT NULL");
    if (filter.running !== undefined) sql.push(`${filter.running ? "" : "NOT "}t.state IN ('Executing', 'Cancelling')`);
    if (filter.states?.length) add("lower(t.state) = ANY ($?)", lower(filter.states));
  }
  return { sql: sql.join(" AND "), values };
}

/** Newest first. */
export async function listTasks(
  db: Queryable,
  filter: TaskFilter,
  window: { skip: number; take: number },
): Promise<{ rows: TaskRow[]; total: number }> {
  const { sql, values } = conditions(filter, true);
  const n = values.length;
  const rows = await db.query<TaskRow>(
    `SELECT ${columns} FROM tasks t WHERE ${sql} ORDER BY t.number DESC OFFSET $${n + 1} LIMIT $${n + 2}`,
    [...values, window.skip, window.take],
  );
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM tasks t WHERE ${sql}`, values);
  return { rows, total: count?.total ?? 0 };
}

/** How many tasks of the filter are in each state, whatever states it asks for; `Interrupted` are those that wait for a person. */
export async function countByState(db: Queryable, filter: TaskFilter): Promise<Record<string, number>> {
  const { sql, values } = conditions(filter, false);
  const rows = await db.query<{ state: string; count: number }>(
    `SELECT t.state, count(*) AS count FROM tasks t WHERE ${sql} GROUP BY t.state
     UNION ALL SELECT 'Interrupted', count(*) FROM tasks t WHERE ${sql} AND ${isInterrupted}`,
    values,
  );
  return Object.fromEntries(rows.map((row) => [row.state, row.count]));
}

/** `spaceId` undefined looks in all spaces: the id alone is enough for clients. */
export async function findTask(db: Queryable, spaceId: string | undefined, id: string): Promise<TaskRow | undefined> {
  const [row] = await db.query<TaskRow>(
    `SELECT ${columns} FROM tasks t WHERE ($1::text IS NULL OR t.space_id = $1) AND (t.id = $2 OR lower(t.id) = lower($2))`,
    [spaceId ?? null, id],
  );
  return row;
}

/** The steps of a task's plan in their order, with how many parts each has; empty before there is a plan, and for tasks without one. */
export async function listPlannedParts(db: Queryable, taskId: string): Promise<PlannedParts[]> {
  return db.query<PlannedParts>(
    `SELECT step.value ->> 'id' AS id, step.value ->> 'runs' IS DISTINCT FROM 'once' AS "isOnTargets",
            CASE WHEN step.value ->> 'runs' = 'once' THEN 1 ELSE greatest(1, jsonb_array_length(step.value -> 'targets')) END AS parts
       FROM tasks t, jsonb_array_elements(t.plan -> 'steps') WITH ORDINALITY step (value, place)
      WHERE t.id = $1 ORDER BY step.place`,
    [taskId],
  );
}

/** Unfinished tasks that go before this one, oldest first: those of its tag; without a tag, or as the first of it, those that were queued before. */
export async function listTasksAhead(
  db: Queryable,
  task: TaskRow,
  window: { skip: number; take: number },
): Promise<{ rows: TaskRow[]; total: number }> {
  const where = `t.completed_at IS NULL AND EXISTS (
      SELECT 1 FROM task_queue own JOIN task_queue other ON other.task_id = t.id
       WHERE own.task_id = $1 AND own.state = 'queued'
         AND (CASE WHEN own.is_head THEN other.position < own.position AND (other.is_head OR other.state = 'running')
              -- One that waited for a person was passed by tasks that were queued later.
              ELSE other.tag = own.tag AND (other.position < own.position OR other.state = 'running') END))`;
  const values = [task.id];
  const rows = await db.query<TaskRow>(`SELECT ${columns} FROM tasks t WHERE ${where} ORDER BY t.number OFFSET $2 LIMIT $3`, [
    ...values,
    window.skip,
    window.take,
  ]);
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM tasks t WHERE ${where}`, values);
  return { rows, total: count?.total ?? 0 };
}

/** What a task waits for a person to answer. */
export async function listPendingInterruptions(db: Queryable, taskId: string, most: number): Promise<{ id: string; title: string }[]> {
  return db.query(`SELECT id, title FROM interruptions WHERE task_id = $1 AND answered_at IS NULL ORDER BY number LIMIT $2`, [
    taskId,
    most,
  ]);
}

/** Enabled machines of a space, or of one of its environments. */
export async function listMachineIds(db: Queryable, spaceId: string, environmentId: string | null, most: number): Promise<string[]> {
  const rows = await db.query<{ id: string }>(
    `SELECT m.id FROM machines m WHERE m.space_id = $1 AND NOT m.is_disabled AND m.communication_style <> 'None'
        AND ($2::text IS NULL OR EXISTS (SELECT 1 FROM machine_environments me WHERE me.machine_id = m.id AND me.environment_id = $2))
      ORDER BY lower(m.name) LIMIT $3`,
    [spaceId, environmentId, most],
  );
  return rows.map((row) => row.id);
}
