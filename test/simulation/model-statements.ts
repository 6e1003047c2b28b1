// What each named statement of the engine does to the rows, written a second time. model-conformance.test.ts runs the same calls here
// and on the real PostgreSQL and compares, so that the two do not drift apart.

import type { Cell, ModelTables, ModelTransaction, Row } from "./model-tables.ts";
import { sqlError } from "./model-tables.ts";

export interface StatementResult {
  rows: Row[];
  count: number;
  /** Sent when the transaction has committed: channel and payload. */
  notifications?: { channel: string; payload: string }[];
}

export type Statement = (tx: ModelTransaction, values: readonly unknown[]) => Promise<StatementResult>;

/** As in task-store.ts. */
const heldMsMax = 2_000;

const answer = (rows: Row[], count = rows.length): StatementResult => ({ rows, count });
const counted = (count: number): StatementResult => ({ rows: [], count });
const text = (one: unknown): string => String(one);
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const json = (value: unknown): unknown => (typeof value === "string" ? JSON.parse(value) : (value ?? null));

/** `nowMs` is clock_timestamp(). */
export function createModelStatements(model: ModelTables, nowMs: () => number): ReadonlyMap<string, Statement> {
  /** UPDATE … WHERE key = …: locks, looks again, writes. */
  async function update(
    tx: ModelTransaction,
    cell: Cell,
    condition: (row: Row) => boolean,
    change: (row: Row) => Row | undefined,
  ): Promise<Row | undefined> {
    const row = await model.lock(tx, cell, condition);
    if (row === undefined) return undefined;
    model.put(tx, cell, change(row));
    return model.visible(tx, cell) ?? row;
  }

  const seenRows = (tx: ModelTransaction, table: string): { cell: Cell; row: Row }[] => {
    const found: { cell: Cell; row: Row }[] = [];
    for (const cell of model.cells(table)) {
      const row = model.visible(tx, cell);
      if (row !== undefined) found.push({ cell, row });
    }
    return found;
  };
  const isOwn = (owner: unknown, epoch: unknown) => (row: Row) =>
    row["owner"] === owner && row["epoch"] === epoch && row["state"] === "running";
  /** A lease that has been over for so long, or a task that waits for a person and is to be cancelled. */
  const isForfeited = (row: Row, tx: ModelTransaction, overdueMs: number): boolean =>
    row["state"] === "running" &&
    ((row["lease_until"] as number) < tx.startedMs - overdueMs || (row["owner"] === null && row["cancel_requested"] === true));
  const isUnfinished = (row: Row): boolean => row["completed_at"] === null;
  const queued = (id: unknown): Cell => model.cell("task_queue", text(id));
  const taskCell = (id: unknown): Cell => model.cell("tasks", text(id));
  const stepRun = (id: unknown): Cell => model.cell("step_runs", text(id));
  const interruption = (id: unknown): Cell => model.cell("interruptions", text(id));
  /** Interruptions by their natural key; the value of a row here is the id. */
  const interruptionKey = (task: unknown, block: unknown, attempt: unknown): Cell =>
    model.cell("interruption_keys", JSON.stringify([task, block, attempt]));
  const isNotDone = (row: Row): boolean => row["state"] !== "done";

  const firingCell = (trigger: string, dueMs: number): Cell => model.cell("schedule_firings", JSON.stringify([trigger, dueMs]));
  /** Its time has come, and its last task has ended. */
  const isDue = (tx: ModelTransaction, row: Row): boolean =>
    (row["next_due"] as number) <= nowMs() && model.visible(tx, queued(row["last_task_id"])) === undefined;

  /** Step runs by their natural key; the value of a row here is the id. */
  const stepKey = (task: unknown, step: unknown, machine: unknown, attempt: unknown): Cell =>
    model.cell("step_run_keys", JSON.stringify([task, step, machine, attempt]));

  const statements: { readonly [name: string]: (tx: ModelTransaction, values: readonly unknown[]) => Promise<StatementResult> } = {
    "next-id-ids_server_tasks": async () => answer([{ number: model.sequence("ids_server_tasks") }]),

    async "task-lock-tag"(tx, [tag]) {
      await model.hold(tx, model.cell("advisory", text(tag)));
      tx.idleMsMax = heldMsMax;
      return answer([{ pg_advisory_xact_lock: "" }]);
    },

    async "task-insert"(tx, values) {
      const [id, number, spaceId, name, description, args, argumentsVersion, tag, , , , related] = values;
      const isHead = tag === null || !seenRows(tx, "task_queue").some(({ row }) => row["tag"] === tag);
      await model.hold(tx, taskCell(id));
      model.put(tx, taskCell(id), {
        id,
        number,
        space_id: spaceId,
        name,
        description,
        arguments: json(args),
        arguments_version: argumentsVersion,
        state: "Queued",
        concurrency_tag: tag,
        related_document_ids: related,
        started_at: null,
        completed_at: null,
        error_message: null,
        has_warnings_or_errors: false,
        server_node: null,
        plan: null,
        plan_version: null,
      });
      await model.hold(tx, queued(id));
      model.put(tx, queued(id), {
        task_id: id,
        position: model.sequence("task_positions"),
        tag,
        is_head: isHead,
        state: "queued",
        owner: null,
        epoch: 0,
        lease_until: null,
        cancel_requested: false,
      });
      return answer([{ is_head: isHead }]);
    },

    "task-hint": async (_tx, [channel, payload]) => ({
      ...answer([{ pg_notify: "" }]),
      notifications: [{ channel: text(channel), payload: text(payload) }],
    }),

    async "task-look"(tx, [isFresh, isTakeover, overdueMs]) {
      const found = seenRows(tx, "task_queue").some(
        ({ row }) =>
          (isFresh === true && row["state"] === "queued" && row["is_head"] === true) ||
          (isTakeover === true && isForfeited(row, tx, overdueMs as number)),
      );
      const leases = seenRows(tx, "task_queue")
        .filter(({ row }) => row["state"] === "running")
        .map(({ row }) => row["lease_until"] as number)
        .filter((until) => until >= tx.startedMs - (overdueMs as number) && until < Infinity);
      const next = isTakeover === true && leases.length > 0 ? Math.min(...leases) - tx.startedMs + (overdueMs as number) : null;
      return answer([{ found, next_takeover_ms: next }]);
    },

    async "task-claim"(tx, values) {
      const [owner, nodeName, leaseMs, fresh, takeovers, overdueMs] = values as readonly [string, string, number, number, number, number];
      const isFree = ({ cell }: { cell: Cell }): boolean => cell.holder === undefined || cell.holder === tx;
      const rows = seenRows(tx, "task_queue");
      const expired = rows
        .filter(({ row }) => isForfeited(row, tx, overdueMs))
        .sort((a, b) => byText(a.cell.key, b.cell.key))
        .filter(isFree)
        .slice(0, takeovers);
      const ready = rows
        .filter(({ row }) => row["state"] === "queued" && row["is_head"] === true)
        .sort((a, b) => (a.row["position"] as number) - (b.row["position"] as number))
        .filter(isFree)
        .slice(0, Math.max(fresh - expired.length, 0));
      const claimed = [...expired, ...ready];
      for (const { cell } of claimed) await model.hold(tx, cell);
      const shown: Row[] = [];
      for (const { cell, row } of claimed) {
        const tag = row["tag"];
        for (const other of model.cells("task_queue")) {
          if (tag === null || other === cell) continue;
          const isRunning = (one: Row | undefined): boolean => one !== undefined && one["tag"] === tag && one["state"] === "running";
          if (isRunning(model.visible(tx, other))) throw sqlError("23505", "duplicate key value violates task_queue_one_running_per_tag");
        }
        const epoch = (row["epoch"] as number) + 1;
        model.put(tx, cell, { ...row, state: "running", owner, epoch, lease_until: tx.startedMs + leaseMs });
        const task = await update(
          tx,
          taskCell(cell.key),
          () => true,
          (one) => ({
            ...one,
            state: row["cancel_requested"] === true ? "Cancelling" : "Executing",
            started_at: one["started_at"] ?? nowMs(),
            server_node: nodeName,
          }),
        );
        if (task !== undefined) shown.push({ ...task, epoch, cancel_requested: row["cancel_requested"], first_run: epoch === 1 });
      }
      if (shown.length > 0) [tx.async, tx.idleMsMax] = [true, heldMsMax];
      return answer(shown.sort((a, b) => (a["number"] as number) - (b["number"] as number)));
    },

    async "task-renew"(tx, values) {
      const [owner, leaseMs, taskIds] = values as readonly [string, number, readonly string[]];
      const rows: Row[] = [];
      for (const id of [...taskIds].sort(byText)) {
        const row = await update(
          tx,
          queued(id),
          (one) => one["owner"] === owner && one["state"] === "running",
          (one) => ({ ...one, lease_until: tx.startedMs + leaseMs }),
        );
        if (row !== undefined) rows.push(row);
      }
      return answer(rows);
    },

    async "task-guard"(tx, [id, owner, epoch]) {
      // PostgreSQL sets the limit when it has found the row, before it waits for its lock, whatever the row is after that.
      const found = model.visible(tx, queued(id));
      if (found !== undefined && isOwn(owner, epoch)(found)) tx.idleMsMax = heldMsMax;
      return answer((await model.lock(tx, queued(id), isOwn(owner, epoch))) === undefined ? [] : [{}]);
    },

    async "task-owned"(tx, [id, owner, epoch]) {
      const row = model.visible(tx, queued(id));
      return answer(row !== undefined && isOwn(owner, epoch)(row) ? [{}] : []);
    },

    async "task-plan"(tx, [id, plan, version]) {
      const row = await update(
        tx,
        taskCell(id),
        () => true,
        (one) => ({ ...one, plan: one["plan"] ?? json(plan), plan_version: one["plan_version"] ?? version }),
      );
      return answer(row === undefined ? [] : [row]);
    },

    async "task-finish"(tx, [id, owner, epoch, state, message]) {
      if ((await update(tx, queued(id), isOwn(owner, epoch), () => undefined)) === undefined) return counted(0);
      const row = await update(tx, taskCell(id), isUnfinished, (one) => ({
        ...one,
        state,
        completed_at: nowMs(),
        error_message: message,
        has_warnings_or_errors: one["has_warnings_or_errors"] === true || text(state) !== "Success",
      }));
      if (row !== undefined) tx.idleMsMax = heldMsMax;
      return counted(row === undefined ? 0 : 1);
    },

    /** No task of the model starts later or gives up. */
    async "task-timers-delete"() {
      return answer([]);
    },

    async "task-warned"(tx, [id]) {
      const row = await update(
        tx,
        taskCell(id),
        (one) => one["has_warnings_or_errors"] !== true,
        (one) => ({ ...one, has_warnings_or_errors: true }),
      );
      return counted(row === undefined ? 0 : 1);
    },

    async "task-pause"(tx, [id, isAnswered, isPassing]) {
      const row = await update(
        tx,
        queued(id),
        () => true,
        (one) => ({
          ...one,
          owner: null,
          lease_until: isAnswered === true ? -Infinity : Infinity,
          tag: isPassing === true ? null : one["tag"],
        }),
      );
      if (row === undefined) return counted(0);
      const task = await update(
        tx,
        taskCell(id),
        () => true,
        (one) => ({ ...one, server_node: null }),
      );
      return counted(task === undefined ? 0 : 1);
    },

    async "task-lock"(tx, [id]) {
      return answer((await model.lock(tx, queued(id), () => true)) === undefined ? [] : [{}]);
    },

    async "task-requeue"(tx, [id, tag]) {
      const row = await update(
        tx,
        queued(id),
        (one) => one["state"] === "running" && one["owner"] === null && one["tag"] === null && one["cancel_requested"] === false,
        (one) => ({ ...one, state: "queued", tag, is_head: false, lease_until: null }),
      );
      return counted(row === undefined ? 0 : 1);
    },

    async "task-unhead"(tx, [tag]) {
      let count = 0;
      const isHead = (one: Row): boolean => one["tag"] === tag && one["state"] === "queued" && one["is_head"] === true;
      for (const { cell, row } of seenRows(tx, "task_queue"))
        if (isHead(row) && (await update(tx, cell, isHead, (one) => ({ ...one, is_head: false }))) !== undefined) count += 1;
      return counted(count);
    },

    async "task-resume"(tx, [id]) {
      const row = await update(
        tx,
        queued(id),
        (one) => one["state"] === "running" && one["owner"] === null,
        (one) => ({ ...one, lease_until: -Infinity }),
      );
      return counted(row === undefined ? 0 : 1);
    },

    async "task-finish-queued"(tx, [id, state]) {
      await update(
        tx,
        queued(id),
        () => true,
        () => undefined,
      );
      const row = await update(tx, taskCell(id), isUnfinished, (one) => ({ ...one, state, completed_at: nowMs() }));
      return counted(row === undefined ? 0 : 1);
    },

    async "task-promote"(tx, [tag]) {
      const ofTag = seenRows(tx, "task_queue").filter(({ row }) => row["tag"] === tag);
      if (ofTag.some(({ row }) => row["state"] === "running" || row["is_head"] === true)) return counted(0);
      const [first] = ofTag.sort((a, b) => (a.row["position"] as number) - (b.row["position"] as number));
      if (first === undefined) return counted(0);
      const row = await update(
        tx,
        first.cell,
        () => true,
        (one) => ({ ...one, is_head: true }),
      );
      return counted(row === undefined ? 0 : 1);
    },

    async "task-find-for-cancel"(tx, [id]) {
      const row = model.visible(tx, taskCell(id));
      return answer(row === undefined ? [] : [row]);
    },

    async "task-mark-cancel"(tx, [id]) {
      const row = await update(
        tx,
        queued(id),
        () => true,
        (one) => {
          const isBegun = (one["epoch"] as number) > 0;
          const isNobodys = isBegun && one["state"] === "queued";
          return {
            ...one,
            cancel_requested: true,
            state: isBegun ? "running" : one["state"],
            ...(isNobodys ? { tag: null, is_head: false, lease_until: Infinity } : {}),
          };
        },
      );
      return answer(row === undefined ? [] : [row]);
    },

    async "task-show-cancelling"(tx, [id]) {
      const row = await update(
        tx,
        taskCell(id),
        (one) => one["state"] === "Executing",
        (one) => ({ ...one, state: "Cancelling" }),
      );
      return counted(row === undefined ? 0 : 1);
    },

    "lease-settings": async () => answer([]),

    async "task-release"(tx, [owner]) {
      const notifications: { channel: string; payload: string }[] = [];
      for (const { cell } of seenRows(tx, "task_queue")) {
        const row = await update(
          tx,
          cell,
          (one) => one["owner"] === owner && one["state"] === "running",
          (one) => ({ ...one, lease_until: -Infinity }),
        );
        if (row !== undefined) notifications.push({ channel: "cuttle_tasks", payload: cell.key });
      }
      return { ...counted(notifications.length), notifications };
    },

    async "record-event"(tx, [, category, , , message, related]) {
      const cell = model.cell("events", text(model.sequence("events")));
      await model.hold(tx, cell);
      model.put(tx, cell, { category, message, related_document_ids: related });
      return counted(1);
    },

    "next-id-ids_interruptions": async () => answer([{ number: model.sequence("ids_interruptions") }]),

    async "interruption-answer"(tx, [task, block, attempt]) {
      const key = model.visible(tx, interruptionKey(task, block, attempt));
      const row = key && model.visible(tx, interruption(key["id"]));
      return answer(row === undefined ? [] : [row]);
    },

    async "interruption-ask"(tx, values) {
      const [id, number, spaceId, task, block, attempt, type, title] = values;
      const key = interruptionKey(task, block, attempt);
      await model.hold(tx, key);
      if (model.visible(tx, key) !== undefined) return counted(0);
      model.put(tx, key, { id });
      await model.hold(tx, interruption(id));
      model.put(tx, interruption(id), {
        id,
        number,
        space_id: spaceId,
        task_id: task,
        block,
        attempt,
        type,
        title,
        result: null,
        notes: null,
        answered_by: null,
      });
      return counted(1);
    },

    async "interruption-submit"(tx, [id, result, notes, answeredBy]) {
      const row = await update(
        tx,
        interruption(id),
        (one) => one["result"] === null,
        (one) => ({ ...one, result, notes, answered_by: json(answeredBy) }),
      );
      return counted(row === undefined ? 0 : 1);
    },

    async "log-commit"(tx, values) {
      const [task, epoch, ordinal, version, file, bytes, lines] = values;
      const cell = model.cell("task_log_parts", JSON.stringify([task, epoch, ordinal]));
      await model.hold(tx, cell);
      const before = model.visible(tx, cell) ?? { task_id: task, epoch, ordinal, format_version: version, file };
      model.put(tx, cell, { ...before, committed_bytes: bytes, committed_lines: lines });
      return counted(1);
    },

    async "log-parts"(tx, [task]) {
      const rows = seenRows(tx, "task_log_parts")
        .map(({ row }) => row)
        .filter((row) => row["task_id"] === task && (row["committed_bytes"] as number) > 0);
      return answer(
        rows.sort((a, b) => (a["epoch"] as number) - (b["epoch"] as number) || (a["ordinal"] as number) - (b["ordinal"] as number)),
      );
    },

    async "output-put"(tx, values) {
      const [task, actions, machines, names, texts, ciphertexts] = values;
      const columns = [actions, machines, names, texts, ciphertexts].map((one) => one as readonly (string | null)[]);
      for (let n = 0; n < columns[0]!.length; n++) {
        const [action, machine, name, value, ciphertext] = columns.map((one) => one[n] ?? null);
        const cell = model.cell("output_variables", JSON.stringify([task, action, machine, name]));
        await model.hold(tx, cell);
        model.put(tx, cell, {
          task_id: task,
          action,
          machine_id: machine,
          name,
          value,
          ciphertext: ciphertext === null || ciphertext === undefined ? null : Buffer.from(ciphertext, "base64"),
          ordinal: model.sequence("output_variables"),
        });
      }
      return counted(columns[0]!.length);
    },

    async "output-list"(tx, [task]) {
      const rows = seenRows(tx, "output_variables").map(({ row }) => row);
      return answer(rows.filter((row) => row["task_id"] === task).sort((a, b) => (a["ordinal"] as number) - (b["ordinal"] as number)));
    },

    async "step-run-intend"(tx, values) {
      const [task, step, attempt, version, epoch, machines, tickets] = values;
      let count = 0;
      for (const [n, machine] of (machines as readonly string[]).entries()) {
        const id = model.sequence("step_runs");
        const key = stepKey(task, step, machine, attempt);
        if (model.visible(tx, key) !== undefined) continue;
        await model.hold(tx, key);
        if (model.visible(tx, key) !== undefined) continue;
        const ticket = (tickets as readonly string[])[n];
        model.put(tx, key, { id });
        await model.hold(tx, stepRun(id));
        model.put(tx, stepRun(id), {
          id,
          task_id: task,
          step,
          machine_id: machine,
          attempt,
          format_version: version,
          ticket,
          state: "intended",
          first_epoch: epoch,
          log_next: 0,
          log_state: null,
          outcome: null,
          exit_code: null,
          message: null,
          generation: 2,
          agent_ticket: null,
          completion: "none",
          complete_after: null,
        });
        count += 1;
      }
      return counted(count);
    },

    async "step-run-read"(tx, [task, step, attempt, machines]) {
      return answer(
        seenRows(tx, "step_runs")
          .map(({ row }) => row)
          .filter(
            (row) =>
              row["task_id"] === task &&
              row["step"] === step &&
              row["attempt"] === attempt &&
              (machines as readonly unknown[]).includes(row["machine_id"]),
          ),
      );
    },

    async "step-run-list"(tx, [task]) {
      return answer(
        seenRows(tx, "step_runs")
          .map(({ row }) => row)
          .filter((row) => row["task_id"] === task),
      );
    },

    async "step-run-progress"(tx, [id, logNext, logState]) {
      const row = await update(tx, stepRun(id), isNotDone, (one) => ({
        ...one,
        state: "started",
        log_next: logNext,
        log_state: json(logState),
      }));
      return counted(row === undefined ? 0 : 1);
    },

    async "step-run-first-generation"(tx, [id, version]) {
      const row = await update(tx, stepRun(id), isNotDone, (one) => ({ ...one, state: "started", generation: 1, format_version: version }));
      return counted(row === undefined ? 0 : 1);
    },

    async "step-run-agent-ticket"(tx, [id, ticket]) {
      const row = await update(tx, stepRun(id), isNotDone, (one) => ({ ...one, agent_ticket: ticket }));
      return counted(row === undefined ? 0 : 1);
    },

    async "step-run-done"(tx, values) {
      const [id, outcome, exitCode, message, logNext, logState, completeAfterMs] = values;
      const row = await update(tx, stepRun(id), isNotDone, (one) => ({
        ...one,
        state: "done",
        outcome,
        exit_code: exitCode,
        message,
        log_next: logNext,
        log_state: json(logState),
        completion: completeAfterMs === null ? "none" : "due",
        complete_after: completeAfterMs === null ? null : tx.startedMs + (completeAfterMs as number),
      }));
      return counted(row === undefined ? 0 : 1);
    },

    async "step-run-completed"(tx, [ids]) {
      let count = 0;
      for (const id of ids as readonly number[]) {
        const row = await update(
          tx,
          stepRun(id),
          () => true,
          (one) => ({ ...one, completion: "done" }),
        );
        if (row !== undefined) count += 1;
      }
      return counted(count);
    },

    async "step-run-overdue"(tx, values) {
      const [count] = values as readonly [number];
      const overdue = seenRows(tx, "step_runs")
        .filter(({ row }) => row["completion"] === "due" && (row["complete_after"] as number) < tx.startedMs)
        .sort((a, b) => (a.row["complete_after"] as number) - (b.row["complete_after"] as number))
        .filter(({ cell }) => cell.holder === undefined || cell.holder === tx)
        .slice(0, count);
      const rows: Row[] = [];
      for (const { cell } of overdue) {
        const row = await update(
          tx,
          cell,
          () => true,
          (one) => ({ ...one, complete_after: tx.startedMs + 3_600_000 }),
        );
        if (row === undefined) continue;
        const task = model.visible(tx, taskCell(row["task_id"]));
        rows.push({ ...row, plan: task?.["plan"], plan_version: task?.["plan_version"] });
      }
      return answer(rows);
    },

    async "schedule-intervals"(tx, [kind]) {
      const rows = seenRows(tx, "schedules").map(({ row }) => row);
      return answer(rows.filter((row) => row["kind"] === kind));
    },

    async "schedule-lock-kind"(tx, [kind]) {
      const cell = model.cell("advisory-kinds", text(kind));
      if (cell.holder !== undefined && cell.holder !== tx) return answer([{ locked: false }]);
      await model.hold(tx, cell);
      return answer([{ locked: true }]);
    },

    async "schedule-remove"(tx, [kind, triggers]) {
      let count = 0;
      for (const { cell } of seenRows(tx, "schedules")) {
        const isUnwanted = (row: Row): boolean => row["kind"] === kind && !(triggers as readonly unknown[]).includes(row["trigger"]);
        const row = await model.lock(tx, cell, isUnwanted);
        if (row === undefined) continue;
        model.put(tx, cell, undefined);
        count += 1;
        for (const firing of seenRows(tx, "schedule_firings").filter((one) => one.row["trigger"] === cell.key)) {
          await model.hold(tx, firing.cell);
          model.put(tx, firing.cell, undefined);
        }
      }
      return counted(count);
    },

    async "schedule-want"(tx, values) {
      const [kind, triggers, spaces, intervals] = values as readonly [string, readonly string[], readonly unknown[], readonly number[]];
      const made = Math.floor(nowMs());
      let count = 0;
      for (const [n, trigger] of triggers.entries()) {
        const cell = model.cell("schedules", trigger);
        await model.hold(tx, cell);
        const known = model.visible(tx, cell);
        const interval = intervals[n]!;
        if (known !== undefined && known["interval_ms"] === interval) continue;
        const fresh = { trigger, kind, space_id: spaces[n], last_due: null, last_task_id: null, created_at: made };
        const from = (known?.["last_due"] ?? known?.["created_at"] ?? made) as number;
        model.put(tx, cell, { ...(known ?? fresh), interval_ms: interval, next_due: from + interval });
        count += 1;
      }
      return counted(count);
    },

    async "schedule-due"(tx, [most]) {
      const due = seenRows(tx, "schedules")
        .map(({ row }) => row)
        .filter((row) => isDue(tx, row))
        .sort((a, b) => (a["next_due"] as number) - (b["next_due"] as number));
      return answer(due.slice(0, most as number).map(({ trigger, kind }) => ({ trigger, kind })));
    },

    async "schedule-lock"(tx, [trigger]) {
      const cell = model.cell("schedules", text(trigger));
      const row = model.visible(tx, cell);
      if (row === undefined || !isDue(tx, row) || (cell.holder !== undefined && cell.holder !== tx)) return answer([]);
      await model.hold(tx, cell);
      return answer([{ missed: Math.floor(Math.floor(nowMs() - (row["next_due"] as number)) / (row["interval_ms"] as number)) }]);
    },

    async "schedule-fire"(tx, values) {
      const [trigger, missed] = values as readonly [string, number];
      const row = model.visible(tx, model.cell("schedules", trigger));
      if (row === undefined) return answer([]);
      const [next, interval] = [row["next_due"] as number, row["interval_ms"] as number];
      const cell = firingCell(trigger, next + missed * interval);
      await model.hold(tx, cell);
      if (model.visible(tx, cell) !== undefined) return answer([]);
      const firing = {
        due_at: new Date(next + missed * interval),
        missed_from: missed > 0 ? new Date(next) : null,
        missed_to: missed > 0 ? new Date(next + (missed - 1) * interval) : null,
        missed_count: missed,
      };
      model.put(tx, cell, { ...firing, trigger, task_id: null });
      return answer([firing]);
    },

    async "schedule-task"(tx, [trigger, dueAt, taskId]) {
      const row = await update(
        tx,
        firingCell(text(trigger), (dueAt as Date).getTime()),
        () => true,
        (one) => ({ ...one, task_id: taskId }),
      );
      return counted(row === undefined ? 0 : 1);
    },

    async "schedule-advance"(tx, values) {
      const [trigger, missed, taskId] = values as readonly [string, number, string | null];
      const row = await update(
        tx,
        model.cell("schedules", trigger),
        () => true,
        (one) => {
          const due = (one["next_due"] as number) + missed * (one["interval_ms"] as number);
          return { ...one, last_due: due, next_due: due + (one["interval_ms"] as number), last_task_id: taskId ?? one["last_task_id"] };
        },
      );
      return counted(row === undefined ? 0 : 1);
    },
  };
  return new Map(Object.entries(statements));
}
