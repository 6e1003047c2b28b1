// The whole promise of a deployment in one transaction: the row, the task with its event, and nothing when a rule forbids it.

import { problem } from "../../../base/problems.ts";
import { actorOf, requirePermission } from "../../../platform/access/access.ts";
import type { Caller } from "../../../platform/access/access.ts";
import { nextId } from "../../../platform/database/database.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import type { Document } from "../../../platform/resources/resources.ts";
import type { Secrets } from "../../../platform/secrets/secrets.ts";
import { enqueueTask } from "../../../engine/tasks/tasks.ts";
import type { TaskTimes } from "../../../engine/tasks/tasks.ts";
import { environments } from "../../infrastructure/infrastructure.ts";
import {
  channels,
  findSnapshotSteps,
  keepAnswers,
  loadPromptedVariables,
  loadTenantVariables,
  missingValuesSentence,
  projects,
  readFormValues,
  variableSnapshotIds,
} from "../../projects/projects.ts";
import type { ConnectedTenant, ReleaseRow } from "../../projects/projects.ts";
import { changesOf } from "./deployment-changes.ts";
import { optionsVersion } from "./deployment.ts";
import type { DeploymentOptions } from "./deployment.ts";
import * as store from "./deployment-store.ts";
import type { DeploymentRow } from "./deployment-store.ts";
import { mayPromote, promotionOf } from "./promotion.ts";
import { fitsTags } from "./tenant-tags.ts";

export interface NewDeployment {
  release: ReleaseRow;
  environmentId: string;
  /** For whom; null deploys without a tenant. */
  tenant: ConnectedTenant | null;
  /** The lifecycle asks for it, so nobody's permission is. */
  automatic?: true;
  /** An environment in which a deployment of this release is just about to be a success. */
  succeeding?: string;
  comments: string | null;
  /** Without: at once, and whenever there is a place for it. */
  times?: TaskTimes | undefined;
  forcePackageDownload: boolean;
  forcePackageRedeployment: boolean;
  /** Ids or names of actions. */
  skip: readonly string[];
  /** Ids or names of machines. */
  specificMachines: readonly string[];
  excludedMachines: readonly string[];
  /** Null: as the project says, or else the environment. */
  useGuidedFailure: boolean | null;
  /** Answers to prompted variables by id, name or label, and what keeps the sensitive ones. Without it nothing was answered. */
  answers?: { sent: Readonly<Record<string, string | null>>; secrets: Secrets };
}

function guidedByDefault(mode: unknown, ofEnvironment: unknown): boolean {
  return mode === "On" || (mode !== "Off" && ofEnvironment === true);
}

/** The environment a client names by id, slug or name. @throws Problem 400 */
export async function findEnvironmentByText(db: Queryable, spaceId: string, text: string) {
  const wanted = text.trim();
  const found = (await environments.all(db, spaceId, { name: wanted }))[0] ?? (await environments.find(db, spaceId, wanted));
  if (found === undefined) throw problem.invalid(`There is no environment '${wanted}' in this space.`);
  return found;
}

