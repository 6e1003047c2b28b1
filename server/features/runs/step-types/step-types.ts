// The kinds of steps that this server runs, each in a folder of its own.

import type { StepType } from "../../../engine/execution/execution.ts";
import { manualInterventionStepType } from "./manual-intervention/manual-intervention.ts";
import { scriptStepType } from "./script/script.ts";

export function createStepTypes(): StepType[] {
  return [scriptStepType, manualInterventionStepType];
}
