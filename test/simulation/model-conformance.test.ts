// Holds the simulation's database against the real one: the same transactions of the engine's own store functions, interleaved at
// random over several sessions, run on PostgreSQL and on the model. Answers, waits for locks and committed rows have to be the same.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";
import { listOutputVariables, putOutputVariables } from "../../server/engine/execution/output-variable-store.ts";
import {
  intendStepRuns,
  keepAgentTicket,
  listStepRuns,
  markCompleted,
  markDone,
  markFirstGenerationStart,
  markProgress,
  takeOverdueCompletions,
} from "../../server/engine/execution/step-run-store.ts";
import {
  advanceSchedule,
  insertFiring,
  listDue,
  listIntervals,
  lockDue,
  lockKind,
  replaceSchedules,
  setFiringTask,
} from "../../server/engine/schedules/schedule-store.ts";
import { commitPart, listParts } from "../../server/engine/tasks/task-log-store.ts";
import {
  claimTasks,
  finishOwnTask,
  insertPlan,
  lockOwnTask,
  lockTagOf,
  lookAtQueue,
  markWarned,
  ownsTask,
  pauseOwnTask,
  promoteNext,
  readLeaseSettings,
  releaseLeases,
  renewLeases,
  sendHint,
} from "../../server/engine/tasks/task-store.ts";
import { findAnswer, insertInterruption, setAnswer } from "../../server/features/runs/interruptions/interruption-store.ts";
import { enqueueTask, requestCancel, resumeTask } from "../../server/engine/tasks/tasks.ts";
import { systemActor } from "../../server/platform/audit/audit.ts";
import type { Database, Transaction } from "../../server/platform/database/database.ts";
import { errorCode, nextId, openDatabase } from "../../server/platform/database/database.ts";
import { eventually } from "../support/eventually.ts";
import type { TestPostgres } from "../support/postgres.ts";
import { startPostgres } from "../support/postgres.ts";
import { createRandom } from "../trials/random.ts";
import { createModelStatements } from "./model-statements.ts";
import type { ModelTables, ModelTransaction, Row } from "./model-tables.ts";
import { createModelTables } from "./model-tables.ts";

/** Far enough from now that a slow machine changes nothing. */
const hourMs = 3_600_000;
const sessionsMax = 3;
const seeds = [1, 2, 3, 4, 5, 6];
const movesPerSeed = 250;
/** As PostgreSQL writes it. */
const noLimit = 0;
const makeDueName = "test-make-due";

let postgres: TestPostgres;
before(async () => {
  postgres = await startPostgres();
});

const tried = new Set<string>();

type Step = (tx: Transaction) => Promise<unknown>;
/** What a transaction of the engine does, statement by statement; `false` as an answer makes it roll back, as there. */
type Program = readonly Step[];
type Outcome = { value: unknown } | { code: string | undefined };

interface Session {
  real: Transaction;
  pid: number;
  endReal: (commit: boolean) => Promise<void>;
  /** The limit of idleness that the statements since the last comparison have set, as PostgreSQL says it. */
  realIdle: { max: string };
  modelTx: ModelTransaction;
  model: Transaction;
  steps: Step[];
  waiting: { real: Promise<Outcome>; model: Promise<Outcome>; realDone: () => boolean; modelDone: () => boolean } | undefined;
}

class RolledBack extends Error {}

/**
 * Of two that wait for the same row, the model lets the first go on. PostgreSQL nearly always does too, but does not promise it: the engine relies on
 * one of them alone having the row, not on which. After the other order the two cannot be compared any more.
 */
class Overtaken extends Error {}
/** It happens on a busy machine, most often in the first transactions after the start. */
const attemptsMax = 5;

/** A statement that waits so long says that the real database and the model differ. */
const waitMsMax = 100_000;

