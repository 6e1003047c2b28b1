// Runs one step: its targets in parallel up to its limit, and for each of them its actions in order; or its actions once, without a target.

import type { LogEntry } from "../tasks/tasks.ts";
import { inParallel } from "./in-parallel.ts";
import type { PlannedAction, PlannedStep, PlannedTarget } from "./plan.ts";
import { actionBlock, line, openAction, openStep, openTarget, status, stepBlock, targetBlock } from "./plan-log.ts";
import type { Walk } from "./plan-walk.ts";
import { readParallelMax } from "./retries.ts";
import { runAttempts } from "./run-attempts.ts";
import type { AttemptsOutcome } from "./run-attempts.ts";
import type { StepStatus } from "./run-state.ts";
import type { ActionOutcome, FinalOutcome, WaitingOutcome } from "./step-type.ts";
import { ActionFault } from "./step-type.ts";

type Place = PlannedTarget | undefined;

const stepExpression = "Octopus.Step.ConditionVariableExpression";
const actionExpression = "Octopus.Action.ConditionVariableExpression";
const parallelProperty = "Octopus.Action.MaxParallelism";
const firstAttempt = 1;
/** Messages of single targets that the message of the step repeats. */
const messagesMax = 3;

export interface StepEnd {
  status: StepStatus;
  /** What went wrong, in one sentence. */
  failure?: string;
}

/** `opening` is said first. Answers what the step came to, or what it waits for. */
export async function runStep(
  walk: Walk,
  step: PlannedStep,
  opening: readonly LogEntry[],
): Promise<StepEnd | { waiting: readonly WaitingOutcome[] }> {
  const { run, rows } = walk;
  const block = stepBlock(step);
  if (step.runs === "targets" && step.targets.length === 0) {
    const text = "No deployment target of this environment has a role of this step; it was skipped.";
    await run.log.append([...opening, openStep(step), line(block, "Warning", text), status(block, "Skipped")]);
    return { status: "Skipped" };
  }
  const all: readonly Place[] = step.runs === "once" ? [undefined] : step.targets.filter((target) => !walk.excluded.has(target.machineId));
  const chosen = await choosePlaces(walk, step, all);
  if ("fault" in chosen) {
    await run.log.append([...opening, openStep(step), line(block, "Error", chosen.fault), status(block, "Failed")]);
    return { status: "Failed", failure: `Step ${step.number} (${step.name}) failed. ${chosen.fault}` };
  }
  const { places } = chosen;
  if (places.length === 0) {
    const why = all.length === 0 ? "All its machines were excluded from this deployment; it was skipped." : notHeld;
    await run.log.append([...opening, openStep(step), line(block, "Info", why), status(block, "Skipped")]);
    return { status: "Skipped" };
  }

  // The intent of what comes first is stored for the whole step, with the lines that announce it, before anything goes out.
  const [first] = step.actions;
  const firstPart = first === undefined || first.condition === "Variable" ? undefined : walk.types.get(first.type)?.firstPart;
  const isOver = (place: Place): boolean =>
    first !== undefined &&
    step.actions.length === 1 &&
    firstPart !== undefined &&
    rows.find(first, firstPart, place, firstAttempt)?.state === "done";
  const entries: LogEntry[] = [...opening];
  if (!places.every(isOver)) entries.push(openStep(step), status(block, "Running"));
  for (const place of places)
    if (place !== undefined && !isOver(place)) entries.push(openTarget(step, place), status(targetBlock(step, place), "Running"));
  await run.log.append(
    entries,
    first === undefined || firstPart === undefined
      ? undefined
      : (tx) => rows.intend(tx, first, firstPart, { targets: places, attempt: firstAttempt }),
  );

  const results: FinalOutcome[] = [];
  const waiting: WaitingOutcome[] = [];
  // Rolling: the next place begins when one has come through all actions, so one that waits for a person keeps its place.
  await inParallel(places, await parallelMaxOf(walk, step), async (place) => {
    const result = await runPlace(walk, step, place);
    if (result.outcome !== "waiting") return void results.push(result);
    waiting.push(result);
    return "keepsPlace";
  });
  if (waiting.length > 0) return { waiting };

  const outcome = blockStatusOf(results);
  await run.log.append([status(block, outcome)], walk.script.forgetting.mark());
  if (outcome !== "Failed") return { status: outcome === "Success" ? "Succeeded" : outcome };
  const messages = results.flatMap((result) => ("message" in result ? [result.message] : []));
  const more = messages.length > messagesMax ? ` And ${messages.length - messagesMax} more.` : "";
  return { status: "Failed", failure: `Step ${step.number} (${step.name}) failed. ${messages.slice(0, messagesMax).join(" ")}${more}` };
}

