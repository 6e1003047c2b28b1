// The environments of a space in their order, making and renaming them.

import { queryOptions } from "@tanstack/react-query";
import type { Environment } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path } from "./request.ts";

export const environmentsQuery = (space: string) =>
  queryOptions({
    queryKey: keyOf("environments", space),
    queryFn: ({ signal }) => api.get<Environment[]>(path`/${space}/environments/all`, { signal }),
    meta: { changesOf: ["Environments"] },
  });

export interface NewEnvironment {
  Name: string;
  Description: string;
  UseGuidedFailure: boolean;
}

export const createEnvironment = (space: string, body: NewEnvironment): Promise<Environment> =>
  api.post(path`/${space}/environments`, body);

/** The document goes back whole, so that what this page does not show stays. */
export const saveEnvironment = (space: string, environment: Environment): Promise<Environment> =>
  api.put(path`/${space}/environments/${environment.Id}`, environment);

/** Ids in the wanted order. */
export const orderEnvironments = (space: string, ids: readonly string[]): Promise<void> =>
  api.put(path`/${space}/environments/sortorder`, ids);
