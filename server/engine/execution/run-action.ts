// Runs one action at one place: makes what its step type works with, and stores what no script stores.

import type { Transaction } from "../../platform/database/database.ts";
import type { LogEntry } from "../tasks/tasks.ts";
import type { PlannedAction, PlannedStep, PlannedTarget } from "./plan.ts";
import { actionBlock, line, status } from "./plan-log.ts";
import { readTimeLimitMinutes, timeLimitProperty } from "./retries.ts";
import { createScriptMessages } from "./script-messages.ts";
import { runScript } from "./run-script.ts";
import type { TimeLimit } from "./run-script.ts";
import type { Walk } from "./plan-walk.ts";
import { markDone, readAttemptAgeMs } from "./step-run-store.ts";
import type { ActionContext, ActionOutcome, EffectPart, PartResult, ScriptPart } from "./step-type.ts";
import { ActionFault, mainPart } from "./step-type.ts";

/** A property of the action, or a variable. */
const bypassMutex = "OctopusBypassDeploymentMutex";
const blockStatus = { succeeded: "Success", skipped: "Skipped", failed: "Failed", canceled: "Canceled", unknown: "Failed" } as const;
const canceledBefore: PartResult = { outcome: "canceled", exitCode: null, message: "Canceled before the script was started." };

export async function runAction(
  walk: Walk,
  at: {
    step: PlannedStep;
    action: PlannedAction;
    target: PlannedTarget | undefined;
    opening: readonly LogEntry[];
    attempt: number;
    /** False: when it fails it is tried again, so its failure is not yet that of the block. */
    isLast: boolean;
  },
): Promise<ActionOutcome> {
  const { run, rows, plan } = walk;
  const { step, action, target, attempt } = at;
  const block = actionBlock(step, target, action);
  /** Said with the first that is said, or with the first intent. */
  const pending: LogEntry[] = [...at.opening];
  /** The block has its state by what a part stored. */
  let isClosed = false;
  const takePending = (): LogEntry[] => pending.splice(0);

  const type = walk.types.get(action.type);
  if (type === undefined) throw new Error(`This node knows no step of the type ${action.type}. A newer node must finish this task.`);
  const values = await walk.values.at({ step, action, target });
  /** Set by a script of this action, and perhaps not committed yet. */
  const learned = new Set<string>();
  const createMasker = () => walk.prepareMasking([...values.secrets(), ...walk.outputs.secrets(), ...learned]).createMasker();

  function mask(text: string): string {
    const masker = createMasker();
    return [...masker.push(text), ...masker.flush()].join("");
  }

  async function rowOf(part: string) {
    const known = rows.find(action, part, target, attempt);
    if (known !== undefined && pending.length === 0) return known;
    const intend = (tx: Transaction) => rows.intend(tx, action, part, { targets: [target], attempt });
    await run.log.append(takePending(), known === undefined ? intend : undefined);
    const row = rows.find(action, part, target, attempt);
    if (row === undefined) throw new Error(`The part '${part}' of ${action.id} has no row.`);
    return row;
  }

  async function runScriptPart(script: ScriptPart): Promise<PartResult> {
    const part = script.part ?? mainPart;
    const on = action.worker ?? target;
    if (on === undefined) throw new ActionFault("It has neither a target nor a worker to run on.");
    // Of what was not even intended nothing is stored.
    if (run.cancelRequested.aborted && rows.find(action, part, target, attempt) === undefined) return canceledBefore;
    const messages = createScriptMessages({
      outputs: walk.outputs,
      handlers: walk.handlers,
      place: { run, step, action, target, ranOn: on, block, mask },
    });
    const bypass = values.evaluate(bypassMutex) ?? values.evaluateText(`#{${bypassMutex}}`);
    const bypasses = bypass.trim().toLowerCase() === "true";
    const row = await rowOf(part);
    // After a takeover the opening of the step may have opened the block again, which a stored result closes no more.
    const isReopened = row.state === "done" && !isLeftClosed();
    const result = await runScript(
      run,
      row,
      {
        taskId: run.task.id,
        block,
        endsBlock: endsBlock(script),
        machineName: on.name,
        agent: on.agent,
        body: script.body,
        files: script.files ?? [],
        arguments: script.arguments ?? [],
        quietMs: script.quietMs,
        // A worker serves many tasks at once.
        isolation: script.isolation ?? (bypasses || action.worker !== undefined ? "none" : "full"),
        masker: createMasker,
        timeLimit,
        messages: {
          ...messages,
          secretOf(message) {
            const secret = messages.secretOf(message);
            if (secret !== undefined && secret !== "") learned.add(secret);
            return secret;
          },
        },
      },
      walk.script,
    );
    if (endsBlock(script) && !isReopened) isClosed = true;
    return result;
  }

  /** As run-step.ts has it: the block of an action whose first part was done is not opened again. */
  function isLeftClosed(): boolean {
    return step.actions.length === 1 && type?.firstPart !== undefined && rows.find(action, type.firstPart, target, 1)?.state === "done";
  }

  function endsBlock(script: ScriptPart): boolean {
    return script.ends === true && at.isLast;
  }

  async function runEffectPart({ part, work, also }: EffectPart): Promise<PartResult> {
    if (run.cancelRequested.aborted && rows.find(action, part, target, attempt) === undefined) return canceledBefore;
    const row = await rowOf(part);
    if (row.state === "done") return { outcome: row.outcome ?? "unknown", exitCode: row.exitCode, message: row.message };
    const result = await work();
    const { outputs = [] } = result;
    await run.log.append([], async (tx) => {
      await markDone(tx, row.id, { ...result, logNext: 0, logState: null, completeAfterMs: null });
      await walk.outputs.put(tx, { action, target }, outputs);
      await also?.(tx, result);
    });
    walk.outputs.keep({ action, target }, outputs);
    return result;
  }

  async function say(category: (LogEntry & { kind: "line" })["category"], text: string): Promise<void> {
    const masker = createMasker();
    const shown = [...text.split("\n").flatMap((one) => masker.push(one)), ...masker.flush()];
    await run.log.append([...takePending(), ...shown.map((one) => line(block, category, one))]);
  }

  const context: ActionContext = {
    plan,
    step,
    action,
    target,
    variables: values.variables,
    scriptVariables: () => values.scriptVariables(),
    property: (name) => values.property(name),
    evaluate: (name) => values.evaluate(name),
    evaluateText: (text) => values.evaluateText(text),
    runScript: runScriptPart,
    runEffect: runEffectPart,
    outputs: () => walk.outputs.of(action, target),
    hide: (text) => values.hide(text),
    log: say,
    block,
    attempt,
    agents: walk.script.agents,
    run,
  };

  let outcome: ActionOutcome;
  const ended = new AbortController();
  let timeLimit: TimeLimit | undefined;
  try {
    timeLimit = await startTimeLimit(ended.signal);
    outcome = await type.run(context);
  } catch (error) {
    if (!(error instanceof ActionFault)) throw error;
    outcome = { outcome: "failed", message: error.message };
    isClosed = false;
    pending.push(line(block, "Error", error.message));
    await settle(outcome.message);
  } finally {
    ended.abort();
  }
  if (outcome.outcome === "waiting") {
    if (pending.length > 0) await run.log.append(takePending());
    return outcome;
  }
  // Of an attempt that is followed by another one nothing is said but that it is over.
  if (outcome.outcome === "failed" && !at.isLast) isClosed = true;
  // The block of a step without targets that has one action is closed by the step.
  if (!isClosed && (target !== undefined || step.actions.length > 1)) pending.push(status(block, blockStatus[outcome.outcome]));
  if (pending.length > 0) await run.log.append(takePending());
  return outcome;

  /** Counts from when the first script of this attempt began, whichever node ran it then. */
  async function startTimeLimit(until: AbortSignal): Promise<TimeLimit | undefined> {
    const minutes = readTimeLimitMinutes(values.evaluate(timeLimitProperty));
    if (minutes === undefined) return undefined;
    const isTakenOver = run.task.epoch > 1 && rows.lastAttempt(action, target) >= attempt;
    const ageMs = isTakenOver
      ? await run.guarded((tx) =>
          readAttemptAgeMs(tx, { taskId: run.task.id, action: action.id, machineId: target?.machineId ?? "", attempt }),
        )
      : 0;
    const passed = new AbortController();
    void run.clock.pause(Math.max(0, minutes * 60_000 - ageMs), AbortSignal.any([until, run.lost])).then((isOver) => {
      if (isOver) passed.abort();
    });
    return { passed: passed.signal, minutes };
  }

  /** What was intended with the opening of the step and never begun gets its result. */
  async function settle(message: string): Promise<void> {
    const row = type?.firstPart === undefined ? undefined : rows.find(action, type.firstPart, target, attempt);
    if (row?.state !== "intended") return;
    await run.log.append(takePending(), (tx) =>
      markDone(tx, row.id, { outcome: "failed", exitCode: null, message, logNext: 0, logState: null, completeAfterMs: null }),
    );
  }
}
