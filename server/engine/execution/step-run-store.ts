// SQL of step runs: one row for each effect on each target, committed with its ticket before anything is sent. The only writer of
// the table. Every function that writes expects to run behind the guard of its task.

import type { Queryable, Transaction } from "../../platform/database/database.ts";

/** Version of what a step-run row means: 1 is about the second generation of the script service, 2 may be about the first. */
export const stepRunFormatVersion = 2;
/** What rows are made as: a node that knows only version 1 can go on with them as long as nothing went out over the first generation. */
const madeFormatVersion = 1;

export type StepOutcome = "succeeded" | "failed" | "canceled" | "unknown";

export interface StepRun {
  id: number;
  step: string;
  machineId: string;
  /** A retry is a further attempt, with a ticket of its own. */
  attempt: number;
  ticket: string;
  state: "intended" | "started" | "done";
  /** The epoch in which the row was made: when it is not the current one, a former owner may still have calls under way. */
  firstEpoch: number;
  /** The agent's log sequence up to which lines are committed. */
  logNext: number;
  logState: unknown;
  outcome: StepOutcome | null;
  exitCode: number | null;
  message: string | null;
  /** Of the agent's script service, by which it went out. */
  generation: 1 | 2;
  /** What an agent of the first generation answered to the start; null until then. */
  agentTicket: string | null;
}

interface Row {
  id: number;
  step: string;
  machine_id: string;
  attempt: number;
  format_version: number;
  ticket: string;
  state: "intended" | "started" | "done";
  first_epoch: number;
  log_next: number;
  log_state: unknown;
  outcome: StepOutcome | null;
  exit_code: number | null;
  message: string | null;
  generation: 1 | 2;
  agent_ticket: string | null;
}

const columns = `id, step, machine_id, attempt, format_version, ticket, state, first_epoch, log_next, log_state, outcome, exit_code, message,
  generation, agent_ticket`;

function toStepRun(row: Row): StepRun {
  if (row.format_version > stepRunFormatVersion) {
    throw new Error(`A step run was written in format ${row.format_version}; this node knows formats up to ${stepRunFormatVersion}.`);
  }
  return {
    id: row.id,
    step: row.step,
    machineId: row.machine_id,
    attempt: row.attempt,
    ticket: row.ticket,
    state: row.state,
    firstEpoch: row.first_epoch,
    logNext: row.log_next,
    logState: row.log_state,
    outcome: row.outcome,
    exitCode: row.exit_code,
    message: row.message,
    generation: row.generation,
    agentTicket: row.agent_ticket,
  };
}

/** Commits the intent to run one step on the given machines and answers the rows that count, made now or by a former owner. */
export async function intendStepRuns(
  tx: Transaction,
  intent: { taskId: string; step: string; epoch: number; attempt: number; runs: readonly { machineId: string; ticket: string }[] },
): Promise<StepRun[]> {
  await tx.execute(
    `INSERT INTO step_runs (task_id, step, machine_id, attempt, format_version, ticket, state, first_epoch)
     SELECT $1, $2, machine_id, $3, $4, ticket, 'intended', $5 FROM unnest($6::text[], $7::uuid[]) AS wanted (machine_id, ticket)
     ON CONFLICT (task_id, step, machine_id, attempt) DO NOTHING`,
    [
      intent.taskId,
      intent.step,
      intent.attempt,
      madeFormatVersion,
      intent.epoch,
      intent.runs.map((run) => run.machineId),
      intent.runs.map((run) => run.ticket),
    ],
    { name: "step-run-intend" },
  );
  const rows = await tx.query<Row>(
    `SELECT ${columns} FROM step_runs WHERE task_id = $1 AND step = $2 AND attempt = $3 AND machine_id = ANY ($4)`,
    [intent.taskId, intent.step, intent.attempt, intent.runs.map((run) => run.machineId)],
    { name: "step-run-read" },
  );
  return rows.map(toStepRun);
}

/** What a task has begun so far, for whoever goes on with it after a takeover. */
export async function listStepRuns(database: Queryable, taskId: string): Promise<StepRun[]> {
  const rows = await database.query<Row>(`SELECT ${columns} FROM step_runs WHERE task_id = $1`, [taskId], { name: "step-run-list" });
  return rows.map(toStepRun);
}

