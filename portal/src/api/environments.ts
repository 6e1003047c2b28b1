// The environments of a space in their order.

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
