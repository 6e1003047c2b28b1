// Plans of versions 1 to 4, which lie in databases for as long as their tasks run: each step was one script, with its variables beside it.
// 1 knew listening agents only, 2 scripts in Bash only, 3 no proxies; each is a plan of version 4 as it stands.

import type { Json } from "../tasks/tasks.ts";
import type { Plan, PlannedStep, PlannedTarget, PlannedValue } from "./plan.ts";

interface FormerStep {
  id: string;
  number: number;
  name: string;
  condition: "Success" | "Failure" | "Always";
  script: { syntax: "Bash" | "PowerShell"; body: string };
  variables: readonly PlannedValue[];
  targets: readonly PlannedTarget[];
  parallelMax: number;
  isolation: "full" | "none";
}

interface FormerPlan {
  taskId: string;
  title: string;
  variables: readonly PlannedValue[];
  steps: readonly FormerStep[];
}

/** The same run in today's form. The ids of steps stay, since rows and logs that lie there already are named by them. */
export function upgradePlan(body: Json): Plan {
  const { taskId, title, variables, steps } = body as unknown as FormerPlan;
  return { taskId, title, scope: {}, nowMs: 0, placeholders: "literal", variables: [], values: variables, steps: steps.map(upgradeStep) };
}

function upgradeStep({ id, number, name, condition, script, variables, targets, parallelMax, isolation }: FormerStep): PlannedStep {
  return {
    id,
    number,
    name,
    condition,
    properties: {},
    roles: [],
    runs: "targets",
    targets,
    parallelMax,
    actions: [
      {
        id,
        name,
        type: "Octopus.Script",
        condition: "Success",
        properties: {
          "Octopus.Action.Script.ScriptSource": "Inline",
          "Octopus.Action.Script.Syntax": script.syntax,
          "Octopus.Action.Script.ScriptBody": script.body,
          ...(isolation === "none" ? { OctopusBypassDeploymentMutex: "True" } : {}),
        },
        packages: [],
        values: variables,
      },
    ],
  };
}
