// What the steps of a run have come to so far, as the variables by which later steps ask for it. It follows from the rows, so it is the same
// after a takeover.

import type { Variable } from "@cuttle/templates";
import type { PlannedStep } from "./plan.ts";

export type StepStatus = "Succeeded" | "Failed" | "Skipped" | "Canceled";

export interface RunState {
  /** The sentences of steps that failed, in order. */
  readonly failures: readonly string[];
  ended(step: PlannedStep, status: StepStatus, failure?: string): void;
  variables(): Variable[];
}

export function createRunState(): RunState {
  const failures: string[] = [];
  const variables: Variable[] = [];
  return {
    failures,
    ended(step, status, failure) {
      const prefix = `Octopus.Step[${step.name}].Status`;
      variables.push({ name: `${prefix}.Code`, value: status });
      if (failure === undefined) return;
      failures.push(failure);
      variables.push({ name: `${prefix}.Error`, value: failure }, { name: `${prefix}.ErrorDetail`, value: failure });
    },
    variables: () => (failures.length === 0 ? [...variables] : [...variables, ...errorVariables(failures.join(" "))]),
  };
}

/** By these conditions ask whether something has failed. */
export function errorVariables(error: string): Variable[] {
  return [
    { name: "Octopus.Deployment.Error", value: error },
    { name: "Octopus.Deployment.ErrorDetail", value: error },
  ];
}