/** @throws Problem 400 when a rule forbids it, 403 without DeploymentCreate in that project and environment */
export async function createDeployment(tx: Transaction, caller: Caller, wanted: NewDeployment): Promise<DeploymentRow> {
  const { release } = wanted;
  const spaceId = release.space_id;
  const project = await projects.get(tx, spaceId, release.project_id);
  const environment = await environments.get(tx, spaceId, wanted.environmentId);
  if (wanted.automatic !== true)
    requirePermission(caller, "DeploymentCreate", { spaceId, projectId: project.Id, environmentId: environment.Id });
  const projectName = String(project["Name"]);
  const environmentName = String(environment["Name"]);
  if (project["IsDisabled"] === true) throw problem.invalid(`The project '${projectName}' is disabled. Enable it before you deploy.`);
  const channel = await channels.get(tx, spaceId, release.channel_id);
  const refusal = tenantRefusal(wanted.tenant, { project, channel, environment: { id: environment.Id, name: environmentName } });
  if (refusal !== undefined) throw problem.invalid(refusal);
  if (wanted.tenant !== null) {
    const { missing } = await loadTenantVariables(tx, { tenantId: wanted.tenant.id, project, environmentId: environment.Id });
    const sentence = missingValuesSentence(wanted.tenant.name, environmentName, missing);
    if (sentence !== undefined) throw problem.invalid(sentence);
  }
  const promotion = await promotionOf(tx, release, wanted.tenant, wanted.succeeding, { project, channel });
  if (!mayPromote(promotion, release.version, environment.Id, new Map()).ok) {
    // Only the sentence of a refusal needs the names of environments, of which there may be very many.
    const verdict = mayPromote(promotion, release.version, environment.Id, await environmentNames(tx, spaceId));
    if (!verdict.ok) throw problem.invalid(verdict.reason);
  }
  const options: DeploymentOptions = {
    forcePackageDownload: wanted.forcePackageDownload,
    forcePackageRedeployment: wanted.forcePackageRedeployment,
    skipActionIds: await actionIds(tx, release, wanted.skip),
    specificMachineIds: await machineIds(tx, spaceId, wanted.specificMachines),
    excludedMachineIds: await machineIds(tx, spaceId, wanted.excludedMachines),
    useGuidedFailure: wanted.useGuidedFailure ?? guidedByDefault(project["DefaultGuidedFailureMode"], environment["UseGuidedFailure"]),
  };
  const variable_snapshot_ids = variableSnapshotIds(release);
  const form = readFormValues(wanted.answers?.sent ?? {}, await loadPromptedVariables(tx, variable_snapshot_ids), {
    environmentId: environment.Id,
    channelId: release.channel_id,
    projectId: project.Id,
    ...(wanted.tenant === null ? {} : { tenantTags: wanted.tenant.tags }),
  });
  if (form.faults.length > 0) throw problem.invalid(form.faults);
  if (wanted.answers !== undefined)
    await keepAnswers(tx, wanted.answers.secrets, { spaceId, projectId: project.Id, texts: form.newSecrets });
  const changes = await changesOf(tx, release, {
    environmentId: environment.Id,
    tenantId: wanted.tenant?.id ?? null,
    template: project["DeploymentChangesTemplate"],
    nowMs: Date.now(),
  });
  const actor = actorOf(caller);
  const { id, number } = await nextId(tx, "Deployments");
  const { tenant } = wanted;
  const forWhom = tenant === null ? "" : ` for ${tenant.name}`;
  const taskId = await enqueueTask(tx, {
    spaceId,
    name: "Deploy",
    description: `Deploy ${projectName} release ${release.version} to ${environmentName}${forWhom}`,
    arguments: { deploymentId: id },
    argumentsVersion: 1,
    // Two deployments of one project to one environment, for one tenant, run one after the other.
    concurrencyTag: [project.Id, environment.Id, ...(tenant === null ? [] : [tenant.id])].join("/"),
    projectId: project.Id,
    environmentId: environment.Id,
    times: wanted.times,
    actor,
    relatedDocumentIds: [id, project.Id, release.id, environment.Id, release.channel_id, ...(tenant === null ? [] : [tenant.id])],
  });
  await store.insertDeployment(tx, {
    id,
    number,
    space_id: spaceId,
    name: `Deploy to ${environmentName}${forWhom}`,
    project_id: project.Id,
    release_id: release.id,
    channel_id: release.channel_id,
    environment_id: environment.Id,
    tenant_id: tenant?.id ?? null,
    task_id: taskId,
    comments: wanted.comments,
    options,
    options_version: optionsVersion,
    deployed_by: caller.username,
    deployed_by_id: caller.userId,
    variable_snapshot_ids,
    form_values: form.values,
    changes: changes.list,
    changes_markdown: changes.markdown,
  });
  return (await store.findDeployment(tx, spaceId, id))!;
}

/** Why a project or channel does not admit a deployment for this tenant, or without one. */
function tenantRefusal(
  tenant: ConnectedTenant | null,
  to: { project: Document; channel: Document; environment: { id: string; name: string } },
): string | undefined {
  const projectName = String(to.project["Name"]);
  const mode = to.project["TenantedDeploymentMode"];
  if (tenant === null) {
    return mode === "Tenanted"
      ? `The project '${projectName}' is only deployed for tenants (TenantedDeploymentMode). Name one in TenantId.`
      : undefined;
  }
  if (mode === "Untenanted")
    return `The project '${projectName}' is not deployed for tenants. Set its TenantedDeploymentMode to TenantedOrUntenanted or Tenanted first.`;
  if (tenant.isDisabled) return `The tenant '${tenant.name}' is disabled. Enable it before you deploy for it.`;
  if (!tenant.environmentIds.includes(to.environment.id))
    return `The tenant '${tenant.name}' is not connected to the environment '${to.environment.name}' in the project '${projectName}'.`;
  if (!fitsTags(tenant, to.channel["TenantTags"] as string[]))
    return `The channel '${String(to.channel["Name"])}' of this release is only for tenants with certain tags, which '${tenant.name}' does not have.`;
  return undefined;
}

export async function environmentNames(db: Queryable, spaceId: string): Promise<Map<string, string>> {
  return new Map((await environments.all(db, spaceId, {})).map((one) => [one.Id, String(one["Name"])]));
}

async function actionIds(db: Queryable, release: ReleaseRow, wanted: readonly string[]): Promise<string[]> {
  if (wanted.length === 0) return [];
  const steps = (await findSnapshotSteps(db, release.process_snapshot_id)) ?? [];
  return wanted.flatMap((text) => {
    const lower = text.trim().toLowerCase();
    const fits = (one: { Id: string; Name: string; Slug: string }) =>
      [one.Id, one.Name, one.Slug].some((name) => name.toLowerCase() === lower);
    const found = steps.flatMap((step) => (fits(step) ? step.Actions : step.Actions.filter(fits)));
    if (found.length === 0) throw problem.invalid(`The process of this release has no step '${text}'.`);
    const required = found.find((action) => action.IsRequired);
    if (required !== undefined) throw problem.invalid(`The step '${required.Name}' is required and cannot be skipped.`);
    return found.map((action) => action.Id);
  });
}

async function machineIds(db: Queryable, spaceId: string, wanted: readonly string[]): Promise<string[]> {
  if (wanted.length === 0) return [];
  const found = await store.findMachinesByText(db, spaceId, wanted);
  const ids = wanted.map((text) => {
    const lower = text.trim().toLowerCase();
    const machine = found.find((one) => [one.id, one.name, one.slug].some((name) => name.toLowerCase() === lower));
    if (machine === undefined) throw problem.invalid(`There is no machine '${text}' in this space.`);
    return machine.id;
  });
  return [...new Set(ids)];
}
