// SQL of machines beyond what every resource has: their environments, tenants and roles.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export async function setMachineEnvironments(tx: Transaction, machineId: string, environmentIds: readonly string[]): Promise<void> {
  await tx.execute(`DELETE FROM machine_environments WHERE machine_id = $1 AND environment_id <> ALL ($2)`, [machineId, environmentIds]);
  await tx.execute(`INSERT INTO machine_environments (machine_id, environment_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`, [
    machineId,
    environmentIds,
  ]);
}

/** Tenants by id, and tags by canonical name, that the machine serves. */
export async function setMachineTenants(
  tx: Transaction,
  machineId: string,
  spaceId: string,
  served: { tenantIds: readonly string[]; tags: readonly string[] },
): Promise<void> {
  await tx.execute(`DELETE FROM machine_tenants WHERE machine_id = $1 AND tenant_id <> ALL ($2)`, [machineId, served.tenantIds]);
  await tx.execute(`INSERT INTO machine_tenants (machine_id, tenant_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`, [
    machineId,
    served.tenantIds,
  ]);
  await tx.execute(`DELETE FROM machine_tags WHERE machine_id = $1 AND tag <> ALL ($2)`, [machineId, served.tags]);
  await tx.execute(`INSERT INTO machine_tags (machine_id, space_id, tag) SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING`, [
    machineId,
    spaceId,
    served.tags,
  ]);
}

export async function listRoles(db: Queryable, spaceId: string): Promise<string[]> {
  const rows = await db.query<{ role: string }>(
    `SELECT min(role) AS role FROM machines, unnest(roles) AS role WHERE space_id = $1 GROUP BY lower(role) ORDER BY lower(min(role))`,
    [spaceId],
  );
  return rows.map((row) => row.role);
}
