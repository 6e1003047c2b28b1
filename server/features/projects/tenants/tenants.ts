// Tenants: the customers a team deploys for. Each is connected to projects and, in each of them, to environments: there it can be deployed for.

import { Type } from "typebox";
import { Tenant, TenantBody, TenantsStatus } from "@cuttle/contract/rest/tenants";
import { problem } from "../../../base/problems.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { forgetSecretsOf } from "../../../platform/kept-secrets/kept-secrets.ts";
import { defineResource, resolveIds } from "../../../platform/resources/resources.ts";
import { hasTenants, setTenantProjects, setTenantTags } from "./tenant-store.ts";

export { tenantsOfProject } from "./tenant-store.ts";
export type { ConnectedTenant } from "./tenant-store.ts";

/** Under this name the sensitive values of a tenant are kept. */
export function tenantSecretsOwner(tenantId: string): string {
  return `tenantvariables-${tenantId}`;
}

/** Each costs some statements of a save. */
const projectsPerTenantMax = 1_000;

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
      ClonedFromTenantId: { column: "cloned_from_tenant_id", empty: null },
      TenantTags: {
        column: "tenant_tags",
        select: "ARRAY(SELECT tt.tag FROM tenant_tags tt WHERE tt.tenant_id = r.id ORDER BY lower(tt.tag))",
        empty: [],
        references: { table: "tags", kind: "tag", column: "canonical_name" },
      },
      ProjectEnvironments: {
        column: "project_environments",
        select: `COALESCE((SELECT jsonb_object_agg(tp.project_id, ARRAY(SELECT te.environment_id FROM tenant_environments te
                   WHERE te.tenant_id = tp.tenant_id AND te.project_id = tp.project_id ORDER BY te.environment_id))
                   FROM tenant_projects tp WHERE tp.tenant_id = r.id), '{}'::jsonb)`,
        empty: {},
      },
    },
  },
  answer: Tenant,
  body: TenantBody,
  ownCreate: true,
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
    clonedFromTenantId: {
      type: Type.String(),
      where: (value: string) => ({ sql: "lower(r.cloned_from_tenant_id) = lower($?)", values: [value] }),
    },
    projectId: {
      type: Type.String(),
      where: (projectId: string) => ({
        sql: "EXISTS (SELECT 1 FROM tenant_projects tp WHERE tp.tenant_id = r.id AND lower(tp.project_id) = lower($?))",
        values: [projectId],
      }),
    },
  },
  links: ({ Id }, base) => ({ Variables: `${base}/tenants/${Id}/variables` }),
  beforeSave: async (tx, { values, spaceId }) => {
    const wanted = Object.entries(values["ProjectEnvironments"] as Record<string, readonly string[]>);
    if (wanted.length > projectsPerTenantMax) throw problem.invalid(`A tenant is connected to at most ${projectsPerTenantMax} projects.`);
    const connected: Record<string, string[]> = {};
    for (const [project, environments] of wanted) {
      const [projectId] = await resolveIds(tx, "projects", "project", spaceId, [project]);
      connected[projectId!] = await resolveIds(tx, "environments", "environment", spaceId, environments);
    }
    values["ProjectEnvironments"] = connected;
  },
  beforeDelete: async (tx, { Id, SpaceId }) => {
    await forgetSecretsOf(tx, tenantSecretsOwner(Id), SpaceId);
  },
  afterSave: async (tx, save) => {
    await setTenantTags(tx, save.id, save.spaceId, save.values["TenantTags"] as string[]);
    await setTenantProjects(tx, save.id, save.values["ProjectEnvironments"] as Record<string, string[]>);
  },
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
