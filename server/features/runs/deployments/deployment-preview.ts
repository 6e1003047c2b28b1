// What a deployment would do, for people who are about to start it: which steps run, on which targets, and which are left out and why. Pure.

import type { ConnectivityPolicy, ProcessAction, ProcessStep } from "../../projects/projects.ts";
import { fitsTags } from "./tenant-tags.ts";

export interface PreviewedMachine {
  id: string;
  name: string;
  roles: readonly string[];
  healthStatus: string;
}

export interface PreviewParts {
  spaceId: string;
  steps: readonly ProcessStep[];
  channelId: string;
  environmentId: string;
  tenant: { readonly tags: readonly string[] } | null;
  connectivity: ConnectivityPolicy;
  machines: readonly PreviewedMachine[];
  includeDisabledSteps: boolean;
}

/** Machines that a step asks for and that cannot be reached now. */
const unavailable = new Set(["Unavailable"]);
const unhealthy = new Set(["Unavailable", "Unhealthy"]);

export function previewSteps(parts: PreviewParts): object[] {
  const previews: object[] = [];
  let number = 0;
  for (const step of parts.steps) {
    const actions = step.Actions.filter((action) => isShown(action, parts));
    if (actions.length === 0) continue;
    number++;
    actions.forEach((action, n) =>
      previews.push(previewAction(step, action, actions.length === 1 ? `${number}` : `${number}.${n + 1}`, parts)),
    );
  }
  return previews;
}

function isShown(action: ProcessAction, { channelId, environmentId, tenant, includeDisabledSteps }: PreviewParts): boolean {
  if (action.IsDisabled && !includeDisabledSteps) return false;
  if (tenant !== null && !fitsTags(tenant, action.TenantTags)) return false;
  if (action.ExcludedEnvironments.includes(environmentId)) return false;
  if (action.Environments.length > 0 && !action.Environments.includes(environmentId)) return false;
  return action.Channels.length === 0 || action.Channels.includes(channelId);
}

function previewAction(step: ProcessStep, action: ProcessAction, number: string, parts: PreviewParts): object {
  const text = (name: string): string => {
    const value = action.Properties[name] ?? step.Properties[name];
    return typeof value === "string" ? value : "";
  };
  const roles = text("Octopus.Action.TargetRoles")
    .split(",")
    .map((role) => role.trim())
    .filter((role) => role !== "");
  const wanted = new Set(roles.map((role) => role.toLowerCase()));
  const fitting = parts.machines.filter((machine) => machine.roles.some((role) => wanted.has(role.toLowerCase())));
  const { connectivity } = parts;
  const isExcluded = (machine: PreviewedMachine): boolean => connectivity.ExcludeUnhealthyTargets && unhealthy.has(machine.healthStatus);
  const used = fitting.filter((machine) => !isExcluded(machine));
  const named = (machine: PreviewedMachine) => ({ Id: machine.id, Name: machine.name });
  return {
    ActionId: action.Id,
    ActionName: action.Name,
    ActionNumber: number,
    Roles: roles,
    MachineNames: used.map((machine) => machine.name),
    Machines: used.map((machine) => ({
      ...named(machine),
      HasLatestCalamari: true,
      HealthStatus: machine.healthStatus,
      Links: { Self: `/api/${parts.spaceId}/machines/${machine.id}` },
    })),
    CanBeSkipped: !action.IsRequired,
    IsDisabled: action.IsDisabled,
    HasNoApplicableMachines: roles.length > 0 && used.length === 0,
    UnavailableMachines: used.filter((machine) => unavailable.has(machine.healthStatus)).map(named),
    ExcludedMachines: fitting.filter(isExcluded).map(named),
  };
}