/** The window of a rolling step, which may be an expression. */
async function parallelMaxOf(walk: Walk, step: PlannedStep): Promise<number> {
  const values = await walk.values.at({ step, action: step.actions[0] });
  try {
    return readParallelMax(values.evaluateText(`#{${parallelProperty}}`), step.parallelMax);
  } catch (error) {
    if (error instanceof ActionFault) return step.parallelMax;
    throw error;
  }
}

const notHeld = "The condition of this step does not hold; it was skipped.";

/** Places where the step's own condition by an expression holds, or where a former owner found that it does. */
async function choosePlaces(walk: Walk, step: PlannedStep, all: readonly Place[]): Promise<{ places: Place[] } | { fault: string }> {
  if (step.condition !== "Variable") return { places: [...all] };
  const places: Place[] = [];
  try {
    for (const place of all) {
      const hasBegun = step.actions.some((action) => walk.rows.hasBegun(action, place));
      const values = await walk.values.at({ step, target: place });
      if (hasBegun || values.isTruthy(values.property(stepExpression) ?? "")) places.push(place);
    }
  } catch (error) {
    if (error instanceof ActionFault) return { fault: error.message };
    throw error;
  }
  return { places };
}

/** The actions of a step at one place, in order. The first failure is the place's. */
async function runPlace(walk: Walk, step: PlannedStep, place: Place): Promise<ActionOutcome> {
  const [only] = step.actions;
  if (only !== undefined && step.actions.length === 1)
    return leaveOut(walk, place, await runAttempts(walk, { step, action: only, target: place, opening: [] }));
  let outcome: FinalOutcome = { outcome: "succeeded" };
  let isExcluded = false;
  for (const action of step.actions) {
    const decision = isExcluded ? "Skipped" : await decide(walk, step, action, place, outcome);
    const block = actionBlock(step, place, action);
    const opening = [openAction(step, place, action)];
    if (decision !== "run") {
      await walk.run.log.append([...opening, status(block, decision)]);
      if (decision === "Canceled" && outcome.outcome === "succeeded") outcome = { outcome: "canceled", message: canceledBefore };
      continue;
    }
    const ended = await runAttempts(walk, { step, action, target: place, opening: [...opening, status(block, "Running")] });
    isExcluded = ended.outcome === "excluded";
    const result = leaveOut(walk, place, ended);
    // Nothing after it is begun here.
    if (result.outcome === "waiting") return result;
    if (result.outcome !== "skipped" && (outcome.outcome === "succeeded" || outcome.outcome === "canceled")) outcome = result;
  }
  // The step's own block is closed by the step.
  if (place !== undefined) await walk.run.log.append([status(targetBlock(step, place), blockStatusOf([outcome]))]);
  return outcome;
}

/** A machine that was excluded has not failed: nothing more is asked of it. */
function leaveOut(walk: Walk, place: Place, ended: AttemptsOutcome): ActionOutcome {
  if (ended.outcome !== "excluded") return ended;
  if (place !== undefined) walk.excludedNow.add(place.machineId);
  return { outcome: "skipped" };
}

const canceledBefore = "Canceled before all its actions were started.";

async function decide(
  walk: Walk,
  step: PlannedStep,
  action: PlannedAction,
  place: Place,
  before: FinalOutcome,
): Promise<"run" | "Skipped" | "Canceled"> {
  if (walk.rows.hasBegun(action, place)) return "run";
  if (walk.run.cancelRequested.aborted) return "Canceled";
  if (action.condition === "Success") return before.outcome === "succeeded" ? "run" : "Skipped";
  const values = await walk.values.at({ step, action, target: place, failure: "message" in before ? before.message : undefined });
  try {
    return values.isTruthy(values.property(actionExpression) ?? "") ? "run" : "Skipped";
  } catch (error) {
    if (error instanceof ActionFault) return "Skipped";
    throw error;
  }
}

function blockStatusOf(results: readonly FinalOutcome[]): "Success" | "Failed" | "Canceled" | "Skipped" {
  const bad = results.filter((result) => result.outcome !== "succeeded" && result.outcome !== "skipped");
  if (bad.length === 0) return results.length > 0 && results.every((result) => result.outcome === "skipped") ? "Skipped" : "Success";
  return bad.some((result) => result.outcome !== "canceled") ? "Failed" : "Canceled";
}
