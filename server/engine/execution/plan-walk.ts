// What the walk of a plan has in its hands everywhere.

import type { TaskRun } from "../tasks/tasks.ts";
import type { GuidedFailure } from "./guided-failure.ts";
import type { Outputs } from "./output-variables.ts";
import type { PartRows } from "./part-rows.ts";
import type { Plan } from "./plan.ts";
import type { PlanValues } from "./plan-values.ts";
import type { LineMasker, ScriptRunParts } from "./run-script.ts";
import type { ServiceMessageHandler } from "./service-messages.ts";
import type { StepType } from "./step-type.ts";

export interface Walk {
  plan: Plan;
  run: TaskRun;
  rows: PartRows;
  values: PlanValues;
  outputs: Outputs;
  handlers: ReadonlyMap<string, ServiceMessageHandler>;
  types: ReadonlyMap<string, StepType>;
  prepareMasking: (secrets: readonly string[]) => { createMasker(): LineMasker };
  script: ScriptRunParts;
  guidedFailure: GuidedFailure | undefined;
  /** Ids of machines on which a person decided that nothing more runs; it holds from the next step on. */
  excluded: Set<string>;
  /** Excluded in the steps that run now. */
  excludedNow: Set<string>;
}
