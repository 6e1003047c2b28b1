// Plans as they lie in the database, in every version that may lie there.

import type { Json } from "../tasks/tasks.ts";
import { upgradePlan } from "./former-plans.ts";
import type { Plan, PlannedAction } from "./plan.ts";

/**
 * Newest version of the plans this program stores. It reads it and all before: up to 4, a step was one script (former-plans.ts); up to 5, scripts
 * came without packages, and a plan that needs no more is stored as that.
 */
export const planVersion = 6;
const versionWithoutPackages = 5;
const planVersionMin = 1;
const lastFormerVersion = 4;

/** A plan in a version this program does not know. */
export class PlanNotReadable extends Error {
  constructor(version: number) {
    super(`The stored plan has version ${version}, this node reads up to ${planVersion}. A newer node must finish this task.`);
    this.name = "PlanNotReadable";
  }
}

export function encodePlan(plan: Plan): { version: number; body: Json } {
  const version = plan.steps.some((step) => step.actions.some(bringsPackages)) ? planVersion : versionWithoutPackages;
  return { version, body: plan as unknown as Json };
}

/** Nodes of the version before would run the script without them. */
function bringsPackages({ packages, properties }: PlannedAction): boolean {
  return packages.some(({ name }) => name !== "" || properties["Octopus.Action.Script.ScriptSource"] === "Package");
}

/** @throws PlanNotReadable */
export function decodePlan(stored: { version: number; body: Json }): Plan {
  if (!(stored.version >= planVersionMin && stored.version <= planVersion)) throw new PlanNotReadable(stored.version);
  return stored.version <= lastFormerVersion ? upgradePlan(stored.body) : (stored.body as unknown as Plan);
}