async function beginReal(database: Database): Promise<Pick<Session, "real" | "pid" | "endReal" | "realIdle">> {
  let end!: (commit: boolean) => void;
  const ending = new Promise<boolean>((resolve) => (end = resolve));
  let over!: Promise<void>;
  const tx = await new Promise<Transaction>((resolve, reject) => {
    over = database
      .transaction(
        async (opened) => {
          resolve(opened);
          if (!(await ending)) throw new RolledBack();
        },
        { attemptsMax: 1 },
      )
      .catch((error: unknown) => {
        reject(error instanceof Error ? error : new Error(String(error)));
        if (!(error instanceof RolledBack)) throw error;
      });
  });
  const [row] = await tx.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  // The databases of tests are told not to wait for the disk at all.
  await tx.query("SET LOCAL synchronous_commit = on");
  await tx.query(`SET LOCAL idle_in_transaction_session_timeout = ${noLimit}`);
  // One session waits while the others go on, which takes seconds on a busy machine; the model knows no time that passes meanwhile.
  await tx.query(`SET LOCAL lock_timeout = ${waitMsMax}`);
  const realIdle = { max: "0" };
  return {
    real: withoutIdleLimit(tx, realIdle),
    realIdle,
    pid: row!.pid,
    endReal: (commit) => {
      end(commit);
      return over;
    },
  };
}

/** Notes which limit of idleness a statement has set and takes it away at once: this test takes its time between two statements. */
function withoutIdleLimit(tx: Transaction, idle: { max: string }): Transaction {
  async function note(): Promise<void> {
    const [set] = await tx.query<{ max: string }>(
      `SELECT current_setting('idle_in_transaction_session_timeout') AS max, set_config('idle_in_transaction_session_timeout', '${noLimit}', true)`,
    );
    if (set!.max !== "0") idle.max = set!.max;
  }
  return {
    ...tx,
    query: async <R>(text: string, values?: readonly unknown[], o?: { name: string }) => {
      const rows = await tx.query<R>(text, values, o);
      await note();
      return rows;
    },
    execute: async (text, values, o) => {
      const count = await tx.execute(text, values, o);
      await note();
      return count;
    },
  };
}

function outcomeOf(work: Promise<unknown>): { outcome: Promise<Outcome>; isDone: () => boolean } {
  let done = false;
  const outcome = work
    .then(
      (value): Outcome => ({ value }),
      (error: unknown): Outcome => ({ code: errorCode(error) ?? String(error) }),
    )
    .finally(() => (done = true));
  return { outcome, isDone: () => done };
}

