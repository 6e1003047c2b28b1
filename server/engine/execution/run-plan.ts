// Walks a stored plan: groups of steps in order. Everything already done is passed over by its rows, so the walk after a takeover, or after
// somebody answered what the task waited for, is this same walk.

import type { Transaction } from "../../platform/database/database.ts";
import type { Agents } from "../agents/agents.ts";
import type { LogEntry, TaskOutcome, TaskRun } from "../tasks/tasks.ts";
import { createForgetting } from "./forgetting.ts";
import type { GuidedFailure } from "./guided-failure.ts";
import type { OutputCipher } from "./output-variables.ts";
import { openOutputs } from "./output-variables.ts";
import { inParallel } from "./in-parallel.ts";
import { openPartRows } from "./part-rows.ts";
import type { Plan, PlannedStep } from "./plan.ts";
import { line, now, openStep, rootBlock, status, stepBlock } from "./plan-log.ts";
import { createPlanValues } from "./plan-values.ts";
import type { Walk } from "./plan-walk.ts";
import type { LineMasker } from "./run-script.ts";
import { createRunState } from "./run-state.ts";
import { runStep } from "./run-step.ts";
import type { StepEnd } from "./run-step.ts";
import { groupSteps, stepsAtOnceMax } from "./step-groups.ts";
import type { ServiceMessageHandler } from "./service-messages.ts";
import type { StepType, WaitingOutcome } from "./step-type.ts";

export interface PlanParts {
  agents: Agents;
  stepTypes: readonly StepType[];
  /** Texts by id. Fails when one of them is not there or cannot be decrypted. */
  readSecrets: (ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  /** Prepares the masking of these values once; each script's output gets a masker of its own. */
  prepareMasking: (secrets: readonly string[]) => { createMasker(): LineMasker };
  outputCipher: OutputCipher;
  /** For service messages other than those of output variables and levels. */
  messageHandlers?: readonly ServiceMessageHandler[];
  /** Who decides about failures in plans that ask for it. */
  guidedFailure?: GuidedFailure;
  agentGoneMs?: number;
  cancelGraceMs?: number;
}

/** An agent that is restarted, or a network that comes back within this, costs nothing. */
const agentGoneMsDefault = 2 * 60_000;
/** As long as people expect a script to need for ending. */
const cancelGraceMsDefault = 2 * 60_000;

export async function runPlan(plan: Plan, run: TaskRun, parts: PlanParts): Promise<TaskOutcome> {
  const rows = await openPartRows(run);
  const outputs = await openOutputs(plan, run, parts.outputCipher);
  const state = createRunState();
  const forgetting = createForgetting(run.lost);
  const walk: Walk = {
    plan,
    run,
    rows,
    outputs,
    values: createPlanValues(plan, {
      readSecrets: parts.readSecrets,
      made: (target) => [...state.variables(), ...outputs.variablesAt(target)],
    }),
    handlers: new Map((parts.messageHandlers ?? []).map((handler) => [handler.name, handler])),
    types: new Map(parts.stepTypes.map((type) => [type.name, type])),
    prepareMasking: parts.prepareMasking,
    script: {
      agents: parts.agents,
      agentGoneMs: parts.agentGoneMs ?? agentGoneMsDefault,
      cancelGraceMs: parts.cancelGraceMs ?? cancelGraceMsDefault,
      forgetting,
    },
    guidedFailure: parts.guidedFailure,
    excluded: new Set(),
    excludedNow: new Set(),
  };
  // Goes out with the first step's lines; nobody waits for it.
  let opening: LogEntry[] = [{ kind: "block", id: rootBlock, parent: null, name: plan.title, at: now() }, status(rootBlock, "Running")];
  const { failures } = state;
  for (const group of groupSteps(plan.steps)) {
    if (group.length > 1 && opening.length > 0) await run.log.append(opening.splice(0));
    const failed = failures.length > 0;
    const ends = new Map<PlannedStep, StepEnd>();
    const waiting: WaitingOutcome[] = [];
    await inParallel(group, stepsAtOnceMax, async (step) => {
      const hasBegun = step.actions.some((action) => walk.rows.hasBegun(action));
      const passOver = run.cancelRequested.aborted || !wanted(step, failed);
      // What was begun must be brought to its end even in a task that is being cancelled.
      if (passOver && !hasBegun) {
        const to = run.cancelRequested.aborted ? "Canceled" : "Skipped";
        await run.log.append([...opening, openStep(step), status(stepBlock(step), to)]);
        ends.set(step, { status: to });
        return;
      }
      const end = await runStep(walk, step, opening);
      if ("waiting" in end) waiting.push(...end.waiting);
      else ends.set(step, end);
    });
    // Nothing that stands after a step which waits is begun.
    if (waiting.length > 0) {
      await close([]);
      return {
        state: "Waiting",
        isStill: (tx) => everyStill(tx, waiting),
        letsOthersPass: waiting.every((one) => one.letsOthersPass === true),
      };
    }
    // What one of them came to is not seen by the others of the group, so that it does not matter which ended first.
    for (const step of group) {
      const end = ends.get(step);
      if (end !== undefined) state.ended(step, end.status, end.failure);
    }
    for (const machineId of walk.excludedNow) walk.excluded.add(machineId);
    opening = [];
  }
  if (run.cancelRequested.aborted) {
    await close([...opening, status(rootBlock, "Canceled")]);
    return { state: "Canceled" };
  }
  if (failures.length > 0) {
    const message = failures.join(" ");
    await close([line(rootBlock, "Fatal", message), status(rootBlock, "Failed")]);
    return { state: "Failed", message };
  }
  await close([...opening, status(rootBlock, "Success")]);
  return { state: "Success" };

  /** The last that is said: by then all agents have been told what they may forget. */
  async function close(entries: readonly LogEntry[]): Promise<void> {
    await forgetting.settled();
    const mark = forgetting.mark();
    if (entries.length > 0 || mark !== undefined) await run.log.append(entries, mark);
  }
}

/** One answer is enough to go on with what waited for it. */
async function everyStill(tx: Transaction, waiting: readonly WaitingOutcome[]): Promise<boolean> {
  for (const one of waiting) if (!(await one.isStill(tx))) return false;
  return true;
}

/** A condition by an expression is looked at where the step runs. */
function wanted(step: PlannedStep, failed: boolean): boolean {
  return step.condition === "Always" || step.condition === "Variable" || (step.condition === "Success") === !failed;
}
