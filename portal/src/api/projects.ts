// Projects, and how far their releases have come.

import { queryOptions } from "@tanstack/react-query";
import type { Channel, Deployment, Lifecycle, Page, Progression, Project, ProjectGroup, Release } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path, withQuery } from "./request.ts";

/** Releases of the overview; older ones that are still deployed somewhere come with them. */
const releasesShown = 30;

/** By id or slug. */
export const projectQuery = (space: string, project: string) =>
  queryOptions({
    queryKey: keyOf("project", space, project),
    queryFn: ({ signal }) => api.get<Project>(path`/${space}/projects/${project}`, { signal }),
    meta: { changesOf: ["Projects"] },
  });

export const projectsQuery = (space: string) =>
  queryOptions({
    queryKey: keyOf("projects", space),
    queryFn: ({ signal }) => api.get<Project[]>(path`/${space}/projects/all`, { signal }),
    meta: { changesOf: ["Projects"] },
  });

export const progressionQuery = (space: string, project: string) =>
  queryOptions({
    queryKey: keyOf("progression", space, project),
    queryFn: ({ signal }) =>
      api.get<Progression>(withQuery(path`/${space}/projects/${project}/progression`, { releaseHistoryCount: releasesShown }), { signal }),
    meta: { changesOf: ["Releases", "Deployments", "ServerTasks", "Environments", "Lifecycles", "Channels"] },
  });

/** The release that is in an environment now, when it is newer than this one: to deploy this one there is to go back. */
export function newerThere(progression: Progression, environment: string, release: Release): Release | undefined {
  const there = releaseThere(progression, environment);
  return there !== undefined && there.Id !== release.Id && Date.parse(there.Assembled) > Date.parse(release.Assembled) ? there : undefined;
}

/** What was deployed to an environment last, whatever came of it. */
export function releaseThere(progression: Progression, environment: string): Release | undefined {
  return progression.Releases.find(({ Deployments }) => Deployments[environment]?.some((one) => one.IsCurrent))?.Release;
}

/** What was deployed well there last before this deployment, to go back to; nothing when another one is there by now. */
export function findWayBack(progression: Progression, deployment: Deployment): { release: Release; isOlder: boolean } | undefined {
  const { EnvironmentId: environment, TenantId: tenant, ReleaseId: own, TaskId: task } = deployment;
  const there = progression.Releases.flatMap(({ Release: release, Deployments }) =>
    (Deployments[environment] ?? []).filter((one) => one.TenantId === tenant).map((item) => ({ release, item })),
  ).toSorted((a, b) => b.item.Created.localeCompare(a.item.Created));
  if (there[0]?.item.TaskId !== task) return undefined;
  const before = there.find(({ release, item }) => item.State === "Success" && release.Id !== own)?.release;
  return before && { release: before, isOlder: Date.parse(before.Assembled) < Date.parse(there[0].release.Assembled) };
}

export const channelsQuery = (space: string, project: string) =>
  queryOptions({
    queryKey: keyOf("channels", space, project),
    queryFn: async ({ signal }) => (await api.get<Page<Channel>>(path`/${space}/projects/${project}/channels`, { signal })).Items,
    meta: { changesOf: ["Channels"] },
  });

export const projectGroupsQuery = (space: string) =>
  queryOptions({
    queryKey: keyOf("project-groups", space),
    queryFn: ({ signal }) => api.get<ProjectGroup[]>(path`/${space}/projectgroups/all`, { signal }),
    meta: { changesOf: ["ProjectGroups"] },
  });

export const lifecyclesQuery = (space: string) =>
  queryOptions({
    queryKey: keyOf("lifecycles", space),
    queryFn: ({ signal }) => api.get<Lifecycle[]>(path`/${space}/lifecycles/all`, { signal }),
    meta: { changesOf: ["Lifecycles"] },
  });

export interface NewProject {
  Name: string;
  Description: string;
  ProjectGroupId: string;
  LifecycleId: string;
}

/** Names are unique in a space, so asking again after a lost answer makes no second one. */
export const createProject = (space: string, body: NewProject): Promise<Project> => api.post(path`/${space}/projects`, body);