/** Everything that can go on in this process has gone on. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

for (const seed of seeds) {
  test(`the model of the database answers, waits and keeps as PostgreSQL does (seed ${seed})`, { timeout: 180_000 }, async () => {
    for (let attempt = 1; ; attempt++) {
      try {
        for (const name of await compareInNewDatabase(seed)) tried.add(name);
        return;
      } catch (error) {
        if (!(error instanceof Overtaken) || attempt === attemptsMax) throw error;
      }
    }
  });
}

async function compareInNewDatabase(seed: number): Promise<ReadonlySet<string>> {
  const created = await postgres.createDatabase();
  const database = openDatabase({
    connection: created.connection,
    applicationName: "cuttle-test-conformance",
    connectionsMax: sessionsMax + 1,
    statementTimeoutMs: waitMsMax,
  });
  try {
    await database.execute(`INSERT INTO spaces (id, name, slug) VALUES ('Spaces-1', 'Default', 'default')`);
    return await compare(seed, database);
  } finally {
    await database.close();
    await created.drop();
  }
}

test("every statement that the model knows was tried", () => {
  const known = createModelStatements(createModelTables({ after: () => () => {}, lockTimeoutMs: 0 }), () => 0);
  assert.deepEqual(
    [...known.keys()].filter((name) => !tried.has(name)),
    [],
  );
});

async function compare(seed: number, database: Database): Promise<ReadonlySet<string>> {
  const random = createRandom(seed);
  const chance = (share: number): boolean => random() < share;
  const oneOf = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  let nowMs = 1_000_000_000;
  const tables = createModelTables({ after: () => () => {}, lockTimeoutMs: 0 });
  const statements = createModelStatements(tables, () => nowMs);
  const used = new Set<string>();
  const sessions: Session[] = [];
  const owners = ["node-1/a", "node-2/b"];
  const machines = ["Machines-1", "Machines-2"];
  const triggers = ["Check/1", "Check/2"];
  let tasks = 0;

  function modelTransaction(tx: ModelTransaction): Transaction {
    async function run(values: readonly unknown[] | undefined, o: { name: string } | undefined): Promise<{ rows: Row[]; count: number }> {
      const statement = o?.name === makeDueName ? modelMakesDue : statements.get(o?.name ?? "");
      assert.ok(statement, `The model knows no statement named ${o?.name}.`);
      used.add(o!.name);
      return statement(tx, values ?? []);
    }
    return {
      query: async <R>(_text: string, values?: readonly unknown[], o?: { name: string }) => (await run(values, o)).rows as R[],
      execute: async (_text, values, o) => (await run(values, o)).count,
      afterCommit: () => {},
      notify: () => {},
    };
  }

  /** Mostly who really holds the task, sometimes somebody else, or the same under an epoch that has passed. */
  function leaseOf(taskId: string): { taskId: string; owner: string; epoch: number } {
    const row = tables.cell("task_queue", taskId).committed;
    if (row === undefined || row["owner"] === null) return { taskId, owner: oneOf(owners), epoch: 1 };
    const held = { taskId, owner: row["owner"] as string, epoch: row["epoch"] as number };
    if (!chance(0.15)) return held;
    const owner = oneOf(owners);
    return owner === held.owner ? { ...held, epoch: held.epoch - 1 } : { ...held, owner };
  }

  function drawProgram(): Program {
    const running = committed("task_queue").filter((row) => row["state"] === "running");
    const taskId =
      running.length > 0 && chance(0.7)
        ? (oneOf(running)["task_id"] as string)
        : `ServerTasks-${1 + Math.floor(random() * Math.max(1, tasks))}`;
    const lease = leaseOf(taskId);
    const owner = oneOf(owners);
    // All is drawn here, since both sides run the same steps.
    const newTag = oneOf([null, "tag-1", "tag-2"]);
    const queued = committed("task_queue").filter((row) => row["state"] === "queued");
    const cancelled = queued.length > 0 && chance(0.7) ? (oneOf(queued)["task_id"] as string) : taskId;
    const guard: Step = (tx) => lockOwnTask(tx, lease);
    const runs = committed("step_runs").filter((row) => row["task_id"] === taskId);
    const run = runs.length === 0 ? 1 : (oneOf(runs)["id"] as number);
    const tag = (tables.cell("tasks", taskId).committed?.["concurrency_tag"] ?? null) as string | null;
    const step = oneOf(["1", "2"]);
    const done = {
      outcome: oneOf(["succeeded", "failed"] as const),
      exitCode: oneOf([0, 5, null]),
      message: oneOf([null, "it's over"]),
      logNext: 7,
      logState: { v: 1, level: "Info" },
      completeAfterMs: oneOf([null, -hourMs, hourMs]),
    };
    if (tasks < 3) return [(tx) => enqueue(tx, newTag)];
    const tickets = machines.map((machineId) => ({ machineId, ticket: randomUUID() }));
    const outputs = [
      { action: step, machineId: "Machines-1", name: "Color", value: oneOf(["blue", ""]), ciphertext: null },
      { action: step, machineId: "", name: "Key", value: null, ciphertext: Buffer.from([0, 1, 255]) },
    ];
    const part = {
      epoch: lease.epoch,
      ordinal: oneOf([0, 1]),
      formatVersion: 1,
      file: "a.log",
      committedBytes: oneOf([0, 10, 20]),
      committedLines: 1,
    };
    const claim = {
      owner,
      nodeName: owner.slice(0, 6),
      leaseMs: oneOf([hourMs, hourMs, -hourMs]),
      fresh: oneOf([0, 1, 2, 16]),
      takeovers: oneOf([0, 1, 16, 16]),
      overdueMs: oneOf([0, 0, hourMs / 2, 2 * hourMs]),
    };
    const renewal = { owner, leaseMs: oneOf([hourMs, -hourMs]), taskIds: committed("task_queue").map((row) => row["task_id"] as string) };
    const finish = { state: oneOf(["Success", "Failed"] as const), errorMessage: null };
    const plan = { version: 2, body: { n: nowMs } };
    const trigger = oneOf(triggers);
    const wanted = triggers
      .filter(() => chance(0.7))
      .map((one) => ({ trigger: one, spaceId: null, intervalMs: oneOf([hourMs, 2 * hourMs]) }));
    const overdueMs = oneOf([0, 1, 2]) * hourMs + hourMs / 2;
    const lastTask = oneOf([taskId, null]);
    /** Of each side. */
    const due = new WeakMap<Transaction, { missed: number; dueAt?: Date }>();
    const isAnswered = chance(0.3);
    const question = { taskId, block: oneOf(["step-1", "step-2"]), attempt: 1 };
    const asked = 1 + Math.floor(random() * 4);
    const given = {
      result: oneOf(["Proceed", "Abort"]),
      notes: oneOf([null, "fine"]),
      answeredBy: { id: "Users-1", username: "ann", displayName: "Ann", emailAddress: "" },
    };
    const paused = running.filter((row) => row["owner"] === null);
    const wakened = paused.length > 0 && chance(0.8) ? (oneOf(paused)["task_id"] as string) : taskId;
    const fire: Program = [
      async (tx) => {
        const found = await lockDue(tx, trigger);
        if (found !== undefined) due.set(tx, found);
        return found ?? false;
      },
      async (tx) => {
        const firing = await insertFiring(tx, trigger, due.get(tx)!.missed);
        if (firing === undefined) return false;
        due.set(tx, { missed: due.get(tx)!.missed, dueAt: firing.dueAt });
        const { missed } = firing;
        return missed === null ? "none" : [missed.count, (firing.dueAt.getTime() - missed.from.getTime()) / (missed.count * hourMs)];
      },
      (tx) => setFiringTask(tx, trigger, due.get(tx)!.dueAt!, taskId),
      (tx) => advanceSchedule(tx, trigger, due.get(tx)!.missed, lastTask),
    ];
    const programs: readonly Program[] = [
      [(tx) => enqueue(tx, newTag)],
      [(tx) => enqueue(tx, newTag)],
      [(tx) => claimTasks(tx, claim)],
      [(tx) => claimTasks(tx, claim)],
      [async (tx) => (await lookAtQueue(tx, claim)).found, (tx) => sendHint(tx, "ServerTasks-1 queued")],
      [(tx) => renewLeases(tx, renewal)],
      [guard, (tx) => pauseOwnTask(tx, taskId, isAnswered ? "answered" : "holding")],
      [(tx) => lockTagOf(tx, tag), guard, (tx) => pauseOwnTask(tx, taskId, "passing"), (tx) => promoteNext(tx, tag)],
      [(tx) => lockTagOf(tx, tag), guard, (tx) => pauseOwnTask(tx, taskId, "passing"), (tx) => promoteNext(tx, tag)],
      [(tx) => resumeTask(tx, wakened, async () => {})],
      [guard, (tx) => ask(tx, question), (tx) => findAnswer(tx, question)],
      [guard, (tx) => ask(tx, question)],
      [(tx) => findAnswer(tx, question)],
      [(tx) => resumeTask(tx, wakened, () => setAnswer(tx, `Interruptions-${asked}`, given))],
      [guard, (tx) => insertPlan(tx, taskId, plan)],
      [guard, (tx) => intendStepRuns(tx, { taskId, step, epoch: lease.epoch, attempt: 1, runs: tickets })],
      [guard, (tx) => listStepRuns(tx, taskId)],
      [guard, (tx) => commitPart(tx, taskId, part), (tx) => markProgress(tx, run, { logNext: 3, logState: { v: 1, level: "Verbose" } })],
      [guard, (tx) => markFirstGenerationStart(tx, run), (tx) => keepAgentTicket(tx, run, "20260101-1")],
      [guard, (tx) => commitPart(tx, taskId, part), (tx) => markWarned(tx, taskId), (tx) => markDone(tx, run, done)],
      // A second result of one effect in the same breath, so that it does not take luck to see that the first one stays.
      [guard, (tx) => markDone(tx, run, done), (tx) => markDone(tx, run, { ...done, exitCode: 9, message: "another result" })],
      [guard, (tx) => putOutputVariables(tx, taskId, outputs), (tx) => listOutputVariables(tx, taskId)],
      [(tx) => lockTagOf(tx, tag), (tx) => finishOwnTask(tx, lease, finish), (tx) => promoteNext(tx, tag)],
      [(tx) => requestCancel(tx, cancelled, systemActor)],
      [(tx) => releaseLeases(tx, owner)],
      [(tx) => takeOverdueCompletions(tx, 2)],
      [(tx) => markCompleted(tx, [run])],
      [(tx) => lockKind(tx, "Check"), (tx) => replaceSchedules(tx, "Check", wanted)],
      [(tx) => makeDue(tx, trigger, overdueMs)],
      [async (tx) => [...(await listIntervals(tx, "Check"))], (tx) => listDue(tx, 10)],
      fire,
      [(tx) => makeDue(tx, trigger, overdueMs), ...fire],
      [(tx) => makeDue(tx, trigger, overdueMs), ...fire],
      [(tx) => ownsTask(tx, lease), (tx) => listParts(tx, taskId), (tx) => readLeaseSettings(tx)],
    ];
    return oneOf(programs);
  }

  function enqueue(tx: Transaction, tag: string | null): Promise<string> {
    return enqueueTask(tx, {
      spaceId: null,
      name: "Deploy",
      description: "Deploy it",
      arguments: { a: [1] },
      argumentsVersion: 1,
      concurrencyTag: tag,
      actor: systemActor,
    });
  }

  /** As if so much time had passed since it was due. Whether it is, and by how many intervals, is then the same on both sides. */
  async function makeDue(tx: Transaction, trigger: string, ms: number): Promise<number> {
    return tx.execute(
      `UPDATE schedules SET next_due = date_trunc('milliseconds', clock_timestamp()) - $2::bigint * interval '1 millisecond' WHERE trigger = $1`,
      [trigger, ms],
      { name: makeDueName },
    );
  }

  async function modelMakesDue(tx: ModelTransaction, values: readonly unknown[]): Promise<{ rows: Row[]; count: number }> {
    const [trigger, ms] = values as readonly [string, number];
    const cell = tables.cell("schedules", trigger);
    const row = await tables.lock(tx, cell, () => true);
    if (row !== undefined) tables.put(tx, cell, { ...row, next_due: nowMs - ms });
    return { rows: [], count: row === undefined ? 0 : 1 };
  }

  async function ask(tx: Transaction, question: { taskId: string; block: string; attempt: number }): Promise<boolean> {
    const { id, number } = await nextId(tx, "Interruptions");
    return insertInterruption(tx, {
      id,
      number,
      space_id: "Spaces-1",
      task_id: question.taskId,
      block: question.block,
      attempt: question.attempt,
      type: "ManualIntervention",
      title: "Approve",
      instructions: "",
      choices: ["Proceed", "Abort"],
      responsible_team_ids: [],
      related_document_ids: [],
    });
  }

  function committed(table: string): Row[] {
    return [...tables.cells(table)].flatMap((cell) => (cell.committed === undefined ? [] : [cell.committed]));
  }

  async function isBlocked(pid: number): Promise<boolean> {
    const [row] = await database.query<{ blocked: boolean }>(`SELECT cardinality(pg_blocking_pids($1)) > 0 AS blocked`, [pid]);
    return row!.blocked;
  }

  /** Whether another has what it waits for, which waited beside it and in the model still does. */
  async function isOvertaken({ pid }: Session): Promise<boolean> {
    const before = sessions
      .filter(({ waiting }) => waiting !== undefined && waiting.realDone() && !waiting.modelDone())
      .map((one) => one.pid);
    if (before.length === 0) return false;
    const [row] = await database.query<{ overtaken: boolean }>(`SELECT pg_blocking_pids($1) && $2::int[] AS overtaken`, [pid, before]);
    return row!.overtaken;
  }

  async function startStep(session: Session): Promise<void> {
    const step = session.steps.shift()!;
    const model = outcomeOf(step(session.model));
    await settled();
    const real = outcomeOf(step(session.real));
    session.waiting = { model: model.outcome, modelDone: model.isDone, real: real.outcome, realDone: real.isDone };
    const realWaits = await eventually("the statement ends or waits for a lock", async () => {
      if (real.isDone()) return "ended" as const;
      return (await isBlocked(session.pid)) ? ("waits" as const) : undefined;
    });
    assert.equal(realWaits, model.isDone() ? "ended" : "waits", `PostgreSQL ${realWaits}; the step was ${String(step)}`);
    await finishStep(session);
  }

  /** Compares the answers if there are any. */
  async function finishStep(session: Session): Promise<void> {
    await settled();
    if (session.waiting === undefined || !session.waiting.modelDone()) return;
    const [model, real] = await Promise.all([session.waiting.model, session.waiting.real]);
    session.waiting = undefined;
    assert.deepEqual(inOrder(model), inOrder(real));
    if ("value" in real) {
      const [set] = await session.real.query<{ wait: string }>(`SELECT current_setting('synchronous_commit') AS wait`);
      assert.equal(session.modelTx.async ? "off" : "on", set!.wait, "whether the commit waits for the disk");
      assert.equal(
        session.modelTx.idleMsMax === noLimit ? "0" : `${session.modelTx.idleMsMax / 1_000}s`,
        session.realIdle.max,
        "how long it may be idle",
      );
      session.realIdle.max = "0";
      session.modelTx.idleMsMax = noLimit;
    }
    const isRefused = "code" in real || real.value === false;
    if (isRefused) await end(session, false);
    else if (session.steps.length === 0) await end(session, chance(0.85));
  }

  async function end(session: Session, commit: boolean): Promise<void> {
    sessions.splice(sessions.indexOf(session), 1);
    await session.endReal(commit);
    if (commit) tables.commit(session.modelTx);
    else tables.abort(session.modelTx);
    // What they do next may end others.
    for (const other of sessions.filter((one) => one.waiting !== undefined)) if (other.waiting !== undefined) await resumed(other);
    await compareTables(database, tables, nowMs);
  }

  /** A session whose lock came free may wait for the next one. */
  async function resumed(session: Session): Promise<void> {
    await settled();
    if (!session.waiting!.modelDone()) return;
    const how = await eventually("the statement goes on, or another one has gone on before it", async () => {
      if (session.waiting === undefined || session.waiting.realDone()) return "goes on";
      return (await isOvertaken(session)) ? "overtaken" : undefined;
    });
    if (how === "overtaken") throw new Overtaken(`PostgreSQL let another session go on before ${session.pid}.`);
    await finishStep(session);
  }

  try {
    await moves();
  } finally {
    // After a failure: nothing stays open on the real side.
    await Promise.all(sessions.map((session) => session.endReal(false).catch(() => {})));
  }
  return used;

  async function moves(): Promise<void> {
    for (let move = 0; move < movesPerSeed; move++) {
      const free = sessions.filter((session) => session.waiting === undefined);
      if (sessions.length < sessionsMax && (free.length === 0 || chance(0.4))) {
        nowMs += 1;
        const steps = [...drawProgram()];
        const modelTx = tables.begin("model", nowMs);
        modelTx.idleMsMax = noLimit;
        const session: Session = { ...(await beginReal(database)), modelTx, model: modelTransaction(modelTx), steps, waiting: undefined };
        sessions.push(session);
        tasks = committed("tasks").length;
        continue;
      }
      assert.ok(free.length > 0, "All sessions wait for each other.");
      await startStep(oneOf(free));
    }
    // Those that hold something first, so that those that wait get it.
    while (sessions.length > 0) {
      const free = sessions.find((session) => session.waiting === undefined);
      assert.ok(free, "All sessions wait for each other.");
      if (free.steps.length === 0) await end(free, true);
      else await startStep(free);
    }
  }
}

