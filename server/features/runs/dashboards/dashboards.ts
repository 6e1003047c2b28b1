// What is deployed where: the dashboard of a space, and how far the releases of a project have come.

import { Type } from "typebox";
import { Dashboard, Progression } from "@cuttle/contract/rest/dashboards";
import { mayDo } from "../../../platform/access/access.ts";
import type { Caller } from "../../../platform/access/access.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { lifecycleProgress, phasesOfLifecycles } from "../../library/library.ts";
import type { LifecyclePhase } from "../../library/library.ts";
import { channelsOfProject, findUnresolvedDefects, listReleases, presentRelease, projects, tenants } from "../../projects/projects.ts";
import { presentItem } from "./dashboard-items.ts";
import * as store from "./dashboard-read-store.ts";
import type { DashboardProjectRow, ItemRow } from "./dashboard-read-store.ts";

/** Projects of one answer; a larger space asks for them by name. */
const projectsMax = 1_000;
const releaseHistoryDefault = 30;
const releaseHistoryMax = 500;

interface DashboardWanted {
  projectIds?: readonly string[] | undefined;
  environmentIds?: readonly string[] | undefined;
  releaseId?: string | undefined;
  tenantIds?: readonly string[] | undefined;
  withPrevious: boolean;
}

const environmentsOf = (phases: readonly LifecyclePhase[]): string[] => phases.flatMap((phase) => [...phase.automatic, ...phase.optional]);

/** Environments of each project, in their order; projects with the same lifecycles share the list. */
function createReach(phases: ReadonlyMap<string, readonly LifecyclePhase[]>, inOrder: readonly string[]) {
  const known = new Map<string, readonly string[]>();
  return (project: DashboardProjectRow): readonly string[] => {
    const key = project.lifecycle_ids.join(" ");
    let found = known.get(key);
    if (found === undefined) {
      const reached = new Set(project.lifecycle_ids.flatMap((id) => environmentsOf(phases.get(id) ?? [])));
      known.set(key, (found = inOrder.filter((id) => reached.has(id))));
    }
    return found;
  };
}

function inOrderOf(inOrder: readonly string[], lists: Iterable<readonly string[]>): readonly string[] {
  const own = new Set([...lists].flat());
  return inOrder.filter((id) => own.has(id));
}

interface Shown {
  projectIds: ReadonlySet<string>;
  environmentIds: ReadonlySet<string>;
  /** Whether these are all there are, so that nothing has to be looked for among them. */
  allProjects: boolean;
  allEnvironments: boolean;
  tenantIds: readonly string[] | undefined;
}

async function listShown(db: Queryable, spaceId: string, shown: Shown, releaseId: string | undefined): Promise<ItemRow[]> {
  const found =
    releaseId === undefined
      ? await store.listLatest(db, spaceId, {
          projectIds: shown.allProjects ? undefined : [...shown.projectIds],
          environmentIds: shown.allEnvironments ? undefined : [...shown.environmentIds],
          tenantIds: shown.tenantIds,
        })
      : await store.listLatestOfReleases(db, [releaseId]);
  // One that was made since the list was read is in the next answer.
  return found.filter(
    (row) => shown.projectIds.has(row.project_id) && (releaseId !== undefined || shown.environmentIds.has(row.environment_id)),
  );
}

