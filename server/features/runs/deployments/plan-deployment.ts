// Turns the frozen snapshot of a deployment into its plan. Pure: no clock, no database, no names looked up later.

import type { Plan, PlannedStep, PlannedTarget, PlannedVariable, RunCondition } from "../../../engine/execution/execution.ts";
import type { ProcessAction, ProcessStep, StoredProperties } from "../../projects/projects.ts";
import { readAgentAddress } from "../../infrastructure/infrastructure.ts";
import type { CandidateMachine, DeploymentSnapshot } from "./deployment-snapshot.ts";
import { fitsTags } from "./tenant-tags.ts";

/** Targets of one step at once when the step does not say otherwise. */
const parallelTargetsDefault = 10;

export type PlanResult = { ok: true; plan: Plan } | { ok: false; faults: readonly string[] };

/** The plan, or every reason why there can be none, each a sentence for people. */
export function planDeployment(snapshot: DeploymentSnapshot, taskId: string): PlanResult {
  const faults: string[] = [];
  const steps: PlannedStep[] = [];
  for (const step of snapshot.process.steps) {
    for (const action of step.Actions) {
      if (!isWanted(action, snapshot)) continue;
      const planned = planAction(step, action, steps.length + 1, snapshot);
      if ("fault" in planned) faults.push(planned.fault);
      else steps.push(planned);
    }
  }
  if (faults.length > 0) return { ok: false, faults };
  if (steps.length === 0)
    return {
      ok: false,
      faults: [`The process of ${snapshot.project.name} has no step that runs in ${snapshot.environment.name}. Add a step, or enable one.`],
    };
  return {
    ok: true,
    plan: {
      taskId,
      title: `Deploy ${snapshot.project.name} release ${snapshot.release.version} to ${snapshot.environment.name}`,
      variables: deploymentVariables(snapshot, taskId),
      steps,
    },
  };
}

function isWanted(action: ProcessAction, snapshot: DeploymentSnapshot): boolean {
  if (action.IsDisabled || snapshot.deployment.options.skipActionIds.includes(action.Id)) return false;
  if (snapshot.tenant !== null && !fitsTags(snapshot.tenant, action.TenantTags)) return false;
  if (action.ExcludedEnvironments.includes(snapshot.environment.id)) return false;
  if (action.Environments.length > 0 && !action.Environments.includes(snapshot.environment.id)) return false;
  return action.Channels.length === 0 || action.Channels.includes(snapshot.release.channelId);
}

function planAction(
  step: ProcessStep,
  action: ProcessAction,
  number: number,
  snapshot: DeploymentSnapshot,
): PlannedStep | { fault: string } {
  const name = action.Name;
  const text = (property: string): string | undefined => plainText(action.Properties, property) ?? plainText(step.Properties, property);
  if (action.ActionType !== "Octopus.Script") {
    return {
      fault: `Step '${name}' has the type ${action.ActionType}, which this server cannot run yet. It runs script steps (Octopus.Script).`,
    };
  }
  if (isTrue(text("Octopus.Action.RunOnServer"))) {
    return {
      fault: `Step '${name}' asks to run on the server, which is not available yet. Give it target roles instead (Octopus.Action.TargetRoles).`,
    };
  }
  const source = text("Octopus.Action.Script.ScriptSource") ?? "Inline";
  if (source !== "Inline")
    return { fault: `Step '${name}' takes its script from '${source}', which is not available yet. Put the script into the step.` };
  const syntax = text("Octopus.Action.Script.Syntax") ?? "Bash";
  if (syntax !== "Bash" && syntax !== "PowerShell")
    return { fault: `Step '${name}' is written in ${syntax}; this server runs Bash and PowerShell.` };
  const body = text("Octopus.Action.Script.ScriptBody");
  if (body === undefined) return { fault: `Step '${name}' has no script (Octopus.Action.Script.ScriptBody).` };
  const condition = readCondition(step.Condition);
  if (condition === undefined) return { fault: `Step '${name}' has the run condition ${step.Condition}, which is not available yet.` };
  const roles = (text("Octopus.Action.TargetRoles") ?? "")
    .split(",")
    .map((role) => role.trim())
    .filter((role) => role !== "");
  if (roles.length === 0)
    return { fault: `Step '${name}' names no target roles, so nobody knows where to run it (Octopus.Action.TargetRoles).` };

  const targets: PlannedTarget[] = [];
  for (const machine of snapshot.machines.filter((one) => isTarget(one, roles, snapshot))) {
    const target = targetOf(machine);
    if (typeof target === "string") return { fault: `Step '${name}' cannot run on ${machine.name}: ${target}` };
    targets.push(target);
  }
  return {
    id: action.Id,
    number,
    name,
    condition,
    script: { syntax, body },
    variables: [
      { name: "Octopus.Step.Id", value: step.Id },
      { name: "Octopus.Step.Name", value: step.Name },
      { name: "Octopus.Step.Number", value: String(number) },
      { name: "Octopus.Action.Id", value: action.Id },
      { name: "Octopus.Action.Name", value: action.Name },
      ...propertyVariables(step.Properties),
      ...propertyVariables(action.Properties),
    ],
    targets,
    parallelMax: readParallelism(text("Octopus.Action.MaxParallelism")),
    isolation: isTrue(text("OctopusBypassDeploymentMutex")) ? "none" : "full",
  };
}

