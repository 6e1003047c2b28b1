// How pages ask: one client of queries for the whole portal. A query names the documents it depends on (`meta.changesOf`), and is asked
// again when the server says that one of them changed. What was shown stays while it is asked again.

import { QueryClient } from "@tanstack/react-query";
import type { QueryKey } from "@tanstack/react-query";
import { ApiError } from "./request.ts";

declare module "@tanstack/react-query" {
  interface Register {
    queryMeta: {
      /** Ids ("Projects-1"), or their first words for all of a kind ("Projects"). */
      changesOf?: readonly string[];
    };
  }
}

/** Documents that changes are told of need no other reason to be asked again; the rest is old after this. */
const freshMs = 30_000;
const keptMs = 5 * 60_000;
const triesMax = 3;

/** Whether a browser takes itself for offline says nothing about a server on the same machine or in a closed network: requests are tried. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: freshMs,
        gcTime: keptMs,
        retry: (failures, error) => error instanceof ApiError && error.isTransient && failures < triesMax,
        retryDelay: (failures, error) =>
          Math.max(error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0, Math.min(8_000, 400 * 2 ** failures)),
        // The stream of changes and its reconnections say when to ask; see live-changes.ts.
        refetchOnWindowFocus: false,
        refetchOnReconnect: false,
        networkMode: "always",
      },
      mutations: { retry: false, networkMode: "always" },
    },
  });
}

/** Whether a query that depends on `wanted` is touched by a change of these documents. */
export function isTouched(wanted: readonly string[] | undefined, changed: ReadonlySet<string>): boolean {
  if (wanted === undefined) return false;
  return wanted.some((one) => changed.has(one));
}

/** Ids together with the first words of each, to look up in. */
export function changedNames(ids: Iterable<string>): Set<string> {
  const names = new Set<string>();
  for (const id of ids) {
    names.add(id);
    const end = id.lastIndexOf("-");
    if (end > 0) names.add(id.slice(0, end));
  }
  return names;
}

/** Keys begin with the kind of document and its space, so that a whole kind can be asked again after a change of one's own. */
export function keyOf(kind: string, space: string, ...rest: readonly unknown[]): QueryKey {
  return [kind, space, ...rest];
}
