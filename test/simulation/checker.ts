// Judges a simulated run from outside: what the scripts did on their machines, what clients were promised, and what each commit made
// true. It knows the rules of the guarantees D1 to D8 and D10 and nothing of how the engine keeps them.

import type { CallTerms } from "../../server/engine/agents/agents.ts";
import type { LogEntry } from "../../server/engine/tasks/tasks.ts";
import type { ModelTransaction, Row, RowChange } from "./model-tables.ts";
import type { AgentCall, Execution } from "./simulated-agents.ts";
import { outputMessage, outputName } from "./simulated-agents.ts";
import type { SimulatedDatabase } from "./simulated-database.ts";
import type { SimulatedProcess } from "./simulated-process.ts";

/** What a script of the simulation consists of: one line that names it. */
export function scriptName(taskId: string, step: string, machine: string): string {
  return `run ${taskId}/${step}/${machine}`;
}

export interface Checker {
  onCommit(tx: ModelTransaction, changes: readonly RowChange[]): void;
  onSeen(process: SimulatedProcess, statement: string, rows: readonly Row[]): void;
  onCall(process: SimulatedProcess, call: AgentCall, ticket: string, terms: CallTerms): () => void;
  onStart(execution: Execution): void;
  /** The engine of this process writes as this owner. */
  knows(owner: string, process: SimulatedProcess): void;
  /** A client was answered. */
  acknowledged(taskId: string): void;
  cancelAsked(taskId: string): void;
  /** Between the first step of this task and the others stands an approval. */
  approvalNeeded(taskId: string): void;
  /** The log as somebody was shown it. */
  shown(taskId: string, entries: readonly LogEntry[]): void;
  fail(rule: string, what: string): void;
  /** At the end, when every fault is over. `log` reads the whole log of a task. */
  finish(parts: {
    executions: readonly Execution[];
    logs: ReadonlyMap<string, readonly LogEntry[]>;
    machines: number;
    steps: (taskId: string) => number;
  }): void;
  /** At the end as well: what was due until then. Answers how many due times were fired. */
  finishSchedules(parts: { intervals: ReadonlyMap<string, number>; untilMs: number }): number;
  readonly failures: readonly string[];
}

/** When every fault is over: earlier tasks of the trigger, and of others whose places it waits for, take so long. */
const firedLateMsMax = 30_000;
/** A run that is wrong is wrong in the same way many times. */
const failuresMax = 20;
const ownerOf = (row: Row | undefined): string => String(row?.["owner"]);

