// Tells agents to forget the tickets of tasks that changed owner, once the quarantine is over. An agent that cannot be reached is
// asked again an hour later; its own cleaner takes care of what it never hears about.

import { systemClock } from "../../base/clock.ts";
import type { Clock } from "../../base/clock.ts";
import type { Database } from "../../platform/database/database.ts";
import type { Agents } from "../agents/agents.ts";
import type { Json } from "../tasks/tasks.ts";
import type { PlannedTarget } from "./plan.ts";
import { decodePlan, PlanNotReadable } from "./stored-plan.ts";
import { markCompleted, takeOverdueCompletions } from "./step-run-store.ts";

/** Tickets of one look; more wait for the next. */
const batchMax = 100;
const callDeadlineMs = 10_000;

export interface LateCompleter {
  /** One look; answers how many tickets were forgotten. */
  runOnce(): Promise<number>;
}

export function createLateCompleter(parts: { database: Database; agents: Agents; clock?: Clock }): LateCompleter {
  const clock = parts.clock ?? systemClock;
  return {
    async runOnce() {
      const overdue = await parts.database.transaction((tx) => takeOverdueCompletions(tx, batchMax));
      const forgotten: number[] = [];
      for (const one of overdue) {
        const target = targetOf(one);
        if (target === undefined) continue;
        const answer = await parts.agents
          .completeScript(
            target.agent,
            { Ticket: { TaskId: one.ticket } },
            { beforeSend: async () => {}, signal: clock.deadline(callDeadlineMs) },
          )
          .catch(() => undefined);
        if (answer?.ok) forgotten.push(one.id);
      }
      if (forgotten.length > 0) await parts.database.transaction((tx) => markCompleted(tx, forgotten));
      return forgotten.length;
    },
  };
}

/** Undefined: the plan has no such machine, or only a newer node can read it; others must not wait for that. */
function targetOf(one: { plan: unknown; planVersion: number; step: string; machineId: string }): PlannedTarget | undefined {
  try {
    const plan = decodePlan({ version: one.planVersion, body: one.plan as Json });
    const [actionId = ""] = one.step.split("/");
    const step = plan.steps.find(({ actions }) => actions.some(({ id }) => id === actionId));
    const worker = step?.actions.find(({ id }) => id === actionId)?.worker;
    return worker ?? step?.targets.find((candidate) => candidate.machineId === one.machineId);
  } catch (error) {
    if (error instanceof PlanNotReadable) return undefined;
    throw error;
  }
}
