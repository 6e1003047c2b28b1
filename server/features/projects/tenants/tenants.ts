// Tenants: the customers a team deploys for. Today they can be made, tagged and named by deployment targets; deploying for one is not
// there yet, so projects cannot be connected.

import { Type } from "typebox";
import { Tenant, TenantBody, TenantsStatus } from "@cuttle/contract/rest/tenants";
import { problem } from "../../../base/problems.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource } from "../../../platform/resources/resources.ts";
import { hasTenants, setTenantTags } from "./tenant-store.ts";

export const tenants = defineResource({
  kind: "Tenant",
  collection: "Tenants",
  path: "tenants",
  table: {
    name: "tenants",
    orderBy: "lower(r.name)",
    slug: true,
    fields: {
      Name: { column: "name" },
      Description: { column: "description", empty: "" },
      IsDisabled: { column: "is_disabled", empty: false },
      TenantTags: {
        column: "tenant_tags",
        select: "ARRAY(SELECT tt.tag FROM tenant_tags tt WHERE tt.tenant_id = r.id ORDER BY lower(tt.tag))",
        empty: [],
        references: { table: "tags", kind: "tag", column: "canonical_name" },
      },
    },
  },
  answer: Tenant,
  body: TenantBody,
  permissions: { view: "TenantView", create: "TenantCreate", edit: "TenantEdit", delete: "TenantDelete" },
  filters: {
    isDisabled: { type: Type.Boolean(), where: (value: boolean) => ({ sql: "r.is_disabled = $?", values: [value] }) },
    // Tags of one set mean any of them, tags of different sets mean all of them.
    tags: {
      type: Type.Array(Type.String()),
      where: (tags: string[]) => ({
        sql: `NOT EXISTS (SELECT 1 FROM unnest($?::text[]) AS wanted GROUP BY split_part(lower(wanted), '/', 1)
                HAVING NOT bool_or(EXISTS (SELECT 1 FROM tenant_tags tt WHERE tt.tenant_id = r.id AND lower(tt.tag) = lower(wanted))))`,
        values: [tags],
      }),
    },
    // No tenant is connected to a project yet.
    projectId: { type: Type.String(), where: () => ({ sql: "false", values: [] }) },
  },
  present: (document) => Object.assign(document, { ProjectEnvironments: {}, ClonedFromTenantId: null }),
  beforeSave: async (_tx, { body }) => {
    if (Object.keys((body["ProjectEnvironments"] as object | null | undefined) ?? {}).length > 0)
      throw problem.invalid("Tenanted deployments are not supported yet: ProjectEnvironments must be empty.");
  },
  afterSave: async (tx, save) => setTenantTags(tx, save.id, save.spaceId, save.values["TenantTags"] as string[]),
});

export const tenantRoutes: Route[] = [
  ...tenants.routes,
  read({
    path: "/tenants/status",
    scope: "space",
    permission: "TenantView",
    answer: TenantsStatus,
    handler: async ({ db, space }) => ok({ Enabled: await hasTenants(db, space.id) }),
  }),
];
