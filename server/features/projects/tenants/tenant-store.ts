// SQL of tenants beyond what every resource has: their tags.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export async function setTenantTags(tx: Transaction, tenantId: string, spaceId: string, tags: readonly string[]): Promise<void> {
  await tx.execute(`DELETE FROM tenant_tags WHERE tenant_id = $1 AND tag <> ALL ($2)`, [tenantId, tags]);
  await tx.execute(`INSERT INTO tenant_tags (tenant_id, space_id, tag) SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING`, [
    tenantId,
    spaceId,
    tags,
  ]);
}

export async function hasTenants(db: Queryable, spaceId: string): Promise<boolean> {
  return (await db.query(`SELECT 1 FROM tenants WHERE space_id = $1 LIMIT 1`, [spaceId])).length > 0;
}

/** Project id → environments in which the tenant can be deployed for. */
export async function setTenantProjects(tx: Transaction, tenantId: string, connected: Record<string, readonly string[]>): Promise<void> {
  const projectIds = Object.keys(connected);
  const pairs = Object.entries(connected).flatMap(([project, environments]) => environments.map((environment) => [project, environment]));
  await tx.execute(`DELETE FROM tenant_projects WHERE tenant_id = $1 AND project_id <> ALL ($2)`, [tenantId, projectIds]);
  await tx.execute(`INSERT INTO tenant_projects (tenant_id, project_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`, [
    tenantId,
    projectIds,
  ]);
  const values = [tenantId, pairs.map(([project]) => project), pairs.map(([, environment]) => environment)];
  await tx.execute(
    `DELETE FROM tenant_environments te WHERE te.tenant_id = $1
        AND NOT EXISTS (SELECT 1 FROM unnest($2::text[], $3::text[]) AS kept (project_id, environment_id)
                         WHERE kept.project_id = te.project_id AND kept.environment_id = te.environment_id)`,
    values,
  );
  await tx.execute(
    `INSERT INTO tenant_environments (tenant_id, project_id, environment_id)
     SELECT $1, kept.project_id, kept.environment_id FROM unnest($2::text[], $3::text[]) AS kept (project_id, environment_id)
     ON CONFLICT DO NOTHING`,
    values,
  );
}

/** A tenant as deployments of one project need it. */
export interface ConnectedTenant {
  id: string;
  name: string;
  slug: string;
  isDisabled: boolean;
  tags: string[];
  environmentIds: string[];
}

/** Tenants that are connected to a project, by name. */
export async function tenantsOfProject(db: Queryable, projectId: string): Promise<ConnectedTenant[]> {
  return db.query<ConnectedTenant & Record<string, unknown>>(
    `SELECT t.id, t.name, t.slug, t.is_disabled AS "isDisabled",
            ARRAY(SELECT tt.tag FROM tenant_tags tt WHERE tt.tenant_id = t.id ORDER BY lower(tt.tag)) AS tags,
            ARRAY(SELECT te.environment_id FROM tenant_environments te
                   WHERE te.tenant_id = t.id AND te.project_id = $1 ORDER BY te.environment_id) AS "environmentIds"
       FROM tenant_projects tp JOIN tenants t ON t.id = tp.tenant_id
      WHERE tp.project_id = $1 ORDER BY lower(t.name)`,
    [projectId],
  );
}