/** How long ago the first script of an attempt at an action was known to run on a machine; 0 before. Milliseconds. */
export async function readAttemptAgeMs(
  database: Queryable,
  of: { taskId: string; action: string; machineId: string; attempt: number },
): Promise<number> {
  const [row] = await database.query<{ age_ms: number | null }>(
    `SELECT extract(epoch FROM clock_timestamp() - min(started_at))::float8 * 1000 AS age_ms FROM step_runs
     WHERE task_id = $1 AND machine_id = $2 AND attempt = $3 AND (step = $4 OR starts_with(step, $4 || '/'))`,
    [of.taskId, of.machineId, of.attempt, of.action],
    { name: "step-run-age" },
  );
  return row?.age_ms ?? 0;
}

/** The script is known to be at the agent, and its log is committed up to `logNext`. */
export async function markProgress(tx: Transaction, id: number, progress: { logNext: number; logState: unknown }): Promise<void> {
  await tx.execute(
    `UPDATE step_runs SET state = 'started', started_at = coalesce(started_at, clock_timestamp()), log_next = $2, log_state = $3
     WHERE id = $1 AND state <> 'done'`,
    [id, progress.logNext, JSON.stringify(progress.logState)],
    { name: "step-run-progress" },
  );
}

/** A start over the first generation is about to go out: from here on nobody can know whether it did, but by the agent's ticket. */
export async function markFirstGenerationStart(tx: Transaction, id: number): Promise<void> {
  await tx.execute(
    `UPDATE step_runs SET state = 'started', started_at = coalesce(started_at, clock_timestamp()), generation = 1, format_version = $2
     WHERE id = $1 AND state <> 'done'`,
    [id, stepRunFormatVersion],
    { name: "step-run-first-generation" },
  );
}

/** The agent's answer to that start. */
export async function keepAgentTicket(tx: Transaction, id: number, agentTicket: string): Promise<void> {
  await tx.execute(`UPDATE step_runs SET agent_ticket = $2 WHERE id = $1 AND state <> 'done'`, [id, agentTicket], {
    name: "step-run-agent-ticket",
  });
}

/**
 * The one final result; a second one changes nothing. `completeAfterMs` is when the agent may at the latest be told to forget the
 * ticket by the late completer; null when there is nothing to forget.
 */
export async function markDone(
  tx: Transaction,
  id: number,
  result: {
    outcome: StepOutcome;
    exitCode: number | null;
    message: string | null;
    logNext: number;
    logState: unknown;
    completeAfterMs: number | null;
  },
): Promise<void> {
  await tx.execute(
    `UPDATE step_runs SET state = 'done', outcome = $2, exit_code = $3, message = $4, log_next = $5, log_state = $6,
            finished_at = clock_timestamp(),
            completion = CASE WHEN $7::double precision IS NULL THEN 'none' ELSE 'due' END,
            complete_after = now() + $7::double precision * interval '1 millisecond'
     WHERE id = $1 AND state <> 'done'`,
    [id, result.outcome, result.exitCode, result.message, result.logNext, JSON.stringify(result.logState), result.completeAfterMs],
    { name: "step-run-done" },
  );
}

/** The agent has forgotten the ticket (or will by itself). */
export async function markCompleted(tx: Queryable, ids: readonly number[]): Promise<void> {
  await tx.execute(`UPDATE step_runs SET completion = 'done' WHERE id = ANY ($1)`, [ids], { name: "step-run-completed" });
}

/** Tickets whose quarantine is over, with the plan of their task; locked for this transaction, others skip them. */
export async function takeOverdueCompletions(
  tx: Transaction,
  count: number,
): Promise<{ id: number; ticket: string; step: string; machineId: string; plan: unknown; planVersion: number }[]> {
  const rows = await tx.query<{ id: number; ticket: string; step: string; machine_id: string; plan: unknown; plan_version: number }>(
    `WITH overdue AS (
       SELECT id FROM step_runs WHERE completion = 'due' AND complete_after < now()
       ORDER BY complete_after LIMIT $1 FOR UPDATE SKIP LOCKED
     ), postponed AS (
       UPDATE step_runs SET complete_after = now() + interval '1 hour' WHERE id IN (SELECT id FROM overdue)
       RETURNING id, ticket, step, machine_id, task_id
     )
     SELECT postponed.id, postponed.ticket, postponed.step, postponed.machine_id, tasks.plan, tasks.plan_version
     FROM postponed JOIN tasks ON tasks.id = postponed.task_id`,
    [count],
    { name: "step-run-overdue" },
  );
  return rows.map((row) => ({
    id: row.id,
    ticket: row.ticket,
    step: row.step,
    machineId: row.machine_id,
    plan: row.plan,
    planVersion: row.plan_version,
  }));
}
