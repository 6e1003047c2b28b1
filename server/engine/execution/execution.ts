// The execution of plans: what features hand over and what they get back. Knows scripts and targets, not releases or projects.

export type { AskedScript } from "./ask-script.ts";
export { askByScript } from "./ask-script.ts";
export type {
  Plan,
  PlannedAction,
  PlannedPackage,
  PlannedProperties,
  PlannedScope,
  PlannedStep,
  PlannedTarget,
  PlannedValue,
  PlannedVariable,
  RunCondition,
} from "./plan.ts";
export { decodePlan, encodePlan, planVersion } from "./stored-plan.ts";
export type { PlanParts } from "./run-plan.ts";
export { runPlan } from "./run-plan.ts";
export { rootBlock } from "./plan-log.ts";
export type { ScriptForAgents } from "./powershell-body.ts";
export { composePowerShellScript, refusalOfBash, runPowerShellFromBash } from "./powershell-body.ts";
export { composePythonScript, runPython } from "./python-body.ts";
export type { ScriptVariable } from "./script-body.ts";
export { bashWord, composeBashScript, scriptBytesMax } from "./script-body.ts";
export type {
  ActionContext,
  ActionOutcome,
  CheckedAction,
  EffectPart,
  EffectResult,
  OutputValue,
  PartResult,
  ScriptPart,
  StepType,
} from "./step-type.ts";
export type { OutputCipher } from "./output-variables.ts";
export type { MessagePlace, ServiceMessage, ServiceMessageHandler } from "./service-messages.ts";
export { ActionFault, mainPart } from "./step-type.ts";
export type { LineMasker } from "./run-script.ts";
export type { LateCompleter } from "./late-completer.ts";
export { createLateCompleter } from "./late-completer.ts";
