// The execution of plans: what features hand over and what they get back. Knows scripts and targets, not releases or projects.

export type { AskedScript } from "./ask-script.ts";
export { askByScript } from "./ask-script.ts";
export type { Plan, PlannedScript, PlannedStep, PlannedTarget, PlannedVariable, RunCondition } from "./plan.ts";
export { decodePlan, encodePlan, planVersion } from "./plan.ts";
export type { PlanParts } from "./run-plan.ts";
export { rootBlock, runPlan } from "./run-plan.ts";
export type { LineMasker } from "./run-script.ts";
export type { LateCompleter } from "./late-completer.ts";
export { createLateCompleter } from "./late-completer.ts";
