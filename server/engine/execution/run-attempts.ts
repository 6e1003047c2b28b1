// Tries an action until it succeeds, its attempts are used up, or a person has decided. Each attempt has rows and tickets of its own, and begins
// only when the one before it has a known result in the database; after a takeover the attempts that were made answer from their rows.

import type { LogEntry } from "../tasks/tasks.ts";
import type { FailedAttempt, Guidance, GuidedFailure } from "./guided-failure.ts";
import { actionBlock, line, status } from "./plan-log.ts";
import type { PlannedAction, PlannedStep, PlannedTarget } from "./plan.ts";
import type { Walk } from "./plan-walk.ts";
import { mayTryAgain, readRetries, retryProperty } from "./retries.ts";
import type { Retries } from "./retries.ts";
import { runAction } from "./run-action.ts";
import { markDone } from "./step-run-store.ts";
import type { ActionOutcome, WaitingOutcome } from "./step-type.ts";
import { ActionFault } from "./step-type.ts";

/** `excluded`: a person decided that nothing more runs on this machine. */
export type AttemptsOutcome = ActionOutcome | { outcome: "excluded" };

interface ActionPlace {
  step: PlannedStep;
  action: PlannedAction;
  target: PlannedTarget | undefined;
}

const once: Retries = { attemptsMax: 1, pauseMs: 0 };
/** In whose row it stands that a person's decision about an attempt was followed. */
const guidancePart = "guidance";
const statusAfter = { Fail: "Failed", Ignore: "SuccessWithWarning", Exclude: "Failed" } as const;

export async function runAttempts(walk: Walk, at: ActionPlace & { opening: readonly LogEntry[] }): Promise<AttemptsOutcome> {
  const { run, rows } = walk;
  const { step, action, target } = at;
  const isRepeatable = walk.types.get(action.type)?.isRepeatable !== false;
  const retries = isRepeatable ? await retriesOf(walk, at) : once;
  const guided = isRepeatable && walk.plan.isGuided === true ? walk.guidedFailure : undefined;
  const block = actionBlock(step, target, action);
  let { opening } = at;
  let { attemptsMax } = retries;
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt >= attemptsMax && guided === undefined;
    const outcome = await runAction(walk, { step, action, target, opening, attempt, isLast });
    if (mayTryAgain(outcome.outcome, attempt, attemptsMax)) {
      opening = [];
      if (rows.lastAttempt(action, target) > attempt) continue;
      // A cancel ends the pause, and then nothing further is begun.
      await run.clock.pause(retries.pauseMs, AbortSignal.any([run.lost, run.cancelRequested]));
      if (run.lost.aborted) throw run.lost.reason;
      if (run.cancelRequested.aborted) return failed(outcome);
      opening = [line(block, "Warning", `That was attempt ${attempt} of ${attemptsMax}. Trying again.`), status(block, "Running")];
      continue;
    }
    if (guided === undefined || (outcome.outcome !== "failed" && outcome.outcome !== "unknown")) return outcome;
    const decision = await decide(walk, guided, at, { attempt, message: outcome.message });
    if ("outcome" in decision) return decision;
    if (decision.guidance === undefined) return failed(outcome);
    if (decision.guidance === "Fail") return outcome;
    if (decision.guidance === "Ignore") return { outcome: "succeeded" };
    if (decision.guidance === "Exclude") return { outcome: "excluded" };
    attemptsMax = attempt + retries.attemptsMax;
    opening = rows.lastAttempt(action, target) > attempt ? [] : [line(block, "Warning", decision.text), status(block, "Running")];
  }

  /** The block has no state yet, since the attempt was not the last one that might have been. */
  async function failed(outcome: ActionOutcome): Promise<ActionOutcome> {
    await run.log.append([status(block, "Failed")]);
    return outcome;
  }
}

/** What a person decided about an attempt; or what the task waits for. Undefined guidance: it is cancelled, and nobody need answer. */
async function decide(
  walk: Walk,
  guided: GuidedFailure,
  { step, action, target }: ActionPlace,
  { attempt, message }: { attempt: number; message: string },
): Promise<WaitingOutcome | { guidance: Guidance; text: string } | { guidance: undefined }> {
  const { run, rows } = walk;
  const block = actionBlock(step, target, action);
  const question: FailedAttempt = { taskId: run.task.id, block, attempt };
  let found = await run.guarded((tx) => guided.find(tx, question));
  if (found === undefined) {
    if (run.cancelRequested.aborted) return { guidance: undefined };
    const title = `Step ${step.number}: ${action.name}${target === undefined ? "" : ` on ${target.name}`} failed`;
    await run.log.append([line(block, "Wait", "Waiting for a person to decide what to do about this.")], (tx) =>
      guided.ask(tx, { ...question, run, title, message, isRequired: action.isRequired === true, hasTarget: target !== undefined }),
    );
    found = await run.guarded((tx) => guided.find(tx, question));
  }
  if (found?.guidance === undefined) {
    if (run.cancelRequested.aborted) return { guidance: undefined };
    return { outcome: "waiting", isStill: async (tx) => (await guided.find(tx, question))?.guidance === undefined };
  }
  const { guidance, answeredBy } = found;
  const text = `${answeredBy} decided: ${guidance}.`;
  // Said once: the row tells whether it was.
  if (guidance !== "Retry" && rows.find(action, guidancePart, target, attempt)?.state !== "done") {
    await run.log.append([line(block, "Warning", text), status(block, statusAfter[guidance])], async (tx) => {
      await rows.intend(tx, action, guidancePart, { targets: [target], attempt });
      const row = rows.find(action, guidancePart, target, attempt);
      const outcome = guidance === "Ignore" ? "succeeded" : "failed";
      if (row !== undefined)
        await markDone(tx, row.id, { outcome, exitCode: null, message: text, logNext: 0, logState: null, completeAfterMs: null });
    });
  }
  return { guidance, text };
}

async function retriesOf(walk: Walk, { step, action, target }: ActionPlace): Promise<Retries> {
  const values = await walk.values.at({ step, action, target });
  try {
    return readRetries({ count: values.evaluate(retryProperty.countMax), pauseSeconds: values.evaluate(retryProperty.pauseSeconds) });
  } catch (error) {
    // What is wrong with the texts is no reason to begin anything more than once.
    if (error instanceof ActionFault) return once;
    throw error;
  }
}
