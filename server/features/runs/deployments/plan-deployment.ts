// Turns the frozen snapshot of a deployment into its plan. Pure: no clock, no database, no names looked up later.

import type {
  Plan,
  PlannedAction,
  PlannedPackage,
  PlannedProperties,
  PlannedStep,
  PlannedTarget,
  PlannedValue,
  StepType,
} from "../../../engine/execution/execution.ts";
import type { ProcessAction, ProcessStep, StoredProperties } from "../../projects/projects.ts";
import { missingValuesSentence, packagesOf, selectedVersion } from "../../projects/projects.ts";
import { readAgentAddress } from "../../infrastructure/infrastructure.ts";
import { chooseWorker } from "./choose-worker.ts";
import type { BuiltInChoice } from "./choose-worker.ts";
import type { CandidateMachine, DeploymentSnapshot } from "./deployment-snapshot.ts";
import { runsOnServer } from "./deployment-snapshot.ts";
import { machineValues, systemValues } from "./system-values.ts";
import { fitsTags } from "./tenant-tags.ts";

/** Targets of one step at once when the step does not say otherwise. */
const parallelTargetsDefault = 10;
const targetRoles = "Octopus.Action.TargetRoles";

export type PlanResult = { ok: true; plan: Plan } | { ok: false; faults: readonly string[] } | "needsBuiltInWorker";

/** What a plan is made with besides the snapshot. */
export interface PlanningParts {
  taskId: string;
  stepTypes: readonly StepType[];
  nowMs: number;
  /** Where people reach the portal. */
  webUrl: string;
  /** Of the node that plans. Undefined: it is asked for when the plan turns out to need it. */
  builtIn?: BuiltInChoice;
}

