// How far a space is from nothing to its first deployment, and where it goes on.

import { queryOptions } from "@tanstack/react-query";
import type { DeploymentProcess, Page, Project, Release } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path, withQuery } from "./request.ts";

export interface FirstRun {
  hasEnvironment: boolean;
  hasTarget: boolean;
  /** The project that is led through: the one of the newest release, else the first. */
  project: Project | undefined;
  hasSteps: boolean;
  release: Release | undefined;
  /** `made`: there is one, but none has succeeded yet. */
  deployment: "none" | "made" | "succeeded";
}

export const firstRunQuery = (space: string) =>
  queryOptions({
    queryKey: keyOf("first-run", space),
    queryFn: async ({ signal }): Promise<FirstRun> => {
      const first = async <T>(collection: string): Promise<T | undefined> =>
        (await api.get<Page<T>>(withQuery(path`/${space}/${collection}`, { take: 1 }), { signal })).Items[0];
      const [environment, target, anyProject, release, deployment, success] = await Promise.all([
        first("environments"),
        first("machines"),
        first<Project>("projects"),
        first<Release>("releases"),
        first("deployments"),
        api.get<Page<unknown>>(withQuery(path`/${space}/tasks`, { name: "Deploy", states: "Success", take: 1 }), { signal }),
      ]);
      const project =
        release === undefined ? anyProject : await api.get<Project>(path`/${space}/projects/${release.ProjectId}`, { signal });
      const process =
        project === undefined
          ? undefined
          : await api.get<DeploymentProcess>(path`/${space}/deploymentprocesses/${project.DeploymentProcessId}`, { signal });
      return {
        hasEnvironment: environment !== undefined,
        hasTarget: target !== undefined,
        project,
        hasSteps: (process?.Steps.length ?? 0) > 0,
        release,
        deployment: success.Items.length > 0 ? "succeeded" : deployment === undefined ? "none" : "made",
      };
    },
    meta: { changesOf: ["Environments", "Machines", "Projects", "Releases", "Deployments", "ServerTasks"] },
  });
