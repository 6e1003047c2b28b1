// What is deployed where in a space.

import { queryOptions } from "@tanstack/react-query";
import type { Dashboard } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path } from "./request.ts";

export const dashboardQuery = (space: string) =>
  queryOptions({
    queryKey: keyOf("dashboard", space),
    queryFn: ({ signal }) => api.get<Dashboard>(path`/${space}/dashboard`, { signal }),
    meta: {
      changesOf: [
        "Deployments",
        "ServerTasks",
        "Interruptions",
        "Releases",
        "Projects",
        "ProjectGroups",
        "Environments",
        "Lifecycles",
        "Tenants",
      ],
    },
  });
