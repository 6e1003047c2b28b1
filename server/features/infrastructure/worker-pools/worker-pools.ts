// Worker pools. Every space has a default one.

import { SortOrderBody } from "@cuttle/contract/rest/environments";
import { WorkerPool, WorkerPoolBody } from "@cuttle/contract/rest/machines";
import { problem } from "../../../base/problems.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import { change, nothing } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource, resolveIds } from "../../../platform/resources/resources.ts";
import type { SpaceFiller } from "../../organization/organization.ts";
import { setPoolOrder } from "./worker-pool-store.ts";

export const workerPools = defineResource({
  kind: "WorkerPool",
  collection: "WorkerPools",
  path: "workerpools",
  table: {
    name: "worker_pools",
    orderBy: "r.sort_order, lower(r.name)",
    slug: true,
    fields: {
      Name: { column: "name" },
      Description: { column: "description", empty: "" },
      IsDefault: { column: "is_default", empty: false },
      SortOrder: { column: "sort_order", empty: 0 },
    },
  },
  answer: WorkerPool,
  body: WorkerPoolBody,
  permissions: { view: "WorkerView", create: "WorkerEdit", edit: "WorkerEdit", delete: "WorkerEdit" },
  oneDefault: true,
  links: ({ Id }, base) => ({
    Workers: `${base}/workerpools/${Id}/workers{?skip,take,partialName,isDisabled,healthStatuses,commStyles,shellNames}`,
  }),
  beforeSave: async (_tx, { body }) => {
    const type = body["WorkerPoolType"] as string | null | undefined;
    if (type && type.toLowerCase() !== "staticworkerpool")
      throw problem.invalid(
        "WorkerPoolType must be StaticWorkerPool. Dynamic pools are run by a cloud service that this server does not have.",
      );
  },
  present: (document) => Object.assign(document, { CanAddWorkers: true, WorkerPoolType: "StaticWorkerPool" }),
});

export const workerPoolRoutes: Route[] = [
  ...workerPools.routes,
  change({
    method: "PUT",
    path: "/workerpools/sortorder",
    scope: "space",
    permission: "WorkerEdit",
    body: SortOrderBody,
    answer: "nothing",
    handler: async ({ tx, space, actor, body }) => {
      const ids = await resolveIds(tx, "worker_pools", "worker pool", space.id, body);
      await setPoolOrder(tx, space.id, ids);
      await recordEvent(tx, {
        spaceId: space.id,
        category: "Modified",
        actor,
        message: "The order of the worker pools was changed",
        relatedDocumentIds: ids,
      });
      return nothing();
    },
  }),
];

export const fillWorkerPools: SpaceFiller = async (tx, spaceId, actor) => {
  await workerPools.create(tx, spaceId, actor, { Name: "Default Worker Pool", IsDefault: true });
};
