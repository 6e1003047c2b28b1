// The durable parts of a task's actions: which are known, and how the intent for one is stored before it begins. A part is a row of
// step_runs, named by action, part and machine.

import { randomUUID } from "node:crypto";
import type { Transaction } from "../../platform/database/database.ts";
import type { TaskRun } from "../tasks/tasks.ts";
import type { PlannedAction, PlannedTarget } from "./plan.ts";
import { mainPart } from "./step-type.ts";
import type { StepRun } from "./step-run-store.ts";
import { intendStepRuns, listStepRuns } from "./step-run-store.ts";

const partPattern = /^[A-Za-z0-9.-]{1,60}$/;
/** In the row of what runs without a target. */
const noMachine = "";

export interface PartRows {
  /** Whether anything of the action was ever begun, on any machine or on this one. */
  hasBegun(action: PlannedAction, target?: PlannedTarget): boolean;
  /** The last attempt at the action of which anything was begun at this place; 0 for none. */
  lastAttempt(action: PlannedAction, target: PlannedTarget | undefined): number;
  find(action: PlannedAction, part: string, target: PlannedTarget | undefined, attempt: number): StepRun | undefined;
  /** Stores the intent, with tickets, unless it is stored already. Inside a guarded transaction. */
  intend(
    tx: Transaction,
    action: PlannedAction,
    part: string,
    at: { targets: readonly (PlannedTarget | undefined)[]; attempt: number },
  ): Promise<void>;
}

/**
 * The part stands in the name that the row gives to its step, so that nodes of the version before, whose key has no part, write the same
 * table during an upgrade.
 */
function rowName(action: PlannedAction, part: string): string {
  if (part === mainPart) return action.id;
  if (!partPattern.test(part)) throw new Error(`'${part}' of ${action.name} is no name of a part.`);
  return `${action.id}/${part}`;
}

const machineOf = (target: PlannedTarget | undefined): string => target?.machineId ?? noMachine;

/** Reads what former owners began. */
export async function openPartRows(run: TaskRun): Promise<PartRows> {
  const rows = new Map<string, StepRun>();
  const begun = new Set<string>();
  const attempts = new Map<string, number>();
  const keyOf = (name: string, machineId: string, attempt?: number): string => JSON.stringify([name, machineId, attempt]);
  function keep(row: StepRun): void {
    rows.set(keyOf(row.step, row.machineId, row.attempt), row);
    const [action = ""] = row.step.split("/");
    const place = keyOf(action, row.machineId);
    begun.add(action).add(place);
    attempts.set(place, Math.max(row.attempt, attempts.get(place) ?? 0));
  }
  if (run.task.epoch > 1) for (const row of await run.guarded((tx) => listStepRuns(tx, run.task.id))) keep(row);

  return {
    hasBegun: (action, target) => begun.has(target === undefined ? action.id : keyOf(action.id, machineOf(target))),
    lastAttempt: (action, target) => attempts.get(keyOf(action.id, machineOf(target))) ?? 0,
    find: (action, part, target, attempt) => rows.get(keyOf(rowName(action, part), machineOf(target), attempt)),
    async intend(tx, action, part, { targets, attempt }) {
      const intended = await intendStepRuns(tx, {
        taskId: run.task.id,
        step: rowName(action, part),
        epoch: run.task.epoch,
        attempt,
        runs: targets.map((target) => ({ machineId: machineOf(target), ticket: randomUUID() })),
      });
      for (const row of intended) keep(row);
    },
  };
}
