// The system variables of a deployment: what the server itself knows of it, by the names that scripts and templates of the product use. Pure.

import type { AgentAddress } from "../../../engine/agents/agents.ts";
import type { PlannedStep, PlannedValue } from "../../../engine/execution/execution.ts";
import { targetRetentionValue } from "../step-types/step-types.ts";
import type { CandidateMachine, DeploymentSnapshot } from "./deployment-snapshot.ts";

export function systemValues(
  snapshot: DeploymentSnapshot,
  of: { taskId: string; webUrl: string; steps: readonly PlannedStep[] },
): PlannedValue[] {
  const { deployment, environment, facts, project, release, space } = snapshot;
  const machines = new Map(of.steps.flatMap((step) => step.targets.map((target) => [target.machineId, target.name] as const)));
  const web = new URL(of.webUrl);
  const basePath = web.pathname.replace(/\/+$/, "");
  const projectLink = `${basePath}/app#/${space.id}/projects/${project.slug}`;
  const releaseLink = `${projectLink}/deployments/releases/${encodeURIComponent(release.version)}`;
  const values: Record<string, string | null> = {
    "Octopus.Task.Id": of.taskId,
    "Octopus.Task.Name": facts.task_description,
    "Octopus.Task.QueueTime": facts.queued_at.toISOString(),
    "Octopus.Task.Argument[DeploymentId]": deployment.id,
    "Octopus.Space.Id": space.id,
    "Octopus.Space.Name": space.name,
    "Octopus.Project.Id": project.id,
    "Octopus.Project.Name": project.name,
    "Octopus.Project.Slug": project.slug,
    "Octopus.ProjectGroup.Id": facts.project_group_id,
    "Octopus.ProjectGroup.Name": facts.project_group_name,
    "Octopus.Environment.Id": environment.id,
    "Octopus.Environment.Name": environment.name,
    "Octopus.Environment.Slug": environment.slug,
    "Octopus.Environment.SortOrder": String(facts.environment_sort_order),
    "Octopus.Release.Id": release.id,
    "Octopus.Release.Number": release.version,
    "Octopus.Release.Notes": release.notes ?? "",
    "Octopus.Release.Created": facts.release_assembled_at.toISOString(),
    "Octopus.Release.Channel.Id": release.channelId,
    "Octopus.Release.Channel.Name": facts.channel_name,
    "Octopus.Release.Previous.Id": facts.previous_release_id,
    "Octopus.Release.Previous.Number": facts.previous_release_version,
    "Octopus.Release.PreviousForEnvironment.Id": facts.former_release_id,
    "Octopus.Release.PreviousForEnvironment.Number": facts.former_release_version,
    "Octopus.Release.CurrentForEnvironment.Id": facts.current_release_id,
    "Octopus.Release.CurrentForEnvironment.Number": facts.current_release_version,
    "Octopus.Deployment.Id": deployment.id,
    "Octopus.Deployment.Name": deployment.name,
    "Octopus.Deployment.Comments": deployment.comments ?? "",
    "Octopus.Deployment.Created": deployment.createdAt.toISOString(),
    "Octopus.Deployment.CreatedBy.Id": deployment.deployedById,
    "Octopus.Deployment.CreatedBy.Username": deployment.deployedBy,
    "Octopus.Deployment.CreatedBy.DisplayName": facts.deployer_display_name ?? deployment.deployedBy,
    "Octopus.Deployment.CreatedBy.EmailAddress": facts.deployer_email ?? "",
    "Octopus.Deployment.ForcePackageDownload": deployment.options.forcePackageDownload ? "True" : "False",
    "Octopus.Deployment.ForcePackageRedeployment": deployment.options.forcePackageRedeployment ? "True" : "False",
    "Octopus.Deployment.Changes": JSON.stringify(deployment.changes),
    "Octopus.Deployment.ChangesMarkdown": deployment.changesMarkdown,
    [targetRetentionValue]: snapshot.targetRetention,
    "Octopus.Deployment.PreviousSuccessful.Id": facts.current_deployment_id,
    "Octopus.Deployment.Machines": [...machines.keys()].join(","),
    "Octopus.Deployment.SpecificMachines": deployment.options.specificMachineIds.join(","),
    "Octopus.Deployment.ExcludedMachines": deployment.options.excludedMachineIds.join(","),
    "Octopus.Deployment.Tenant.Id": snapshot.tenant?.id ?? null,
    "Octopus.Deployment.Tenant.Name": snapshot.tenant?.name ?? null,
    "Octopus.Deployment.Tenant.Tags": snapshot.tenant?.tags.join(",") ?? null,
    "Octopus.Web.ServerUri": of.webUrl,
    "Octopus.Web.BaseUrl": basePath,
    "Octopus.Web.ProjectLink": projectLink,
    "Octopus.Web.ReleaseLink": releaseLink,
    "Octopus.Web.DeploymentLink": `${releaseLink}/deployments/${deployment.id}`,
  };
  for (const [name, text] of Object.entries(release.customFields)) values[`Octopus.Release.CustomFields[${name}]`] = text;
  for (const [id, name] of machines) values[`Octopus.Deployment.Targets[${id}].Name`] = name;
  for (const [role, ids] of machinesByRole(snapshot.machines)) values[`Octopus.Environment.MachinesInRole[${role}]`] = ids.join(",");
  return Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [{ name, value }]));
}

/** What the variables of one machine hold besides its id, name and tags. */
export function machineValues(machine: CandidateMachine, agent: AgentAddress): PlannedValue[] {
  return [
    ...("host" in agent ? [{ name: "Octopus.Machine.Hostname", value: agent.host }] : []),
    { name: "Octopus.Machine.DeploymentTargetType", value: "Tentacle" },
    { name: "Octopus.Machine.CommunicationStyle", value: machine.communicationStyle },
    { name: "Octopus.Tentacle.CurrentDeployment.TargetedRoles", value: machine.roles.join(",") },
  ];
}

/** Tags that differ in case only are one, written as the first machine has it. */
function machinesByRole(machines: readonly CandidateMachine[]): Map<string, string[]> {
  const written = new Map<string, string>();
  const found = new Map<string, string[]>();
  for (const machine of machines) {
    for (const role of machine.roles) {
      const key = role.toLowerCase();
      const name = written.get(key) ?? role;
      written.set(key, name);
      found.set(name, [...(found.get(name) ?? []), machine.id]);
    }
  }
  return found;
}
