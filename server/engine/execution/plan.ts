// The plan of a deployment: pure data that says which script runs where, in which order. It is made once from a frozen snapshot,
// stored before anything happens outside, and after a takeover the stored one is followed to the letter.

import type { AgentAddress } from "../agents/agents.ts";
import type { Json } from "../tasks/tasks.ts";

/**
 * Newest version of the stored plan. This program reads it and all before, each of which is a plan of the newest version as it stands:
 * 1 knows listening agents only, 2 scripts in Bash only, 3 no proxies.
 */
export const planVersion = 4;
const planVersionWithoutProxies = 3;
const planVersionWithBashOnly = 2;
const planVersionMin = 1;

/** A value a script can ask for by name. A secret is only named here; it is read when the script goes out. */
export type PlannedVariable = { name: string; value: string } | { name: string; secretId: string };

export interface PlannedTarget {
  machineId: string;
  name: string;
  agent: AgentAddress;
}

export interface PlannedScript {
  syntax: "Bash" | "PowerShell";
  body: string;
}

/** `Success`: only while all before went well. `Failure`: only after something failed. `Always`. */
export type RunCondition = "Success" | "Failure" | "Always";

export interface PlannedStep {
  /** Stable within the process; names the step in tickets and logs. */
  id: string;
  number: number;
  name: string;
  condition: RunCondition;
  script: PlannedScript;
  variables: readonly PlannedVariable[];
  targets: readonly PlannedTarget[];
  /** Targets at once. */
  parallelMax: number;
  /** Whether other scripts may run on the target at the same time. */
  isolation: "full" | "none";
}

export interface Plan {
  /** The server's task; told to agents for their waiting messages. */
  taskId: string;
  title: string;
  variables: readonly PlannedVariable[];
  steps: readonly PlannedStep[];
}

/** A plan in a version this program does not know. */
export class PlanNotReadable extends Error {
  constructor(version: number) {
    super(`The stored plan has version ${version}, this node reads up to ${planVersion}. A newer node must finish this task.`);
    this.name = "PlanNotReadable";
  }
}

/** In the oldest version that says all of it, so that nodes which are not upgraded yet can take over what they can run. */
export function encodePlan(plan: Plan): { version: number; body: Json } {
  return { version: versionFor(plan), body: plan as unknown as Json };
}

function versionFor({ steps }: Plan): number {
  if (steps.some(({ targets }) => targets.some(({ agent }) => "proxyId" in agent))) return planVersion;
  return steps.every(({ script }) => script.syntax === "Bash") ? planVersionWithBashOnly : planVersionWithoutProxies;
}

/** @throws PlanNotReadable */
export function decodePlan(stored: { version: number; body: Json }): Plan {
  if (!(stored.version >= planVersionMin && stored.version <= planVersion)) throw new PlanNotReadable(stored.version);
  return stored.body as unknown as Plan;
}
