// Plans of steps that each run one script on some targets.

import type { Plan, PlannedTarget, PlannedValue } from "../../server/engine/execution/execution.ts";

export interface ScriptStep {
  id: string;
  body: string;
  targets: readonly PlannedTarget[];
  parallelMax?: number;
  values?: readonly PlannedValue[];
}

export function scriptPlan(parts: {
  taskId: string;
  title?: string;
  values?: readonly PlannedValue[];
  steps: readonly ScriptStep[];
}): Plan {
  return {
    taskId: parts.taskId,
    title: parts.title ?? "Deploy",
    scope: {},
    nowMs: 0,
    placeholders: "evaluated",
    variables: [],
    values: parts.values ?? [],
    steps: parts.steps.map(({ id, body, targets, parallelMax = 10, values = [] }, n) => ({
      id,
      number: n + 1,
      name: `Step ${n + 1}`,
      condition: "Success",
      properties: {},
      roles: [],
      runs: "targets",
      targets,
      parallelMax,
      actions: [
        {
          id,
          name: `Step ${n + 1}`,
          type: "Octopus.Script",
          condition: "Success",
          properties: { "Octopus.Action.Script.Syntax": "Bash", "Octopus.Action.Script.ScriptBody": body },
          packages: [],
          values,
        },
      ],
    })),
  };
}