/** The plan, or every reason why there can be none, each a sentence for people. */
export function planDeployment(snapshot: DeploymentSnapshot, parts: PlanningParts): PlanResult {
  const faults: string[] = [];
  const missing = missingValuesSentence(snapshot.tenant?.name ?? "", snapshot.environment.name, snapshot.missingTenantValues);
  if (missing !== undefined) faults.push(missing);
  const steps: PlannedStep[] = [];
  /** Whether a step of the group that the current one belongs to was planned: groups are those of the whole process. */
  let isGroupOpen = false;
  for (const step of snapshot.process.steps) {
    if (step.StartTrigger !== "StartWithPrevious") isGroupOpen = false;
    const actions = step.Actions.filter((action) => isWanted(action, snapshot));
    if (actions.length === 0) continue;
    const planned = planStep(step, actions, steps.length + 1, snapshot, parts);
    if (planned === "needsBuiltInWorker") return planned;
    if ("faults" in planned) faults.push(...planned.faults);
    else steps.push(isGroupOpen ? { ...planned, startsWithPrevious: true } : planned);
    isGroupOpen = true;
  }
  if (faults.length > 0) return { ok: false, faults };
  if (steps.length === 0)
    return {
      ok: false,
      faults: [`The process of ${snapshot.project.name} has no step that runs in ${snapshot.environment.name}. Add a step, or enable one.`],
    };
  const { environment, project, release } = snapshot;
  return {
    ok: true,
    plan: {
      taskId: parts.taskId,
      title: `Deploy ${project.name} release ${release.version} to ${environment.name}`,
      scope: {
        environment: environment.id,
        channel: release.channelId,
        project: project.id,
        processOwner: project.id,
        ...(snapshot.tenant === null ? {} : { tenant: snapshot.tenant.id, tenantTags: snapshot.tenant.tags }),
      },
      nowMs: parts.nowMs,
      placeholders: "evaluated",
      isGuided: snapshot.deployment.options.useGuidedFailure ?? false,
      variables: snapshot.variables.map(({ id, name, value, secretId, scope, origin }) => ({ id, name, value, secretId, scope, origin })),
      values: systemValues(snapshot, { taskId: parts.taskId, webUrl: parts.webUrl, steps }),
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

function planStep(
  step: ProcessStep,
  wanted: readonly ProcessAction[],
  number: number,
  snapshot: DeploymentSnapshot,
  parts: PlanningParts,
): PlannedStep | { faults: string[] } | "needsBuiltInWorker" {
  const faults: string[] = [];
  const types = wanted.map((action) => parts.stepTypes.find((type) => type.name === action.ActionType));
  for (const [at, action] of wanted.entries()) {
    const type = types[at];
    if (type === undefined) faults.push(unknownType(action, parts.stepTypes));
    else faults.push(...type.check(checkedAction(step, action)), ...missingVersions(step, action, snapshot));
  }
  if (faults.length > 0) return { faults };

  const roles = rolesOf(step, wanted);
  const needsTarget = (action: ProcessAction, at: number): boolean => types[at]?.runs === "targets" && !asksForServer(step, action);
  const isOnce = roles.length === 0 ? !wanted.some(needsTarget) : wanted.length === 1 && types.every((type) => type?.runs === "once");
  if (!isOnce && roles.length === 0) {
    const name = wanted.find(needsTarget)?.Name ?? step.Name;
    return { faults: [`Step '${name}' names no target roles, so nobody knows where to run it (Octopus.Action.TargetRoles).`] };
  }
  const targets: PlannedTarget[] = [];
  if (!isOnce) {
    for (const machine of snapshot.machines.filter((one) => isTarget(one, roles, snapshot))) {
      const target = targetOf(machine);
      if (typeof target === "string") return { faults: [`Step '${step.Name}' cannot run on ${machine.name}: ${target}`] };
      targets.push(target);
    }
  }
  const actions: PlannedAction[] = [];
  for (const [at, action] of wanted.entries()) {
    const place = { number, at: at + 1, of: wanted.length };
    if (types[at]?.runs === "targets" && asksForServer(step, action)) {
      const chosen = chooseWorker(snapshot, action, roles, { turn: turnOf(parts.taskId) + number + at, builtIn: parts.builtIn });
      if (chosen === "needsBuiltIn") return "needsBuiltInWorker";
      if ("fault" in chosen) faults.push(chosen.fault);
      else actions.push(planAction(step, action, place, chosen, snapshot));
    } else actions.push(planAction(step, action, place, { values: [] }, snapshot));
  }
  if (faults.length > 0) return { faults };
  const [only] = wanted;
  return {
    // A step with one action is that action: its log and rows are named by it.
    id: wanted.length === 1 && only !== undefined ? only.Id : step.Id,
    number,
    name: wanted.length === 1 && only !== undefined ? only.Name : step.Name,
    condition: step.Condition,
    properties: plannedProperties(step.Properties),
    roles,
    runs: isOnce ? "once" : "targets",
    targets,
    parallelMax: readParallelism(wanted.map((action) => textOf(step, action, "Octopus.Action.MaxParallelism")).find(Boolean)),
    actions,
  };
}

function planAction(
  step: ProcessStep,
  action: ProcessAction,
  place: { number: number; at: number; of: number },
  on: { worker?: PlannedTarget; values: readonly PlannedValue[] },
  snapshot: DeploymentSnapshot,
): PlannedAction {
  const packages = plannedPackages(step, action, snapshot);
  const number = place.of === 1 ? String(place.number) : `${place.number}.${place.at}`;
  return {
    id: action.Id,
    name: action.Name,
    type: action.ActionType,
    condition: action.Condition,
    isRequired: action.IsRequired,
    properties: plannedProperties(action.Properties),
    packages,
    values: [
      ...packages.flatMap(packageValues),
      { name: "Octopus.Step.Id", value: step.Id },
      { name: "Octopus.Step.Name", value: step.Name },
      { name: "Octopus.Step.Number", value: String(place.number) },
      { name: "Octopus.Action.Id", value: action.Id },
      { name: "Octopus.Action.Name", value: action.Name },
      { name: "Octopus.Action.Number", value: number },
      { name: "Octopus.Action.StepName", value: step.Name },
      ...on.values,
    ],
    ...(on.worker === undefined ? {} : { worker: on.worker }),
  };
}

/** Those for which the release has a version. */
function plannedPackages(step: ProcessStep, action: ProcessAction, { release }: DeploymentSnapshot): PlannedPackage[] {
  return packagesOf(action).flatMap((use) => {
    const version = selectedVersion(release.selectedPackages, step, action, use.name);
    return version === undefined ? [] : [{ ...use, version }];
  });
}

function missingVersions(step: ProcessStep, action: ProcessAction, { release }: DeploymentSnapshot): string[] {
  return packagesOf(action)
    .filter((use) => selectedVersion(release.selectedPackages, step, action, use.name) === undefined)
    .map(
      (use) => `Release ${release.version} names no version of the package ${use.packageId} of step '${action.Name}'. Make a new release.`,
    );
}

/** The names by which scripts and fields ask for a package; the action's own goes by the short ones too. */
function packageValues({ name, packageId, feedId, version }: PlannedPackage): PlannedValue[] {
  const prefixes = name === "" ? ["Octopus.Action.Package", "Octopus.Action.Package[]"] : [`Octopus.Action.Package[${name}]`];
  return prefixes.flatMap((prefix) => [
    { name: `${prefix}.PackageId`, value: packageId },
    { name: `${prefix}.PackageVersion`, value: version },
    { name: `${prefix}.FeedId`, value: feedId },
  ]);
}

function unknownType(action: ProcessAction, types: readonly StepType[]): string {
  const known = types.map((type) => type.name).join(", ");
  return `Step '${action.Name}' has the type ${action.ActionType}, which this server cannot run yet. It runs: ${known}.`;
}

function checkedAction(step: ProcessStep, action: ProcessAction) {
  return {
    name: action.Name,
    properties: { ...plannedProperties(step.Properties), ...plannedProperties(action.Properties) },
    runsOnServer: asksForServer(step, action),
    packageNames: packagesOf(action).map((use) => use.name),
  };
}

function rolesOf(step: ProcessStep, actions: readonly ProcessAction[]): string[] {
  const texts = [plainText(step.Properties, targetRoles), ...actions.map((action) => plainText(action.Properties, targetRoles))];
  const named = (texts.find((text) => text !== undefined) ?? "").split(",");
  return named.map((role) => role.trim()).filter((role) => role !== "");
}

function plannedProperties(properties: StoredProperties): PlannedProperties {
  return Object.fromEntries(Object.entries(properties).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
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
  return { machineId: machine.id, name: machine.name, roles: machine.roles, agent, values: machineValues(machine, agent) };
}

function readParallelism(text: string | undefined): number {
  const wanted = Number(text ?? parallelTargetsDefault);
  return Number.isInteger(wanted) && wanted > 0 ? wanted : parallelTargetsDefault;
}

function textOf(step: ProcessStep, action: ProcessAction, name: string): string | undefined {
  return plainText(action.Properties, name) ?? plainText(step.Properties, name);
}

function plainText(properties: StoredProperties, name: string): string | undefined {
  const value = properties[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Tasks have numbers, so that one after the other goes to another worker. */
function turnOf(taskId: string): number {
  return Number(/\d+$/.exec(taskId)?.[0].slice(-9) ?? 0);
}

function asksForServer(step: ProcessStep, action: ProcessAction): boolean {
  return runsOnServer(action) || (action.Properties["Octopus.Action.RunOnServer"] === undefined && runsOnServer(step));
}
