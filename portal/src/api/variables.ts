// The variables of a project, saved as one set. Secrets go in and never come out.

import { queryOptions } from "@tanstack/react-query";
import type { Variable, VariableSet } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path } from "./request.ts";

/** By the project's id or slug. */
export const variablesQuery = (space: string, project: string) =>
  queryOptions({
    queryKey: keyOf("variables", space, project),
    queryFn: ({ signal }) => api.get<VariableSet>(path`/${space}/projects/${project}/variables`, { signal }),
    // What values may be limited to comes with them.
    meta: { changesOf: ["variableset-Projects", "deploymentprocess-Projects", "Environments", "Machines", "Channels"] },
  });

/** Refused with 409 when the set has another version by now. */
export const saveVariables = (space: string, id: string, version: number, variables: readonly Variable[]): Promise<VariableSet> =>
  api.put(path`/${space}/variables/${id}`, { Version: version, Variables: variables });
