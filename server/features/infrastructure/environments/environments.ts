// Environments: where releases go. Their order is the order of the default lifecycle.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import { Environment, EnvironmentBody, EnvironmentV2, SortOrderBody } from "@cuttle/contract/rest/environments";
import { recordEvent } from "../../../platform/audit/audit.ts";
import { change, nothing, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource, listQuery, resolveIds } from "../../../platform/resources/resources.ts";
import type { Document } from "../../../platform/resources/resources.ts";
import { environmentIdsInOrder, nextSortOrder, setSortOrder } from "./environment-store.ts";

export const environments = defineResource({
  kind: "Environment",
  collection: "Environments",
  path: "environments",
  table: {
    name: "environments",
    orderBy: "r.sort_order, lower(r.name)",
    slug: true,
    fields: {
      Name: { column: "name" },
      Description: { column: "description", empty: "" },
      SortOrder: { column: "sort_order", empty: null },
      UseGuidedFailure: { column: "use_guided_failure", empty: false },
      AllowDynamicInfrastructure: { column: "allow_dynamic_infrastructure", empty: false },
      EnvironmentTags: { column: "environment_tags", empty: [] },
      ExtensionSettings: { column: "extension_settings", empty: [], json: true },
    },
  },
  answer: Environment,
  body: EnvironmentBody,
  permissions: { view: "EnvironmentView", create: "EnvironmentCreate", edit: "EnvironmentEdit", delete: "EnvironmentDelete" },
  links: ({ Id }, base) => ({
    Machines: `${base}/environments/${Id}/machines{?skip,take,partialName,roles,isDisabled,healthStatuses,commStyles,tenantIds,tenantTags,shellNames}`,
    SinglyScopedVariableDetails: `${base}/environments/${Id}/singlyScopedVariableDetails`,
  }),
  beforeSave: async (tx, save) => {
    // A new environment goes last. The Go and .NET clients cannot leave the member out: they send 0 for it.
    if (save.values["SortOrder"] === null || (save.current === undefined && save.values["SortOrder"] === 0))
      save.values["SortOrder"] = save.current?.["SortOrder"] ?? (await nextSortOrder(tx, save.spaceId));
  },
});

const v2Query = Type.Object({
  ...listQuery,
  name: Type.Optional(Type.String()),
  partialName: Type.Optional(Type.String()),
  type: Type.Optional(Type.Array(Type.String())),
});

function presentV2(document: Document) {
  return { ...document, Type: "Static" };
}

export const environmentRoutes: Route[] = [
  ...environments.routes,
  read({
    path: "/environments/v2",
    scope: "space",
    permission: "EnvironmentView",
    query: v2Query,
    answer: page(EnvironmentV2),
    handler: async ({ db, space, query }) => {
      // All our environments are static ones.
      const none = query.type !== undefined && query.type.length > 0 && !query.type.some((type) => type.toLowerCase() === "static");
      const found = await environments.list(db, space.id, query, {
        path: `/api/${space.id}/environments/v2`,
        where: none ? [{ sql: "false", values: [] }] : [],
      });
      return ok({ ...found, ItemType: "EnvironmentV2", Items: (found.Items as Document[]).map(presentV2) });
    },
  }),
  change({
    method: "PUT",
    path: "/environments/sortorder",
    scope: "space",
    permission: "EnvironmentEdit",
    body: SortOrderBody,
    answer: "nothing",
    handler: async ({ tx, space, actor, body }) => {
      const ids = await resolveIds(tx, "environments", "environment", space.id, body);
      await setSortOrder(tx, space.id, ids);
      await recordEvent(tx, {
        spaceId: space.id,
        category: "Modified",
        actor,
        message: "The order of the environments was changed",
        relatedDocumentIds: ids,
      });
      return nothing();
    },
  }),
];

export { environmentIdsInOrder };
