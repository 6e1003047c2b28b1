// Tries an action until it succeeds or its attempts are used up. Each attempt has rows and tickets of its own, and begins only when the one before it
// has a known result in the database; after a takeover the attempts that were made answer from their rows.

import { line, status, actionBlock } from "./plan-log.ts";
import type { PlannedAction, PlannedStep, PlannedTarget } from "./plan.ts";
import type { Walk } from "./plan-walk.ts";
import { mayTryAgain, readRetries, retryProperty } from "./retries.ts";
import type { Retries } from "./retries.ts";
import { runAction } from "./run-action.ts";
import type { ActionOutcome } from "./step-type.ts";
import { ActionFault } from "./step-type.ts";
import type { LogEntry } from "../tasks/tasks.ts";

const once: Retries = { attemptsMax: 1, pauseMs: 0 };

export async function runAttempts(
  walk: Walk,
  at: { step: PlannedStep; action: PlannedAction; target: PlannedTarget | undefined; opening: readonly LogEntry[] },
): Promise<ActionOutcome> {
  const { run, rows } = walk;
  const { step, action, target } = at;
  const retries = await retriesOf(walk, at);
  const block = actionBlock(step, target, action);
  let { opening } = at;
  for (let attempt = 1; ; attempt++) {
    const outcome = await runAction(walk, { step, action, target, opening, attempt, isLast: attempt >= retries.attemptsMax });
    if (!mayTryAgain(outcome.outcome, attempt, retries)) return outcome;
    opening = [];
    if (rows.lastAttempt(action, target) > attempt) continue;
    // A cancel ends the pause, and then nothing further is begun.
    await run.clock.pause(retries.pauseMs, AbortSignal.any([run.lost, run.cancelRequested]));
    if (run.lost.aborted) throw run.lost.reason;
    if (run.cancelRequested.aborted) {
      await run.log.append([status(block, "Failed")]);
      return outcome;
    }
    const text = `That was attempt ${attempt} of ${retries.attemptsMax}. Trying again.`;
    opening = [line(block, "Warning", text), status(block, "Running")];
  }
}

async function retriesOf(
  walk: Walk,
  { step, action, target }: { step: PlannedStep; action: PlannedAction; target: PlannedTarget | undefined },
): Promise<Retries> {
  if (walk.types.get(action.type)?.isRepeatable === false) return once;
  const values = await walk.values.at({ step, action, target });
  try {
    return readRetries({ count: values.evaluate(retryProperty.countMax), pauseSeconds: values.evaluate(retryProperty.pauseSeconds) });
  } catch (error) {
    // What is wrong with the texts is no reason to begin anything more than once.
    if (error instanceof ActionFault) return once;
    throw error;
  }
}