export function createChecker(parts: { nowMs: () => number; database: () => SimulatedDatabase; trace: (text: string) => void }): Checker {
  const { nowMs, trace } = parts;
  const failures: string[] = [];
  const processOf = new Map<string, string>();
  const acknowledged = new Set<string>();
  const cancelAsked = new Set<string>();
  const approvals = new Set<string>();
  /** When a task was no longer held by an owner and epoch. */
  const lostAt = new Map<string, number>();
  /** When a process heard that its task is to be cancelled. */
  const toldAt = new Map<string, number>();
  const lastResultAt = new Map<string, number>();
  const endings = new Map<string, number>();
  const starts = new Map<string, number>();
  /** Rows are gone with their triggers in the end, so they are kept here. */
  const firings: Row[] = [];
  const firstDueAt = new Map<string, number>();
  const shown: { taskId: string; entries: readonly LogEntry[] }[] = [];

  function fail(rule: string, what: string): void {
    trace(`FAILED ${rule}: ${what}`);
    if (failures.length < failuresMax) failures.push(`${rule}: ${what} (at ${nowMs().toFixed(1)} ms)`);
  }

  const outputsWritten = new Set<string>();
  const isFinal = (row: Row | undefined): boolean => row !== undefined && row["completed_at"] !== null;
  const changed = (change: RowChange, columns: readonly string[]): boolean =>
    columns.some((column) => JSON.stringify(change.before?.[column]) !== JSON.stringify(change.after?.[column]));
  const resultColumns = [
    "task_id",
    "step",
    "machine_id",
    "attempt",
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
  ];

  /** The queue row as it was when the transaction committed. */
  function queueRow(taskId: string, changes: readonly RowChange[]): Row | undefined {
    const own = changes.find((change) => change.table === "task_queue" && change.key === taskId);
    return own === undefined ? parts.database().row("task_queue", taskId) : (own.after ?? own.before);
  }

  function checkFence(tx: ModelTransaction, changes: readonly RowChange[], taskId: string, what: string): void {
    const row = queueRow(taskId, changes);
    if (row?.["state"] !== "running" || processOf.get(ownerOf(row)) !== tx.client) {
      fail(
        "D4",
        `${tx.client} wrote ${what} of ${taskId}, which ${row === undefined ? "has ended" : `${ownerOf(row)} holds in epoch ${String(row["epoch"])}`}`,
      );
    }
  }

  function checkQueue(tx: ModelTransaction, { before, after, key }: RowChange): void {
    if (before?.["state"] === "running") {
      const isOther = after === undefined || after["owner"] !== before["owner"] || after["epoch"] !== before["epoch"];
      if (isOther) lostAt.set(`${key} ${ownerOf(before)} ${String(before["epoch"])}`, nowMs());
    }
    if (after?.["state"] !== "running") return;
    if (before?.["state"] === "queued" && after["owner"] === null) {
      // It waited, was answered and queued for its tag again: cancelled, it is nobody's, and no longer in the way of its tag.
      if (after["cancel_requested"] !== true || after["tag"] !== null || before["epoch"] === 0)
        fail("D8", `${key} runs without an owner, though it is not one that was begun and is to be cancelled`);
      return;
    }
    if (before?.["owner"] !== null && after["owner"] === null) {
      if (before?.["state"] !== "running" || processOf.get(ownerOf(before)) !== tx.client)
        fail("D4", `${tx.client} let ${key} wait, which it did not hold`);
      trace(`${tx.client} lets ${key} wait for a person`);
      return;
    }
    if (before?.["state"] === "running" && before["owner"] !== after["owner"] && before["owner"] !== null) {
      if ((before["lease_until"] as number) >= nowMs()) fail("D4", `${tx.client} took ${key} before the lease of its owner ended`);
    }
    if (before?.["state"] === "running" && before["owner"] === null && after["owner"] !== null) {
      const mayGoOn = (before["lease_until"] as number) < nowMs() || before["cancel_requested"] === true;
      if (!mayGoOn) fail("D6", `${tx.client} goes on with ${key}, which still waits for a person`);
    }
    if (before?.["owner"] !== after["owner"] || before?.["state"] !== "running") {
      if (after["epoch"] !== Number(before?.["epoch"] ?? 0) + 1) fail("D4", `${key} changed its owner without a new epoch`);
      // A crash of the database may have forgotten an earlier claim, and with it its epoch.
      lostAt.delete(`${key} ${ownerOf(after)} ${String(after["epoch"])}`);
      trace(`${tx.client} claims ${key}, epoch ${String(after["epoch"])}`);
    }
    const tag = after["tag"] as string | null;
    const running = parts
      .database()
      .rows("task_queue")
      .filter((row) => row["tag"] === tag && row["state"] === "running");
    if (tag !== null && running.length > 1) fail("D6", `${running.length} tasks of the tag ${tag} run at once`);
  }

  function checkTask(tx: ModelTransaction, changes: readonly RowChange[], change: RowChange): void {
    const { before, after, key } = change;
    if (isFinal(before) && JSON.stringify(before) !== JSON.stringify(after)) fail("D3", `the final state of ${key} was changed`);
    if (changed(change, ["plan"]) && before !== undefined) checkFence(tx, changes, key, "the plan");
    if (isFinal(before) || !isFinal(after)) return;
    trace(`${tx.client} ends ${key}: ${String(after?.["state"])} ${(after?.["error_message"] as string | null) ?? ""}`);
    endings.set(key, (endings.get(key) ?? 0) + 1);
    const queue = changes.find((one) => one.table === "task_queue" && one.key === key)?.before;
    if (queue?.["state"] === "queued") return;
    checkFence(tx, changes, key, "the outcome");
    const told = toldAt.get(`${key} ${tx.client} ${String(queue?.["epoch"])}`);
    if (told !== undefined && told < (lastResultAt.get(key) ?? Infinity) && after?.["state"] !== "Canceled")
      fail("D8", `${key} ended as ${String(after?.["state"])} although ${tx.client} was told to cancel it`);
  }

  function checkStepRun(tx: ModelTransaction, changes: readonly RowChange[], change: RowChange): void {
    const { before, after, key } = change;
    if (!changed(change, resultColumns)) return;
    const taskId = String((after ?? before)?.["task_id"]);
    checkFence(tx, changes, taskId, `step run ${key}`);
    if (before !== undefined && changed(change, ["ticket"])) fail("D2", `the ticket of step run ${key} was replaced`);
    if (before?.["state"] === "done") fail("D3", `the result of step run ${key} was written a second time`);
    if (after?.["state"] === "done") lastResultAt.set(taskId, nowMs());
  }

  function checkInterruption(tx: ModelTransaction, changes: readonly RowChange[], { before, after, key }: RowChange): void {
    const taskId = String(after?.["task_id"]);
    if (before === undefined) {
      checkFence(tx, changes, taskId, `the question ${key}`);
      const asked = parts
        .database()
        .rows("interruptions")
        .filter((row) => row["task_id"] === taskId);
      if (asked.length > 1) fail("D3", `${taskId} asks ${asked.length} times`);
    } else if (before["result"] !== null) fail("D3", `the answer to ${key} was changed`);
    else trace(`${key} of ${taskId} is answered with ${String(after?.["result"])}`);
  }

  /**
   * Each value that a script sets is another one, so one that is written again was applied twice: right for a commit that is repeated because
   * its outcome was not heard, wrong for one that goes further in the script's output.
   */
  function checkOutput(tx: ModelTransaction, changes: readonly RowChange[], { after, key }: RowChange): void {
    checkFence(tx, changes, String(after?.["task_id"]), `output ${key}`);
    const value = String(after?.["value"]);
    const goesFurther = changes.some((change) => change.table === "step_runs" && changed(change, ["log_next"]));
    if (outputsWritten.has(value) && goesFurther) fail("D7", `the output "${value}" was applied again with later lines`);
    outputsWritten.add(value);
  }

  return {
    failures,
    fail,
    knows: (owner, process) => void processOf.set(owner, process.name),
    acknowledged: (taskId) => void acknowledged.add(taskId),
    approvalNeeded: (taskId) => void approvals.add(taskId),
    cancelAsked: (taskId) => void cancelAsked.add(taskId),
    shown: (taskId, entries) => void shown.push({ taskId, entries }),

    onCommit(tx, changes) {
      for (const change of changes) {
        if (change.table === "task_queue") checkQueue(tx, change);
        else if (change.table === "tasks") checkTask(tx, changes, change);
        else if (change.table === "step_runs") checkStepRun(tx, changes, change);
        else if (change.table === "schedules") {
          if (change.before === undefined) firstDueAt.set(change.key, change.after?.["next_due"] as number);
        } else if (change.table === "schedule_firings") {
          if (change.before === undefined && change.after !== undefined) firings.push(change.after);
        } else if (change.table === "interruptions") checkInterruption(tx, changes, change);
        else if (change.table === "output_variables") checkOutput(tx, changes, change);
        else if (change.table === "task_log_parts") {
          checkFence(tx, changes, String(change.after?.["task_id"]), "the log");
          if (Number(change.after?.["committed_bytes"]) < Number(change.before?.["committed_bytes"] ?? 0))
            fail("D7", `log part ${change.key} became shorter`);
        }
      }
    },

    onSeen(process, statement, rows) {
      if (statement !== "task-renew" && statement !== "task-claim") return;
      for (const row of rows) {
        if (row["cancel_requested"] !== true) continue;
        const key = `${String(row["task_id"] ?? row["id"])} ${process.name} ${String(row["epoch"])}`;
        if (!toldAt.has(key)) toldAt.set(key, nowMs());
      }
    },

    onCall(process, call, ticket, terms) {
      const { lease } = terms;
      const beganMs = nowMs();
      return () => {
        if (call === "status" || call === "capabilities") return;
        if (lease !== undefined) {
          const lost = lostAt.get(`${lease.taskId} ${lease.owner} ${lease.epoch}`);
          if (lost !== undefined && lost < beganMs) fail("D4", `${process.name} sent a ${call} for ${lease.taskId} without holding it`);
        }
        const row =
          ticket === ""
            ? undefined
            : parts
                .database()
                .rows("step_runs")
                .find((one) => one["ticket"] === ticket || one["agent_ticket"] === ticket);
        if (call === "start" && ticket !== "" && row === undefined) fail("D2", `${process.name} sent a start whose ticket is not stored`);
        if (call === "complete" && row?.["state"] !== "done")
          fail("D3", `${process.name} let the agent forget ${ticket} before its result was stored`);
      };
    },

    onStart(execution) {
      const { script, kind, ticket } = execution;
      const count = (starts.get(script) ?? 0) + 1;
      starts.set(script, count);
      if (count > 1) fail("D2", `"${script}" was started ${count} times on a machine with an agent of the kind ${kind}`);
      const rows = parts.database().rows("step_runs");
      const row = rows.find((one) => scriptName(String(one["task_id"]), String(one["step"]), String(one["machine_id"])) === script);
      if (row === undefined) return fail("D2", `"${script}" was started although its intent is not stored`);
      if (kind === "first-generation" && row["state"] === "intended")
        fail("D2", `"${script}" was started over the first service before that was stored`);
      if (kind !== "first-generation" && row["ticket"] !== ticket)
        fail("D2", `"${script}" was started with another ticket than the stored one`);
      const earlier = rows.filter((one) => one["task_id"] === row["task_id"] && Number(one["step"]) < Number(row["step"]));
      if (earlier.some((one) => one["state"] !== "done")) fail("D6", `"${script}" was started before an earlier step was done`);
      const isApproved = parts
        .database()
        .rows("interruptions")
        .some((one) => one["task_id"] === row["task_id"] && one["result"] === "Proceed");
      if (Number(row["step"]) > 1 && approvals.has(String(row["task_id"])) && !isApproved)
        fail("D6", `"${script}" was started before the approval in front of it was given`);
      if (Number(row["step"]) > 1 && earlier.length === 0) fail("D6", `"${script}" was started before an earlier step was begun`);
    },

    finishSchedules({ intervals, untilMs }) {
      for (const [trigger, intervalMs] of intervals) checkTrigger(trigger, intervalMs, untilMs);
      return firings.length;
    },

    finish({ executions, logs, machines, steps }) {
      const database = parts.database();
      for (const id of acknowledged) if (!isFinal(database.row("tasks", id))) fail("D1", `${id} was acknowledged and has no final state`);
      const events = database.rows("events");
      for (const task of database.rows("tasks")) {
        const id = String(task["id"]);
        const state = String(task["state"]);
        if (!isFinal(task)) {
          fail(
            "D1",
            `${id} never came to an end, it is ${state}, locked by ${database.holder("task_queue", id)}: ${JSON.stringify(database.row("task_queue", id))}`,
          );
          continue;
        }
        if (endings.get(id) !== 1) fail("D3", `${id} ended ${endings.get(id) ?? 0} times`);
        const ended = events.filter(
          (event) => (event["related_document_ids"] as string[])[0] === id && /Succeeded$|Failed$/.test(String(event["category"])),
        );
        if (ended.length > 1) fail("D3", `${id} has ${ended.length} events of its end`);
        const rows = database.rows("step_runs").filter((row) => row["task_id"] === id);
        if (rows.some((row) => row["state"] !== "done")) fail("D3", `${id} ended as ${state} with a step run that has no result`);
        const bad = rows.filter((row) => row["outcome"] !== "succeeded");
        const scripts = rows.filter((row) => row["machine_id"] !== "");
        if (state === "Success" && (bad.length > 0 || scripts.length !== machines * steps(id)))
          fail("D5", `${id} is a success with ${rows.length} results, ${bad.length} of them bad`);
        if (state === "Failed" && bad.length === 0) fail("D5", `${id} failed without a bad result: ${String(task["error_message"])}`);
        if (state === "Canceled" && !cancelAsked.has(id)) fail("D8", `${id} was canceled and nobody asked`);
        for (const row of scripts) checkResult(row, executions, logs.get(id) ?? []);
        for (const one of shown) {
          if (one.taskId !== id) continue;
          const now = logs.get(id) ?? [];
          if (one.entries.some((entry, n) => JSON.stringify(entry) !== JSON.stringify(now[n])))
            fail("D7", `a line of ${id} that was shown has changed`);
        }
      }
    },
  };

  /** Of one trigger: each due time once, none left out, each with its task. */
  function checkTrigger(trigger: string, intervalMs: number, untilMs: number): void {
    const first = firstDueAt.get(trigger);
    if (first === undefined) return fail("D10", `${trigger} was never due`);
    const dueMs = (value: unknown): number => (value as Date).getTime();
    const own = firings.filter((row) => row["trigger"] === trigger);
    const times = own.flatMap((row) => {
      const missed = row["missed_count"] as number;
      return Array.from({ length: missed + 1 }, (_, n) => dueMs(row["due_at"]) - (missed - n) * intervalMs);
    });
    for (const [n, at] of times.toSorted((a, b) => a - b).entries())
      if (at !== first + n * intervalMs)
        return fail("D10", `${trigger} has ${at} as its ${n + 1}. due time instead of ${first + n * intervalMs}`);
    const last = first + (times.length - 1) * intervalMs;
    if (last < untilMs - intervalMs - firedLateMsMax) fail("D10", `${trigger} was fired until ${last} ms only`);
    const tasks = parts
      .database()
      .rows("tasks")
      .filter((row) => argumentOf(row, "trigger") === trigger);
    for (const row of own) {
      const ofDue = tasks.filter((task) => argumentOf(task, "dueAt") === (row["due_at"] as Date).toISOString());
      if (ofDue.length !== 1 || ofDue[0]!["id"] !== row["task_id"])
        fail("D10", `${trigger} has ${ofDue.length} tasks for ${dueMs(row["due_at"])}; its own is ${String(row["task_id"])}`);
    }
    if (tasks.length !== own.length) fail("D10", `${trigger} has ${tasks.length} tasks for ${own.length} due times that were fired`);
  }

  function argumentOf(task: Row, name: string): unknown {
    return (task["arguments"] as { [name: string]: unknown })[name];
  }

  function checkResult(row: Row, executions: readonly Execution[], log: readonly LogEntry[]): void {
    const script = scriptName(String(row["task_id"]), String(row["step"]), String(row["machine_id"]));
    const execution = executions.find((one) => one.script === script);
    const wasCancelled = execution?.cancelledMs !== undefined && execution.cancelledMs < execution.endsMs;
    const outcome = String(row["outcome"]);
    const exitCode = row["exit_code"] as number | null;
    const isKnown = execution !== undefined && !execution.orphan && !wasCancelled;
    if (outcome === "succeeded" && !(isKnown && execution.exitCode === 0))
      fail("D5", `"${script}" is a success, and was not seen to end well`);
    if (outcome === "failed" && exitCode !== null && !(isKnown && execution.exitCode === exitCode))
      fail("D5", `"${script}" failed with ${exitCode}, which it never said`);
    if (/was not started|before the script was started/.test(String(row["message"])) && execution !== undefined)
      fail("D5", `"${script}" is said not to have been started, and was`);
    const block = `step-${String(row["step"])}/${String(row["machine_id"])}`;
    const lines = log.flatMap((entry) => (entry.kind === "line" && entry.block === block && entry.category === "Info" ? [entry.text] : []));
    const said = execution?.lines.map((line) => line.text) ?? [];
    const truth = said.filter((text) => !text.startsWith("##octopus["));
    const isComplete = outcome === "succeeded" || (outcome === "failed" && exitCode !== null);
    const expected = isComplete ? truth : truth.slice(0, lines.length);
    if (JSON.stringify(lines) !== JSON.stringify(expected))
      fail(
        "D7",
        `the log of "${script}" (${outcome}) has the lines [${lines.map((line) => line.split(" ").at(-1)).join(" ")}] of ${truth.length}`,
      );
    const output = parts.database().row("output_variables", JSON.stringify([row["task_id"], row["step"], row["machine_id"], outputName]));
    const set = said.filter((text) => text.startsWith("##octopus["));
    const isOutput = (text: string | undefined): boolean =>
      text === undefined ? output === undefined : output !== undefined && outputMessage(String(output["value"])) === text;
    if (isComplete ? !isOutput(set.at(-1)) : ![undefined, ...set].some(isOutput))
      fail("D7", `the output of "${script}" (${outcome}) is ${String(output?.["value"])}, and it set ${set.length}`);
    const endings = log.filter((entry) => entry.kind === "status" && entry.id === block && entry.status !== "Running");
    if (endings.length !== 1) fail("D3", `"${script}" has ${endings.length} results in the log`);
  }
}