/** Rows whose order the statement leaves open, in one order. */
function inOrder(outcome: Outcome): unknown {
  if (!("value" in outcome) || !Array.isArray(outcome.value)) return outcome;
  return { value: outcome.value.map((row) => JSON.stringify(row)).sort() };
}

async function compareTables(database: Database, tables: ModelTables, nowMs: number): Promise<void> {
  const columns: readonly [string, string, string[]][] = [
    ["task_queue", "task_id", ["task_id", "position", "tag", "is_head", "state", "owner", "epoch", "cancel_requested"]],
    ["tasks", "id", ["id", "state", "error_message", "has_warnings_or_errors", "server_node", "plan", "plan_version"]],
    [
      "step_runs",
      "id",
      [
        "id",
        "task_id",
        "step",
        "machine_id",
        "ticket",
        "state",
        "first_epoch",
        "log_next",
        "log_state",
        "outcome",
        "exit_code",
        "message",
        "generation",
        "agent_ticket",
        "completion",
        "format_version",
      ],
    ],
    ["schedules", "trigger", ["trigger", "kind", "interval_ms", "last_task_id"]],
    ["schedule_firings", "trigger, due_at", ["trigger", "task_id", "missed_count"]],
    ["interruptions", "id", ["id", "task_id", "block", "attempt", "type", "title", "result", "notes", "answered_by"]],
    ["output_variables", "task_id, action, machine_id, name", ["task_id", "action", "machine_id", "name", "value", "ciphertext"]],
    ["task_log_parts", "task_id, epoch, ordinal", ["task_id", "epoch", "ordinal", "committed_bytes", "committed_lines", "file"]],
  ];
  for (const [table, order, names] of columns) {
    const real = await database.query<Row>(`SELECT ${names.join(", ")} FROM ${table} ORDER BY ${order}`);
    const model = [...tables.cells(table)].flatMap((cell) => (cell.committed === undefined ? [] : [cell.committed]));
    const shown = (rows: readonly Row[]): string[] => rows.map((row) => JSON.stringify(names.map((name) => row[name] ?? null))).sort();
    assert.deepEqual(shown(model), shown(real), table);
  }
  // Times differ by those of the test; half an hour does not get lost in them.
  const halfHours = `(extract(epoch FROM next_due - clock_timestamp()) / 1800)`;
  const dues = await database.query<{ due: number }>(`SELECT round(${halfHours})::int AS due FROM schedules ORDER BY trigger`);
  const modelDues = [...tables.cells("schedules")].flatMap(({ key, committed }) => (committed === undefined ? [] : [{ key, committed }]));
  assert.deepEqual(
    modelDues
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(({ committed }) => Math.round(((committed["next_due"] as number) - nowMs) / (hourMs / 2))),
    dues.map(({ due }) => due),
  );
  const [events] = await database.query<{ count: number }>(`SELECT count(*) AS count FROM events`);
  assert.equal([...tables.cells("events")].filter((cell) => cell.committed !== undefined).length, events!.count);
}
