// The plan of a deployment: pure data that says which actions run where, in which order, and what their values are made from. It is made
// once from a frozen snapshot, stored before anything happens outside, and after a takeover the stored one is followed to the letter.

import type { Origin, VariableScope } from "@cuttle/templates";
import type { AgentAddress } from "../agents/agents.ts";

/** A value with a name. A secret is only named here; it is read when something needs it. May hold placeholders. */
export type PlannedValue = { name: string; value: string } | { name: string; secretId: string };

/** One of the values of a project's or library's variable, as frozen with the release. */
export interface PlannedVariable {
  id: string;
  name: string;
  value: string | null;
  /** Where the text of a sensitive value is kept. */
  secretId: string | null;
  scope: VariableScope;
  origin: Origin;
}

/** Properties as they stand in the process: text with its placeholders, or the id of a secret. */
export type PlannedProperties = { readonly [name: string]: string | { readonly secretId: string } };

export interface PlannedTarget {
  machineId: string;
  name: string;
  agent: AgentAddress;
  /** Target tags. */
  roles?: readonly string[];
  /** What only this machine's values are. */
  values?: readonly PlannedValue[];
}

/** `Success`: only while all before went well. `Failure`: only after something failed. `Always`. `Variable`: where the expression holds. */
export type RunCondition = "Success" | "Failure" | "Always" | "Variable";

export interface PlannedPackage {
  /** Empty for the package of the action itself. */
  name: string;
  packageId: string;
  feedId: string;
  version: string;
  properties: { readonly [name: string]: string };
  /** Scripts are told of it, and it is not brought along. */
  isNotAcquired?: true;
}

export interface PlannedAction {
  /** Stable within the process; names the action in tickets and logs. */
  id: string;
  name: string;
  /** As in the REST API: which step type runs it. */
  type: string;
  /** Of a child action: whether it looks at those before it, or at its own expression. A step with one action has only its own condition. */
  condition: "Success" | "Variable";
  /** It may neither be skipped nor be gone on without. */
  isRequired?: boolean;
  properties: PlannedProperties;
  packages: readonly PlannedPackage[];
  /** What only this action's values are, its name and number among them. */
  values: readonly PlannedValue[];
  /** Where scripts of the action run that do not run on the target; undefined: on the target. */
  worker?: PlannedTarget;
}

export interface PlannedStep {
  /** Stable within the process; names the step in logs. */
  id: string;
  number: number;
  name: string;
  condition: RunCondition;
  properties: PlannedProperties;
  /** Target tags that the step names. */
  roles: readonly string[];
  /** `targets`: its actions run for each of them, in order. `once`: without a target. */
  runs: "targets" | "once";
  /** Begins together with the step before it. */
  startsWithPrevious?: boolean;
  targets: readonly PlannedTarget[];
  /** Targets at once. */
  parallelMax: number;
  actions: readonly PlannedAction[];
}

/** What the run is for: values are scoped by it. */
export interface PlannedScope {
  environment?: string;
  channel?: string;
  project?: string;
  /** Id of the project whose deployment process runs, or of the runbook. */
  processOwner?: string;
  tenant?: string;
  /** As `Set/Tag`. */
  tenantTags?: readonly string[];
}

export interface Plan {
  /** The server's task; told to agents for their waiting messages. */
  taskId: string;
  title: string;
  scope: PlannedScope;
  /** When the plan was made, which is what templates call now. */
  nowMs: number;
  /** `literal`: as before version 5, when nothing was put in for placeholders. */
  placeholders: "evaluated" | "literal";
  /** Guided failure: a person decides what becomes of an action that failed. */
  isGuided?: boolean;
  variables: readonly PlannedVariable[];
  /** What the server itself knows of the run; it wins over `variables`. */
  values: readonly PlannedValue[];
  steps: readonly PlannedStep[];
}