/** Properties of steps and actions are variables of their scripts; the script itself is not. */
function propertyVariables(properties: StoredProperties): PlannedVariable[] {
  const variables: PlannedVariable[] = [];
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || name === "Octopus.Action.Script.ScriptBody") continue;
    variables.push(typeof value === "string" ? { name, value } : { name, secretId: value.secretId });
  }
  return variables;
}

function deploymentVariables(snapshot: DeploymentSnapshot, taskId: string): PlannedVariable[] {
  const { deployment, environment, project, release, space } = snapshot;
  const values: Record<string, string> = {
    "Octopus.Task.Id": taskId,
    "Octopus.Space.Id": space.id,
    "Octopus.Space.Name": space.name,
    "Octopus.Project.Id": project.id,
    "Octopus.Project.Name": project.name,
    "Octopus.Environment.Id": environment.id,
    "Octopus.Environment.Name": environment.name,
    ...(snapshot.tenant === null
      ? {}
      : { "Octopus.Deployment.Tenant.Id": snapshot.tenant.id, "Octopus.Deployment.Tenant.Name": snapshot.tenant.name }),
    "Octopus.Release.Id": release.id,
    "Octopus.Release.Number": release.version,
    "Octopus.Release.Notes": release.notes ?? "",
    "Octopus.Release.Channel.Id": release.channelId,
    "Octopus.Deployment.Id": deployment.id,
    "Octopus.Deployment.Name": deployment.name,
    "Octopus.Deployment.Comments": deployment.comments ?? "",
    "Octopus.Deployment.Created": deployment.createdAt.toISOString(),
    "Octopus.Deployment.CreatedBy.DisplayName": deployment.deployedBy,
  };
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}

function isTarget(machine: CandidateMachine, roles: readonly string[], snapshot: DeploymentSnapshot): boolean {
  const { specificMachineIds, excludedMachineIds } = snapshot.deployment.options;
  if (specificMachineIds.length > 0 && !specificMachineIds.includes(machine.id)) return false;
  if (excludedMachineIds.includes(machine.id)) return false;
  const wanted = new Set(roles.map((role) => role.toLowerCase()));
  if (!machine.roles.some((role) => wanted.has(role.toLowerCase()))) return false;
  const { connectivity } = snapshot.project;
  if (connectivity.SkipMachineBehavior === "SkipUnavailableMachines" && machine.healthStatus === "Unavailable") return false;
  return !(connectivity.ExcludeUnhealthyTargets && machine.healthStatus === "Unhealthy");
}

/** How the machine is reached, or why it cannot be. */
function targetOf(machine: CandidateMachine): PlannedTarget | string {
  if (machine.communicationStyle === "None" || machine.uri === null || machine.thumbprint === null)
    return "it has no agent. Register one, or give the step other roles.";
  const { communicationStyle: style, uri, thumbprint, proxyId } = machine;
  const agent = readAgentAddress({ style, uri, thumbprint, proxyId });
  if (agent === undefined) return `its address ${machine.uri} is not of the form https://host:port/. Correct it at the machine.`;
  return { machineId: machine.id, name: machine.name, agent };
}

function readCondition(condition: ProcessStep["Condition"]): RunCondition | undefined {
  return condition === "Variable" ? undefined : condition;
}

function readParallelism(text: string | undefined): number {
  const wanted = Number(text ?? parallelTargetsDefault);
  return Number.isInteger(wanted) && wanted > 0 ? wanted : parallelTargetsDefault;
}

function plainText(properties: StoredProperties, name: string): string | undefined {
  const value = properties[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === "true";
}