async function presentDashboard(db: Queryable, caller: Caller, spaceId: string, wanted: DashboardWanted) {
  const base = `/api/${spaceId}`;
  const among = wanted.environmentIds === undefined ? undefined : new Set(wanted.environmentIds.map((id) => id.toLowerCase()));
  const sees = { spaceId };
  const [projectRows, environmentRows] = await Promise.all([
    store.listDashboardProjects(db, spaceId, wanted.projectIds, projectsMax),
    store.listEnvironmentNames(db, spaceId),
  ]);
  const shownProjects = projectRows.filter((row) => mayDo(caller, "ProjectView", { ...sees, projectId: row.id }));
  const shownEnvironments = environmentRows.filter(
    (row) =>
      (among === undefined || among.has(row.id.toLowerCase())) && mayDo(caller, "EnvironmentView", { ...sees, environmentId: row.id }),
  );
  const environmentIds = shownEnvironments.map((one) => one.id);
  const shown: Shown = {
    projectIds: new Set(shownProjects.map((one) => one.id)),
    environmentIds: new Set(environmentIds),
    allProjects: wanted.projectIds === undefined && projectRows.length < projectsMax && shownProjects.length === projectRows.length,
    allEnvironments: shownEnvironments.length === environmentRows.length,
    tenantIds: wanted.tenantIds,
  };
  const [found, groups, phases] = await Promise.all([
    listShown(db, spaceId, shown, wanted.releaseId),
    store.listGroups(db, [...new Set(shownProjects.map((one) => one.project_group_id))]),
    phasesOfLifecycles(
      db,
      spaceId,
      environmentRows.map((one) => one.id),
    ),
  ]);
  // Everything else is put together meanwhile.
  const previousRows = wanted.withPrevious
    ? store.listPreviousSuccesses(
        db,
        found.filter((one) => one.state !== "Success"),
      )
    : Promise.resolve([]);
  const reach = createReach(phases, environmentIds);
  const tenanted = shownProjects.some((one) => one.tenanted_deployment_mode !== "Untenanted");
  const document = {
    Id: null,
    Projects: shownProjects.map((row) => ({
      Id: row.id,
      Name: row.name,
      Slug: row.slug,
      ProjectGroupId: row.project_group_id,
      IsDisabled: row.is_disabled,
      TenantedDeploymentMode: row.tenanted_deployment_mode,
      CanPerformUntenantedDeployment: row.tenanted_deployment_mode !== "Tenanted",
      EnvironmentIds: reach(row),
      Links: {
        Self: `${base}/projects/${row.id}`,
        Progression: `${base}/projects/${row.id}/progression{?aggregate,releaseHistoryCount}`,
      },
    })),
    ProjectGroups: groups.map((group) => {
      const lists = new Set(shownProjects.filter((one) => one.project_group_id === group.id).map(reach));
      return {
        Id: group.id,
        Name: group.name,
        EnvironmentIds: lists.size === 1 ? [...lists][0] : inOrderOf(environmentIds, lists),
        Links: { Self: `${base}/projectgroups/${group.id}` },
      };
    }),
    Environments: shownEnvironments.map((row) => ({ Id: row.id, Name: row.name, Links: { Self: `${base}/environments/${row.id}` } })),
    Items: found.map((row) => presentItem(spaceId, row, "current")),
    ProjectLimit: projectsMax,
    IsFiltered: wanted.projectIds !== undefined || among !== undefined || wanted.releaseId !== undefined || wanted.tenantIds !== undefined,
    Links: { Self: `${base}/dashboard` },
  };
  const [previous, shownTenants] = await Promise.all([
    previousRows,
    tenanted ? presentTenants(db, spaceId, shownProjects, wanted.tenantIds) : [],
  ]);
  return { ...document, Tenants: shownTenants, PreviousItems: previous.map((row) => presentItem(spaceId, row, "previous")) };
}

async function presentTenants(
  db: Queryable,
  spaceId: string,
  shown: readonly DashboardProjectRow[],
  ids: readonly string[] | undefined,
): Promise<object[]> {
  const own = new Set(shown.map((one) => one.id));
  const found = await tenants.all(db, spaceId, ids === undefined ? {} : { ids });
  return found.map((tenant) => ({
    Id: tenant.Id,
    Name: tenant["Name"],
    TenantTags: tenant["TenantTags"],
    ProjectEnvironments: Object.fromEntries(Object.entries(tenant["ProjectEnvironments"] as object).filter(([id]) => own.has(id))),
    Links: { Self: tenant.Links["Self"]! },
  }));
}

