// Deployments: one release to one environment, run by one task. Made by the resource form or by the command form; both do the same.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import type { Static } from "@cuttle/contract/rest/shapes";
import {
  CreateDeploymentCommand,
  CreateDeploymentResponse,
  CreateTenantedDeploymentCommand,
  Deployment,
  DeploymentBody,
} from "@cuttle/contract/rest/deployments";
import { problem } from "../../../base/problems.ts";
import { requirePermission } from "../../../platform/access/access.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import type { Caller } from "../../../platform/access/access.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { change, created, nothing, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import type { Secrets } from "../../../platform/secrets/secrets.ts";
import { readTimes } from "../../../engine/tasks/tasks.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import { environments } from "../../infrastructure/infrastructure.ts";
import {
  findProjectByText,
  findReleaseByVersion,
  forgetAnswers,
  getRelease,
  loadPromptedVariables,
  presentFormValues,
  readAnswers,
  refreshVariables,
  tenantsOfProject,
  variableSnapshotIds,
} from "../../projects/projects.ts";
import type { ConnectedTenant, ReleaseRow } from "../../projects/projects.ts";
import { createDeployment, findEnvironmentByText } from "./create-deployment.ts";
import type { ReleaseChanges } from "./deployment.ts";
import * as store from "./deployment-store.ts";
import type { DeploymentFilter, DeploymentRow } from "./deployment-store.ts";
import { promotionRoutes } from "./promotion-routes.ts";
import { fitsTags } from "./tenant-tags.ts";

export type { CandidateMachine, DeploymentSnapshot } from "./deployment-snapshot.ts";
export { createDeployTask } from "./deploy-task.ts";
export { deployNewRelease, deployOnwards } from "./automatic-deployments.ts";
export { loadDeploymentSnapshot } from "./deployment-snapshot.ts";

/** Times that were stored as texts are times again. */
function presentChanges(changes: readonly ReleaseChanges[]) {
  return changes.map((one) => ({
    ...one,
    BuildInformation: one.BuildInformation.map((build) =>
      "Created" in build ? { ...build, Created: new Date(String(build.Created)) } : build,
    ),
  }));
}

function present(row: DeploymentRow) {
  const base = `/api/${row.space_id}`;
  return {
    Id: row.id,
    SpaceId: row.space_id,
    Name: row.name,
    ProjectId: row.project_id,
    ReleaseId: row.release_id,
    ChannelId: row.channel_id,
    EnvironmentId: row.environment_id,
    TenantId: row.tenant_id,
    TaskId: row.task_id,
    DeploymentProcessId: row.process_snapshot_id,
    ManifestVariableSetId: row.variable_snapshot_ids[0] ?? null,
    Comments: row.comments,
    Created: row.created_at,
    DeployedBy: row.deployed_by,
    DeployedById: row.deployed_by_id,
    DeployedToMachineIds: [],
    FailureEncountered: row.task_state === "Failed",
    ForcePackageDownload: row.options.forcePackageDownload,
    ForcePackageRedeployment: row.options.forcePackageRedeployment,
    FormValues: presentFormValues(row.form_values),
    QueueTime: row.task_starts_at,
    QueueTimeExpiry: row.task_expires_at,
    SkipActions: row.options.skipActionIds,
    SpecificMachineIds: row.options.specificMachineIds,
    ExcludedMachineIds: row.options.excludedMachineIds,
    UseGuidedFailure: row.options.useGuidedFailure ?? false,
    TentacleRetentionPeriod: null,
    Changes: presentChanges(row.changes ?? []),
    ChangesMarkdown: row.changes_markdown ?? "",
    Links: {
      Self: `${base}/deployments/${row.id}`,
      Task: `${base}/tasks/${row.task_id}`,
      Release: `${base}/releases/${row.release_id}`,
      Environment: `${base}/environments/${row.environment_id}`,
      Project: `${base}/projects/${row.project_id}`,
      ...(row.variable_snapshot_ids[0] === undefined ? {} : { Variables: `${base}/variables/${row.variable_snapshot_ids[0]}` }),
      Interruptions: `${base}/interruptions?regarding=${row.id}`,
      Artifacts: `${base}/artifacts?regarding=${row.id}`,
      Web: `/app#/${row.space_id}/deployments/${row.id}`,
    },
  };
}

async function getDeployment(db: Queryable, spaceId: string, id: string): Promise<DeploymentRow> {
  const row = await store.findDeployment(db, spaceId, id);
  if (row === undefined) throw problem.notFound("deployment", id);
  return row;
}

/** The resource form and the command form call the times differently. @throws Problem 400 */
const timesOf = {
  resource: (db: Queryable, body: { QueueTime?: string | null; QueueTimeExpiry?: string | null }) =>
    readTimes(db, { startsAt: body.QueueTime, expiresAt: body.QueueTimeExpiry }, { startsAt: "QueueTime", expiresAt: "QueueTimeExpiry" }),
  command: (db: Queryable, body: { RunAt?: string | null; NoRunAfter?: string | null }) =>
    readTimes(db, { startsAt: body.RunAt, expiresAt: body.NoRunAfter }, { startsAt: "RunAt", expiresAt: "NoRunAfter" }),
};

/** The release that is named, its variables frozen anew when that is wanted. */
async function releaseToDeploy(
  tx: Transaction,
  by: { spaceId: string; caller: Caller; actor: Actor },
  body: { ProjectName: string; ReleaseVersion: string; UpdateVariableSnapshot?: boolean | null },
): Promise<ReleaseRow> {
  const found = await findReleaseByText(tx, by.spaceId, body);
  if (body.UpdateVariableSnapshot !== true) return found;
  requirePermission(by.caller, "ReleaseEdit", { spaceId: by.spaceId, projectId: found.project_id });
  await refreshVariables(tx, by.spaceId, by.actor, found.id);
  return await getRelease(tx, by.spaceId, found.id, "FOR SHARE");
}

const texts = Type.Optional(Type.Array(Type.String()));
const query = Type.Object({ ...listQuery, projects: texts, environments: texts, channels: texts, tenants: texts, taskState: texts });

async function deploymentPage(db: Queryable, spaceId: string, wanted: Static<typeof query>, path: string, filter: DeploymentFilter) {
  const window = pageWanted(wanted);
  const { rows, total } = await store.listDeployments(db, spaceId, { ...wanted, ...filter }, window);
  return pageOf({
    itemType: "Deployment",
    items: rows.map(present),
    total,
    wanted: window,
    path: `/api/${spaceId}/${path}`,
    query: wanted,
  });
}

export const deploymentRoutes = ({ secrets }: { secrets: Secrets }): Route[] => [
  read({
    path: "/deployments",
    scope: "space",
    permission: "DeploymentView",
    query,
    answer: page(Deployment),
    handler: async ({ db, space, query: wanted }) => ok(await deploymentPage(db, space.id, wanted, "deployments", {})),
  }),
  read({
    path: "/deployments/{id}",
    scope: "space",
    permission: "DeploymentView",
    answer: Deployment,
    handler: async ({ db, space, params }) => ok(present(await getDeployment(db, space.id, params.id))),
  }),
  read({
    path: "/releases/{id}/deployments",
    scope: "space",
    permission: "DeploymentView",
    query,
    answer: page(Deployment),
    handler: async ({ db, space, params, query: wanted }) => {
      const release = await getRelease(db, space.id, params.id);
      return ok(await deploymentPage(db, space.id, wanted, `releases/${release.id}/deployments`, { releaseId: release.id }));
    },
  }),
  ...promotionRoutes(present),
  change({
    method: "POST",
    path: "/deployments",
    scope: "space",
    permission: "DeploymentCreate",
    body: DeploymentBody,
    answer: Deployment,
    handler: async ({ tx, space, caller, body }) => {
      const times = await timesOf.resource(tx, body);
      const release = await store404AsInvalid(
        () => getRelease(tx, space.id, body.ReleaseId, "FOR SHARE"),
        `There is no release '${body.ReleaseId}' in this space.`,
      );
      const environment = await environments.find(tx, space.id, body.EnvironmentId);
      if (environment === undefined) throw problem.invalid(`There is no environment '${body.EnvironmentId}' in this space.`);
      const row = await createDeployment(tx, caller, {
        release,
        environmentId: environment.Id,
        tenant: body.TenantId ? await findTenant(tx, release, body.TenantId) : null,
        comments: body.Comments ?? null,
        times,
        forcePackageDownload: body.ForcePackageDownload ?? false,
        forcePackageRedeployment: body.ForcePackageRedeployment ?? false,
        skip: body.SkipActions ?? [],
        specificMachines: body.SpecificMachineIds ?? [],
        excludedMachines: body.ExcludedMachineIds ?? [],
        useGuidedFailure: body.UseGuidedFailure ?? null,
        answers: { sent: body.FormValues ?? {}, secrets },
      });
      return created(present(row));
    },
  }),
  change({
    method: "POST",
    path: "/deployments/create/untenanted/v1",
    scope: "space",
    permission: "DeploymentCreate",
    body: CreateDeploymentCommand,
    answer: CreateDeploymentResponse,
    handler: async ({ tx, space, caller, actor, body }) => {
      const times = await timesOf.command(tx, body);
      if (body.EnvironmentNames.length === 0) throw problem.invalid("EnvironmentNames must name at least one environment.");
      const release = await releaseToDeploy(tx, { spaceId: space.id, caller, actor }, body);
      const wanted = new Map<string, string>();
      for (const text of body.EnvironmentNames) wanted.set((await findEnvironmentByText(tx, space.id, text)).Id, text);
      const rows: DeploymentRow[] = [];
      for (const environmentId of [...wanted.keys()].sort()) {
        rows.push(
          await createDeployment(tx, caller, {
            release,
            environmentId,
            tenant: null,
            comments: null,
            times,
            forcePackageDownload: body.ForcePackageDownload ?? false,
            forcePackageRedeployment: body.ForcePackageRedeployment ?? false,
            skip: body.SkipStepNames ?? [],
            specificMachines: body.SpecificMachineNames ?? [],
            excludedMachines: body.ExcludedMachineNames ?? [],
            useGuidedFailure: body.UseGuidedFailure ?? null,
            answers: { sent: body.Variables ?? {}, secrets },
          }),
        );
      }
      const tasks = rows.map((row) => ({ DeploymentId: row.id, ServerTaskId: row.task_id }));
      return created({ DeploymentServerTasks: tasks }, `/api/${space.id}/deployments/${rows[0]!.id}`);
    },
  }),
  change({
    method: "POST",
    path: "/deployments/create/tenanted/v1",
    scope: "space",
    permission: "DeploymentCreate",
    body: CreateTenantedDeploymentCommand,
    answer: CreateDeploymentResponse,
    handler: async ({ tx, space, caller, actor, body }) => {
      const times = await timesOf.command(tx, body);
      const release = await releaseToDeploy(tx, { spaceId: space.id, caller, actor }, body);
      const environment = await findEnvironmentByText(tx, space.id, body.EnvironmentName);
      const rows: DeploymentRow[] = [];
      for (const tenant of await chooseTenants(tx, release, environment.Id, body)) {
        rows.push(
          await createDeployment(tx, caller, {
            release,
            environmentId: environment.Id,
            tenant,
            comments: null,
            times,
            forcePackageDownload: body.ForcePackageDownload ?? false,
            forcePackageRedeployment: body.ForcePackageRedeployment ?? false,
            skip: body.SkipStepNames ?? [],
            specificMachines: body.SpecificMachineNames ?? [],
            excludedMachines: body.ExcludedMachineNames ?? [],
            useGuidedFailure: body.UseGuidedFailure ?? null,
            answers: { sent: body.Variables ?? {}, secrets },
          }),
        );
      }
      const tasks = rows.map((row) => ({ DeploymentId: row.id, ServerTaskId: row.task_id }));
      return created({ DeploymentServerTasks: tasks }, `/api/${space.id}/deployments/${rows[0]!.id}`);
    },
  }),
  change({
    method: "DELETE",
    path: "/deployments/{id}",
    scope: "space",
    permission: "DeploymentDelete",
    answer: "nothing",
    handler: async ({ tx, space, actor, params }) => {
      const row = await getDeployment(tx, space.id, params.id);
      if (["Queued", "Executing", "Cancelling"].includes(row.task_state))
        throw problem.invalid(`The deployment ${row.id} has not finished yet. Cancel its task ${row.task_id} or wait for it.`);
      await forgetAnswers(tx, await store.deleteDeployment(tx, row.id));
      await recordEvent(tx, {
        spaceId: space.id,
        category: "Deleted",
        actor,
        message: `Deployment ${row.id} of release ${row.release_version} was deleted`,
        relatedDocumentIds: [row.id, row.project_id, row.release_id, row.environment_id, row.task_id],
      });
      return nothing();
    },
  }),
];

/** Each tenant of a call makes a deployment in the same transaction. */
const tenantsPerCallMax = 500;

/** @throws Problem 400 */
async function findReleaseByText(
  db: Transaction,
  spaceId: string,
  wanted: { ProjectName: string; ReleaseVersion: string },
): Promise<ReleaseRow> {
  const project = await findProjectByText(db, spaceId, wanted.ProjectName);
  const found = await findReleaseByVersion(db, project.Id, wanted.ReleaseVersion.trim());
  if (found === undefined) throw problem.invalid(`The project '${String(project["Name"])}' has no release ${wanted.ReleaseVersion}.`);
  return getRelease(db, spaceId, found.id, "FOR SHARE");
}

/** A tenant by id, slug or name, which must be connected to the release's project. @throws Problem 400 */
async function findTenant(db: Queryable, release: ReleaseRow, text: string): Promise<ConnectedTenant> {
  return tenantNamed(await tenantsOfProject(db, release.project_id), text);
}

function tenantNamed(connected: readonly ConnectedTenant[], text: string): ConnectedTenant {
  const wanted = text.trim().toLowerCase();
  const found = connected.find((one) => [one.id, one.slug, one.name].some((name) => name.toLowerCase() === wanted));
  if (found === undefined) throw problem.invalid(`There is no tenant '${text}' that is connected to this project.`);
  return found;
}

/** The tenants a command names, in the order of their ids so that calls at the same time take locks in one order. @throws Problem 400 */
async function chooseTenants(
  db: Queryable,
  release: ReleaseRow,
  environmentId: string,
  wanted: { Tenants?: string[] | null; TenantTags?: string[] | null },
): Promise<ConnectedTenant[]> {
  const names = wanted.Tenants ?? [];
  const tags = wanted.TenantTags ?? [];
  if (names.length + tags.length === 0) throw problem.invalid("Tenants or TenantTags must name at least one tenant.");
  const connected = await tenantsOfProject(db, release.project_id);
  const able = connected.filter((one) => !one.isDisabled && one.environmentIds.includes(environmentId));
  const chosen = new Map<string, ConnectedTenant>();
  for (const text of names) {
    const found = text.trim() === "*" ? able : [tenantNamed(connected, text)];
    for (const tenant of found) chosen.set(tenant.id, tenant);
  }
  if (tags.length > 0) for (const tenant of able) if (fitsTags(tenant, tags)) chosen.set(tenant.id, tenant);
  if (chosen.size === 0) throw problem.invalid("No tenant that is connected to this project in this environment fits what was asked for.");
  if (chosen.size > tenantsPerCallMax)
    throw problem.invalid(`One call deploys for at most ${tenantsPerCallMax} tenants; this one names ${chosen.size}.`);
  return [...chosen.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The same deployment again: a new one of the same release, there, for whom the task's was and with the same answers. @throws Problem 400, 404 */
export async function repeatDeployment(tx: Transaction, caller: Caller, taskId: string, secrets: Secrets): Promise<DeploymentRow> {
  const row = await store.findDeploymentOfTask(tx, taskId);
  if (row === undefined) throw problem.invalid(`The deployment of ${taskId} is not there any more, so it cannot run again.`);
  const release = await getRelease(tx, row.space_id, row.release_id, "FOR SHARE");
  // The release may have taken newer variables meanwhile, which ask less.
  const asking = new Set((await loadPromptedVariables(tx, variableSnapshotIds(release))).map((one) => one.id));
  const answers = Object.entries(await readAnswers(tx, secrets, row.form_values)).filter(([id]) => asking.has(id));
  return createDeployment(tx, caller, {
    release,
    environmentId: row.environment_id,
    tenant: row.tenant_id === null ? null : await findTenant(tx, release, row.tenant_id),
    comments: row.comments,
    forcePackageDownload: row.options.forcePackageDownload,
    forcePackageRedeployment: row.options.forcePackageRedeployment,
    skip: row.options.skipActionIds,
    specificMachines: row.options.specificMachineIds,
    excludedMachines: row.options.excludedMachineIds,
    useGuidedFailure: row.options.useGuidedFailure ?? null,
    answers: { sent: Object.fromEntries(answers), secrets },
  });
}

/** In a body an unknown id is a fault of the request, not of its address. */
async function store404AsInvalid<T>(find: () => Promise<T>, message: string): Promise<T> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof Error && "status" in error && error.status === 404) throw problem.invalid(message);
    throw error;
  }
}

/** A release goes with its finished deployments, and stays while one of them runs. */
export async function beforeReleaseDelete(
  tx: Parameters<typeof store.deleteDeploymentsOfRelease>[0],
  release: { id: string; version: string },
): Promise<void> {
  if ((await store.countUnfinishedOfRelease(tx, release.id)) > 0) {
    throw problem.invalid(`The release ${release.version} has unfinished deployments. Wait for them or cancel them first.`);
  }
  await forgetAnswers(tx, await store.deleteDeploymentsOfRelease(tx, release.id));
}
