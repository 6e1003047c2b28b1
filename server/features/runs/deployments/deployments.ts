// Deployments: one release to one environment, run by one task. Made by the resource form or by the command form; both do the same.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import type { Static } from "@cuttle/contract/rest/shapes";
import { CreateDeploymentCommand, CreateDeploymentResponse, Deployment, DeploymentBody } from "@cuttle/contract/rest/deployments";
import { DeploymentTemplate, ReleaseProgression } from "@cuttle/contract/rest/releases";
import { problem } from "../../../base/problems.ts";
import { requirePermission } from "../../../platform/access/access.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { change, created, nothing, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import type { Secrets } from "../../../platform/secrets/secrets.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import { environments } from "../../infrastructure/infrastructure.ts";
import {
  compareWithFrozen,
  findProjectByText,
  findReleaseByVersion,
  findSnapshotVersion,
  forgetAnswers,
  getProcess,
  getRelease,
  presentFormValues,
  projectOfVariables,
  projects,
  refreshVariables,
} from "../../projects/projects.ts";
import { createDeployment, environmentNames, findEnvironmentByText, progressOf } from "./create-deployment.ts";
import * as store from "./deployment-store.ts";
import type { DeploymentFilter, DeploymentRow } from "./deployment-store.ts";

export type { CandidateMachine, DeploymentSnapshot } from "./deployment-snapshot.ts";
export { createDeployTask } from "./deploy-task.ts";
export { loadDeploymentSnapshot } from "./deployment-snapshot.ts";

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
    TenantId: null,
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
    QueueTime: null,
    QueueTimeExpiry: null,
    SkipActions: row.options.skipActionIds,
    SpecificMachineIds: row.options.specificMachineIds,
    ExcludedMachineIds: row.options.excludedMachineIds,
    UseGuidedFailure: row.options.useGuidedFailure ?? false,
    Changes: [],
    ChangesMarkdown: "",
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

/** Wishes that would silently not come true are refused instead. */
function refuseUnsupported(wanted: { TenantId?: string | null; QueueTime?: string | null; QueueTimeExpiry?: string | null }): void {
  const faults: string[] = [];
  if (wanted.TenantId) faults.push("Tenants are not supported yet: TenantId must be empty.");
  if (wanted.QueueTime || wanted.QueueTimeExpiry)
    faults.push("Scheduled deployments are not supported yet: leave out the start and expiry times.");
  if (faults.length > 0) throw problem.invalid(faults);
}

const texts = Type.Optional(Type.Array(Type.String()));
const query = Type.Object({ ...listQuery, projects: texts, environments: texts, channels: texts, taskState: texts });

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
  read({
    path: "/releases/{id}/progression",
    scope: "space",
    permission: "ReleaseView",
    answer: ReleaseProgression,
    handler: async ({ db, space, params }) => {
      const release = await getRelease(db, space.id, params.id);
      const progress = await progressOf(db, release);
      const names = await environmentNames(db, space.id);
      const { rows } = await store.listDeployments(db, space.id, { releaseId: release.id }, { skip: 0, take: 1_000 });
      return ok({
        NextDeployments: progress.next,
        NextDeploymentsMinimumRequired: 0,
        HasUnresolvedDefect: false,
        ReleaseRetentionPeriod: null,
        Phases: progress.phases.map(({ phase, progress: state, isOpen }) => {
          const here = [...phase.automatic, ...phase.optional];
          return {
            Id: phase.id,
            Name: names.get(phase.name) ?? phase.name,
            Progress: state,
            Blocked: !isOpen,
            AutomaticDeploymentTargets: phase.automatic,
            OptionalDeploymentTargets: phase.optional,
            MinimumEnvironmentsBeforePromotion: phase.minimumBeforePromotion,
            IsOptionalPhase: phase.isOptional,
            Deployments: rows
              .filter((row) => here.includes(row.environment_id))
              .map((row) => ({
                Deployment: { Id: row.id, EnvironmentId: row.environment_id, TaskId: row.task_id },
                Task: { Id: row.task_id, State: row.task_state },
              })),
          };
        }),
        Links: { Self: `/api/${space.id}/releases/${release.id}/progression` },
      });
    },
  }),
  read({
    path: "/releases/{id}/deployments/template",
    scope: "space",
    permission: "DeploymentView",
    answer: DeploymentTemplate,
    handler: async ({ db, space, params }) => {
      const release = await getRelease(db, space.id, params.id);
      const progress = await progressOf(db, release);
      const names = await environmentNames(db, space.id);
      const open = new Set(progress.phases.filter((one) => one.isOpen).flatMap(({ phase }) => [...phase.automatic, ...phase.optional]));
      const process = await getProcess(db, space.id, release.project_id);
      const changed = await compareWithFrozen(db, projectOfVariables(await projects.get(db, space.id, release.project_id)), {
        projectSnapshotId: release.variable_snapshot_id,
        librarySnapshotIds: release.library_variable_snapshot_ids,
      });
      return ok({
        Id: null,
        DeploymentNotes: release.release_notes,
        IsDeploymentProcessModified: (await findSnapshotVersion(db, release.process_snapshot_id)) !== process.version,
        IsVariableSetModified: changed.project,
        IsLibraryVariableSetModified: changed.library,
        PromoteTo: [...open].map((id) => ({ Id: id, Name: names.get(id) ?? id, Links: {} })),
        TenantPromotions: [],
        Links: { Self: `/api/${space.id}/releases/${release.id}/deployments/template` },
      });
    },
  }),
  change({
    method: "POST",
    path: "/deployments",
    scope: "space",
    permission: "DeploymentCreate",
    body: DeploymentBody,
    answer: Deployment,
    handler: async ({ tx, space, caller, body }) => {
      refuseUnsupported(body);
      const release = await store404AsInvalid(
        () => getRelease(tx, space.id, body.ReleaseId, "FOR SHARE"),
        `There is no release '${body.ReleaseId}' in this space.`,
      );
      const environment = await environments.find(tx, space.id, body.EnvironmentId);
      if (environment === undefined) throw problem.invalid(`There is no environment '${body.EnvironmentId}' in this space.`);
      const row = await createDeployment(tx, caller, {
        release,
        environmentId: environment.Id,
        comments: body.Comments ?? null,
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
      refuseUnsupported({
        QueueTime: body.RunAt ?? null,
        QueueTimeExpiry: body.NoRunAfter ?? null,
      });
      if (body.EnvironmentNames.length === 0) throw problem.invalid("EnvironmentNames must name at least one environment.");
      const project = await findProjectByText(tx, space.id, body.ProjectName);
      const found = await findReleaseByVersion(tx, project.Id, body.ReleaseVersion.trim());
      if (found === undefined) throw problem.invalid(`The project '${String(project["Name"])}' has no release ${body.ReleaseVersion}.`);
      if (body.UpdateVariableSnapshot === true) {
        requirePermission(caller, "ReleaseEdit", { spaceId: space.id, projectId: project.Id });
        await refreshVariables(tx, space.id, actor, found.id);
      }
      const release = await getRelease(tx, space.id, found.id, "FOR SHARE");
      const wanted = new Map<string, string>();
      for (const text of body.EnvironmentNames) wanted.set((await findEnvironmentByText(tx, space.id, text)).Id, text);
      const rows: DeploymentRow[] = [];
      for (const environmentId of [...wanted.keys()].sort()) {
        rows.push(
          await createDeployment(tx, caller, {
            release,
            environmentId,
            comments: null,
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
