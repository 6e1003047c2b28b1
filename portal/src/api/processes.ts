// The deployment process of a project, and what its steps name: tags of machines and packages of the built-in feed.

import { queryOptions } from "@tanstack/react-query";
import type { DeploymentProcess, DeploymentStep, PackageDescription, Page } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path, withQuery } from "./request.ts";

/** By the project's id or slug. */
export const processQuery = (space: string, project: string) =>
  queryOptions({
    queryKey: keyOf("process", space, project),
    queryFn: ({ signal }) => api.get<DeploymentProcess>(path`/${space}/projects/${project}/deploymentprocesses`, { signal }),
    // The project's events name its process too.
    meta: { changesOf: ["deploymentprocess-Projects"] },
  });

/** Refused with 409 when the process has another version by now. */
export const saveProcess = (space: string, id: string, version: number, steps: readonly DeploymentStep[]): Promise<DeploymentProcess> =>
  api.put(path`/${space}/deploymentprocesses/${id}`, { Version: version, Steps: steps });

/** Tags of targets that are in use. */
export const targetTagsQuery = (space: string) =>
  queryOptions({
    queryKey: keyOf("target-tags", space),
    queryFn: ({ signal }) => api.get<string[]>(path`/${space}/machineroles/all`, { signal }),
    meta: { changesOf: ["Machines"] },
  });

export const builtInFeed = "feeds-builtin";
/** Suggestions of one search. */
const packagesOffered = 30;

export const packagesQuery = (space: string, term: string) =>
  queryOptions({
    queryKey: keyOf("package-search", space, term),
    queryFn: async ({ signal }) => {
      const wanted = { term: term === "" ? undefined : term, take: packagesOffered };
      const found = await api.get<Page<PackageDescription>>(withQuery(path`/${space}/feeds/${builtInFeed}/packages/search`, wanted), {
        signal,
      });
      return found.Items;
    },
  });
