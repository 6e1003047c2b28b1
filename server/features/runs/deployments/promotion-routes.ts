// Where a release stands and may go: its progress through the phases, the environments open to it, and what a deployment there would do.

import { Type } from "typebox";
import { DeploymentPreview, DeploymentPreviewsBody } from "@cuttle/contract/rest/deployments";
import { DeploymentTemplate, ReleaseProgression } from "@cuttle/contract/rest/releases";
import { problem } from "../../../base/problems.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { ask, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { environments } from "../../infrastructure/infrastructure.ts";
import { lifecycleProgress, phasesFor } from "../../library/library.ts";
import type { PhaseProgress } from "../../library/library.ts";
import {
  compareWithFrozen,
  findSnapshotSteps,
  findSnapshotVersion,
  getProcess,
  getRelease,
  listPrompts,
  loadPromptedVariables,
  presentForm,
  projectOfVariables,
  projects,
  tenantsOfProject,
  variableSnapshotIds,
} from "../../projects/projects.ts";
import type { ConnectedTenant, ConnectivityPolicy, ReleaseRow } from "../../projects/projects.ts";
import { environmentNames } from "./create-deployment.ts";
import { previewSteps } from "./deployment-preview.ts";
import { changesOf } from "./deployment-changes.ts";
import * as store from "./deployment-store.ts";
import type { DeploymentRow } from "./deployment-store.ts";
import { openEnvironments, phasesOfRelease, promotionOf } from "./promotion.ts";
import type { Promotion } from "./promotion.ts";
import { fitsTags } from "./tenant-tags.ts";

/** Newest deployments of a release that its progress shows. */
const shownDeploymentsMax = 1_000;

/** Shows a deployment as clients see it. */
export type PresentDeployment = (row: DeploymentRow) => object;

function presentTask(row: DeploymentRow) {
  return {
    Id: row.task_id,
    State: row.task_state,
    IsCompleted: row.task_completed_at !== null,
    FinishedSuccessfully: row.task_state === "Success",
    QueueTime: row.task_queued_at,
    StartTime: row.task_started_at,
    CompletedTime: row.task_completed_at,
    ErrorMessage: row.task_error_message,
    HasWarningsOrErrors: row.task_has_warnings_or_errors,
    Links: { Self: `/api/${row.space_id}/tasks/${row.task_id}` },
  };
}

function presentPhase(one: PhaseProgress, promotion: Promotion, names: ReadonlyMap<string, string>, deployments: readonly object[]) {
  const { phase } = one;
  const here = [...phase.automatic, ...phase.optional];
  const isHeld = promotion.defect !== undefined && !here.some((id) => promotion.visited.has(id));
  return {
    Id: phase.id,
    Name: names.get(phase.name) ?? phase.name,
    Progress: one.progress,
    Blocked: !one.isOpen || isHeld,
    AutomaticDeploymentTargets: phase.automatic,
    OptionalDeploymentTargets: phase.optional,
    MinimumEnvironmentsBeforePromotion: phase.minimumBeforePromotion,
    IsOptionalPhase: phase.isOptional,
    IsPriorityPhase: phase.isPriority,
    Deployments: deployments,
  };
}

/** Environments that still have to succeed before the phase the release is in is complete. */
function missingInPhase({ progress }: Promotion): number {
  const current = progress.phases.find((one) => one.progress === "Current");
  if (current === undefined) return 0;
  const { automatic, optional, minimumBeforePromotion } = current.phase;
  const all = automatic.length + optional.length;
  const needed = minimumBeforePromotion === 0 ? all : Math.min(minimumBeforePromotion, all);
  return Math.max(0, needed - current.succeeded);
}

