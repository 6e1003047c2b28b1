// The kinds of steps that this server runs, each in a folder of its own.

import type { StepType } from "../../../engine/execution/execution.ts";
import type { DeployablePackages } from "../../library/library.ts";
import { createPackageStepType } from "./deploy-package/deploy-package.ts";
import { manualInterventionStepType } from "./manual-intervention/manual-intervention.ts";
import { createScriptStepType } from "./script/script.ts";

export { targetRetentionValue } from "./deploy-package/deploy-package.ts";

export interface StepTypesParts {
  packages: DeployablePackages;
}

export function createStepTypes(parts: StepTypesParts): StepType[] {
  return [createScriptStepType(parts.packages), manualInterventionStepType, createPackageStepType(parts.packages)];
}