async function presentProgression(db: Queryable, spaceId: string, projectIdOrSlug: string, historyCount: number) {
  const project = await projects.get(db, spaceId, projectIdOrSlug);
  const channels = await channelsOfProject(db, spaceId, project.Id);
  const names = new Map((await store.listEnvironmentNames(db, spaceId)).map((one) => [one.id, one.name]));
  const phases = await phasesOfLifecycles(db, spaceId, [...names.keys()]);
  const named = (ids: readonly string[]) => [...new Set(ids)].map((id) => ({ Id: id, Name: names.get(id) ?? id }));
  const lifecycleOf = (channel: (typeof channels)[number]): string => String(channel["LifecycleId"] ?? project["LifecycleId"]);
  const { rows: newest } = await listReleases(db, spaceId, { projectId: project.Id }, { skip: 0, take: historyCount });
  // An old release that is still the latest somewhere belongs to what people look for.
  const latest = await store.listLatest(db, spaceId, { projectIds: [project.Id] });
  const known = new Set(newest.map((one) => one.id));
  const older = [...new Set(latest.map((one) => one.release_id))].filter((id) => !known.has(id));
  const { rows: deployed } =
    older.length === 0
      ? { rows: [] }
      : await listReleases(db, spaceId, { projectId: project.Id, ids: older }, { skip: 0, take: historyCount });
  const releases = [...newest, ...deployed];
  const releaseIds = releases.map((one) => one.id);
  const items = Map.groupBy(await store.listLatestOfReleases(db, releaseIds), (row) => row.release_id);
  const current = new Set(latest.map((one) => one.id));
  const succeeded = await store.succeededByRelease(db, releaseIds);
  const defects = await findUnresolvedDefects(db, releaseIds);
  const reached = new Set(channels.flatMap((channel) => environmentsOf(phases.get(lifecycleOf(channel)) ?? [])));
  return {
    Id: null,
    Environments: named([...names.keys()].filter((id) => reached.has(id))),
    ChannelEnvironments: Object.fromEntries(
      channels.map((channel) => [channel.Id, named(environmentsOf(phases.get(lifecycleOf(channel)) ?? []))]),
    ),
    LifecycleEnvironments: Object.fromEntries(
      [...new Set(channels.map(lifecycleOf))].map((id) => [id, named(environmentsOf(phases.get(id) ?? []))]),
    ),
    Releases: releases.map((release) => {
      const channel = channels.find((one) => one.Id === release.channel_id);
      const own = Map.groupBy(items.get(release.id) ?? [], (row) => row.environment_id);
      const progress = lifecycleProgress(
        channel === undefined ? [] : (phases.get(lifecycleOf(channel)) ?? []),
        succeeded.get(release.id) ?? new Set(),
      );
      return {
        Release: presentRelease(release),
        Channel: channel,
        Deployments: Object.fromEntries(
          [...own].map(([id, rows]) => [id, rows.map((row) => presentItem(spaceId, row, current.has(row.id) ? "current" : "previous"))]),
        ),
        NextDeployments: defects.has(release.id) ? progress.next.filter((id) => own.has(id)) : progress.next,
        HasUnresolvedDefect: defects.has(release.id),
        ReleaseRetentionPeriod: null,
      };
    }),
    Links: { Self: `/api/${spaceId}/projects/${project.Id}/progression`, Project: project.Links["Self"]! },
  };
}

const texts = Type.Optional(Type.Array(Type.String()));
const progressionQuery = Type.Object({
  aggregate: Type.Optional(Type.Boolean()),
  releaseHistoryCount: Type.Optional(Type.Integer({ minimum: 1, maximum: 2_147_483_647 })),
});

function progressionAt(path: "/progression/{id}" | "/projects/{id}/progression"): Route {
  return read({
    path,
    scope: "space",
    permission: "ReleaseView",
    query: progressionQuery,
    answer: Progression,
    handler: async ({ db, space, params, query }) => {
      const count = Math.min(query.releaseHistoryCount ?? releaseHistoryDefault, releaseHistoryMax);
      return ok(await presentProgression(db, space.id, (params as { id: string }).id, count));
    },
  });
}

export const dashboardRoutes: readonly Route[] = [
  read({
    path: "/dashboard",
    scope: "space",
    permission: "DeploymentView",
    query: Type.Object({ projectId: texts, releaseId: Type.Optional(Type.String()), selectedTenants: texts }),
    answer: Dashboard,
    handler: async ({ db, caller, space, query }) =>
      ok(
        await presentDashboard(db, caller, space.id, {
          projectIds: filled(query.projectId),
          releaseId: query.releaseId || undefined,
          tenantIds: filled(query.selectedTenants),
          withPrevious: true,
        }),
      ),
  }),
  read({
    path: "/dashboard/dynamic",
    scope: "space",
    permission: "DeploymentView",
    query: Type.Object({ projects: texts, environments: texts, includePrevious: Type.Optional(Type.Boolean()) }),
    answer: Dashboard,
    handler: async ({ db, caller, space, query }) =>
      ok(
        await presentDashboard(db, caller, space.id, {
          projectIds: filled(query.projects),
          environmentIds: filled(query.environments),
          withPrevious: query.includePrevious ?? false,
        }),
      ),
  }),
  progressionAt("/progression/{id}"),
  progressionAt("/projects/{id}/progression"),
];

/** An empty list in a query is no filter. */
function filled(list: readonly string[] | undefined): readonly string[] | undefined {
  return list !== undefined && list.length > 0 ? list : undefined;
}