async function presentProgression(db: Queryable, release: ReleaseRow, present: PresentDeployment) {
  const promotion = await promotionOf(db, release, null);
  const names = await environmentNames(db, release.space_id);
  const { rows } = await store.listDeployments(db, release.space_id, { releaseId: release.id }, { skip: 0, take: shownDeploymentsMax });
  const open = new Set(openEnvironments(promotion));
  return {
    Id: null,
    NextDeployments: promotion.progress.next.filter((id) => open.has(id)),
    NextDeploymentsMinimumRequired: missingInPhase(promotion),
    HasUnresolvedDefect: promotion.defect !== undefined,
    ReleaseRetentionPeriod: null,
    Phases: promotion.progress.phases.map((one) => {
      const here = rows.filter((row) => [...one.phase.automatic, ...one.phase.optional].includes(row.environment_id));
      const shown = here.map((row) => ({ Deployment: present(row), Task: presentTask(row) }));
      return presentPhase(one, promotion, names, shown);
    }),
    Links: { Self: `/api/${release.space_id}/releases/${release.id}/progression` },
  };
}

async function presentTemplate(db: Queryable, release: ReleaseRow) {
  const project = await projects.get(db, release.space_id, release.project_id);
  const names = await environmentNames(db, release.space_id);
  const process = await getProcess(db, release.space_id, release.project_id);
  const changed = await compareWithFrozen(db, projectOfVariables(project), {
    projectSnapshotId: release.variable_snapshot_id,
    librarySnapshotIds: release.library_variable_snapshot_ids,
  });
  const self = `/api/${release.space_id}/releases/${release.id}`;
  const target = (id: string, tenant?: ConnectedTenant) => ({
    Id: id,
    Name: names.get(id) ?? id,
    Links: { Preview: `${self}/deployments/preview/${id}${tenant === undefined ? "" : `/${tenant.id}`}{?includeDisabledSteps}` },
  });
  const promotion = await promotionOf(db, release, null);
  const mode = project["TenantedDeploymentMode"];
  return {
    Id: null,
    DeploymentNotes: release.release_notes,
    IsDeploymentProcessModified: (await findSnapshotVersion(db, release.process_snapshot_id)) !== process.version,
    IsVariableSetModified: changed.project,
    IsLibraryVariableSetModified: changed.library,
    PromoteTo: mode === "Tenanted" ? [] : openEnvironments(promotion).map((id) => target(id)),
    TenantPromotions: mode === "Untenanted" ? [] : await presentTenants(db, release, promotion, target),
    Links: { Self: `${self}/deployments/template` },
  };
}

async function presentTenants(
  db: Queryable,
  release: ReleaseRow,
  untenanted: Promotion,
  target: (id: string, tenant: ConnectedTenant) => object,
) {
  const phases = await phasesOfRelease(db, release);
  const succeeded = await store.succeededEnvironmentsByTenant(db, release.id);
  const admitted = await admittedTenants(db, release);
  return admitted.map((tenant) => {
    const own = succeeded.get(tenant.id) ?? new Set<string>();
    const progress = lifecycleProgress(phasesFor(phases, new Set(tenant.environmentIds)), own);
    const open = openEnvironments({ progress, visited: own, defect: untenanted.defect });
    return { Id: tenant.id, Name: tenant.name, PromoteTo: open.map((id) => target(id, tenant)) };
  });
}

/** Tenants that a release may be deployed for. */
async function admittedTenants(db: Queryable, release: ReleaseRow): Promise<ConnectedTenant[]> {
  const wanted = await store.tagsOfChannel(db, release.channel_id);
  const connected = await tenantsOfProject(db, release.project_id);
  return connected.filter((tenant) => !tenant.isDisabled && fitsTags(tenant, wanted));
}

interface PreviewWanted {
  environment: string;
  tenant: string | null;
  includeDisabledSteps: boolean;
}

