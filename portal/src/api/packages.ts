// Packages of the built-in feed: what is there, and deleting. Files are sent by package-uploads.ts.

import { queryOptions } from "@tanstack/react-query";
import type { Package, Page } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path, withQuery } from "./request.ts";

export const packagesPerPage = 50;

export interface PackageFilter {
  /** A part of the id. */
  q?: string;
  /** All versions of this package instead of the newest of each. */
  id?: string;
  /** From 1 on. */
  page?: number;
}

export const packagesQuery = (space: string, filter: PackageFilter) =>
  queryOptions({
    queryKey: keyOf("packages", space, filter),
    queryFn: ({ signal }) =>
      api.get<Page<Package>>(
        withQuery(path`/${space}/packages`, {
          ...(filter.id === undefined ? { latest: true, filter: filter.q } : { nuGetPackageId: filter.id }),
          skip: ((filter.page ?? 1) - 1) * packagesPerPage,
          take: packagesPerPage,
        }),
        { signal },
      ),
    meta: { changesOf: ["feeds-builtin"] },
    placeholderData: (before, query) => (query?.queryKey[1] === space ? before : undefined),
  });

export const deletePackage = (space: string, id: string): Promise<void> => api.delete(path`/${space}/packages/${id}`);
