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