async function presentPreview(db: Queryable, release: ReleaseRow, wanted: PreviewWanted) {
  const environment = await environments.get(db, release.space_id, wanted.environment);
  const project = await projects.get(db, release.space_id, release.project_id);
  let tenant: ConnectedTenant | null = null;
  if (wanted.tenant !== null) {
    const text = wanted.tenant.toLowerCase();
    const connected = await tenantsOfProject(db, release.project_id);
    tenant = connected.find((one) => one.id.toLowerCase() === text || one.slug.toLowerCase() === text) ?? null;
    if (tenant === null) throw problem.notFound("tenant", wanted.tenant);
  }
  const candidates = await store.listCandidates(db, environment.Id, tenant?.id ?? null);
  const mode = project["DefaultGuidedFailureMode"];
  const template = project["DeploymentChangesTemplate"];
  const changes = await changesOf(db, release, {
    environmentId: environment.Id,
    tenantId: tenant?.id ?? null,
    template,
    nowMs: Date.now(),
  });
  const self = `/api/${release.space_id}/releases/${release.id}/deployments/preview/${environment.Id}${tenant === null ? "" : `/${tenant.id}`}`;
  return {
    Id: null,
    StepsToExecute: previewSteps({
      spaceId: release.space_id,
      steps: (await findSnapshotSteps(db, release.process_snapshot_id)) ?? [],
      channelId: release.channel_id,
      environmentId: environment.Id,
      tenant,
      connectivity: project["ProjectConnectivityPolicy"] as ConnectivityPolicy,
      machines: candidates.map((one) => ({ id: one.id, name: one.name, roles: one.roles, healthStatus: one.health_status })),
      includeDisabledSteps: wanted.includeDisabledSteps,
    }),
    Form: presentForm(
      listPrompts(await loadPromptedVariables(db, variableSnapshotIds(release)), {
        environmentId: environment.Id,
        channelId: release.channel_id,
        projectId: project.Id,
        ...(tenant === null ? {} : { tenantTags: tenant.tags }),
      }),
    ),
    UseGuidedFailureModeByDefault: mode === "On" || (mode === "EnvironmentDefault" && environment["UseGuidedFailure"] === true),
    Changes: changes.list,
    ChangesMarkdown: changes.markdown,
    Links: { Self: self, Release: `/api/${release.space_id}/releases/${release.id}` },
  };
}

const previewQuery = Type.Object({ includeDisabledSteps: Type.Optional(Type.Boolean()) });

export function promotionRoutes(present: PresentDeployment): Route[] {
  return [
    read({
      path: "/releases/{id}/progression",
      scope: "space",
      permission: "ReleaseView",
      answer: ReleaseProgression,
      handler: async ({ db, space, params }) => ok(await presentProgression(db, await getRelease(db, space.id, params.id), present)),
    }),
    read({
      path: "/releases/{id}/deployments/template",
      scope: "space",
      permission: "DeploymentView",
      answer: DeploymentTemplate,
      handler: async ({ db, space, params }) => ok(await presentTemplate(db, await getRelease(db, space.id, params.id))),
    }),
    read({
      path: "/releases/{id}/deployments/preview/{environment}",
      scope: "space",
      permission: "DeploymentView",
      query: previewQuery,
      answer: DeploymentPreview,
      handler: async ({ db, space, params, query }) => {
        const release = await getRelease(db, space.id, params.id);
        const { includeDisabledSteps = false } = query;
        return ok(await presentPreview(db, release, { environment: params.environment, tenant: null, includeDisabledSteps }));
      },
    }),
    read({
      path: "/releases/{id}/deployments/preview/{environment}/{tenant}",
      scope: "space",
      permission: "DeploymentView",
      query: previewQuery,
      answer: DeploymentPreview,
      handler: async ({ db, space, params, query }) => {
        const release = await getRelease(db, space.id, params.id);
        const { includeDisabledSteps = false } = query;
        return ok(await presentPreview(db, release, { environment: params.environment, tenant: params.tenant, includeDisabledSteps }));
      },
    }),
    ask({
      path: "/releases/{id}/deployments/previews",
      scope: "space",
      permission: "DeploymentView",
      body: DeploymentPreviewsBody,
      answer: Type.Array(DeploymentPreview),
      handler: async ({ db, space, params, body }) => {
        const release = await getRelease(db, space.id, params.id);
        const previews = [];
        for (const { EnvironmentId, TenantId } of body.DeploymentPreviews) {
          const wanted = { environment: EnvironmentId, tenant: TenantId || null, includeDisabledSteps: body.IncludeDisabledSteps ?? false };
          previews.push(await presentPreview(db, release, wanted));
        }
        return ok(previews);
      },
    }),
  ];
}
