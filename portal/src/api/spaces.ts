// The spaces of this installation that the user may see.

import { queryOptions } from "@tanstack/react-query";
import type { Space } from "./documents.ts";
import { api } from "./request.ts";

export const spacesQuery = queryOptions({
  queryKey: ["spaces"],
  queryFn: ({ signal }) => api.get<Space[]>("/spaces/all", { signal }),
  staleTime: 5 * 60_000,
  meta: { changesOf: ["Spaces"] },
});
