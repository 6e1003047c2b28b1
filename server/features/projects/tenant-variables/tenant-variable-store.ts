// SQL of the values of tenants; the only writer of the table.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

/** Version of the stored values this program writes. */
const formatVersion = 1;

/** A text, or where a sensitive one is kept. */
export type StoredValue = string | { readonly secretId: string };
/** By the ids of templates. */
export type TemplateValues = { readonly [templateId: string]: StoredValue };

export interface StoredTenantVariables {
  version: number;
  /** By library set. */
  library: { readonly [setId: string]: TemplateValues };
  /** By project and environment. */
  projects: { readonly [projectId: string]: { readonly [environmentId: string]: TemplateValues } };
}

interface Row {
  version: number;
  format_version: number;
  variables: Pick<StoredTenantVariables, "library" | "projects">;
}

/** Of a tenant that has given none. */
export const nothing: StoredTenantVariables = { version: 0, library: {}, projects: {} };

function read(tenantId: string, row: Row | undefined): StoredTenantVariables {
  if (row === undefined) return nothing;
  if (row.format_version !== formatVersion)
    throw new Error(
      `The stored variables of ${tenantId} have format version ${row.format_version}; this node reads up to ${formatVersion}. Use a node of the version that wrote them.`,
    );
  return { version: row.version, ...row.variables };
}

export async function findTenantVariables(db: Queryable, tenantId: string): Promise<StoredTenantVariables> {
  const [row] = await db.query<Row & Record<string, unknown>>(
    `SELECT version, format_version, variables FROM tenant_variables WHERE tenant_id = $1`,
    [tenantId],
  );
  return read(tenantId, row);
}

/** Those of several tenants; one that has given none is left out. */
export async function listTenantVariables(db: Queryable, tenantIds: readonly string[]): Promise<Map<string, StoredTenantVariables>> {
  const rows = await db.query<Row & { tenant_id: string }>(
    `SELECT tenant_id, version, format_version, variables FROM tenant_variables WHERE tenant_id = ANY ($1)`,
    [tenantIds],
  );
  return new Map(rows.map((row) => [row.tenant_id, read(row.tenant_id, row)]));
}

/** Locks the values of a tenant for a save. */
export async function lockTenantVariables(tx: Transaction, tenantId: string): Promise<StoredTenantVariables> {
  await tx.execute(
    `INSERT INTO tenant_variables (tenant_id, format_version, variables) VALUES ($1, $2, '{"library":{},"projects":{}}') ON CONFLICT DO NOTHING`,
    [tenantId, formatVersion],
  );
  const [row] = await tx.query<Row & Record<string, unknown>>(
    `SELECT version, format_version, variables FROM tenant_variables WHERE tenant_id = $1 FOR UPDATE`,
    [tenantId],
  );
  return read(tenantId, row);
}

/** Stores a new version, and answers the secrets that nobody needs any more: none while a deployment of the tenant is under way. */
export async function updateTenantVariables(
  tx: Transaction,
  tenantId: string,
  variables: StoredTenantVariables,
  dropped: readonly string[],
): Promise<string[]> {
  const { version, library, projects } = variables;
  const [row] = await tx.query<{ forgotten: string[] }>(
    `WITH now AS (
       SELECT v.dropped_secret_ids || $4::uuid[] AS dropped,
              EXISTS (SELECT 1 FROM deployments d JOIN tasks t ON t.id = d.task_id
                       WHERE d.tenant_id = v.tenant_id AND t.completed_at IS NULL) AS is_used
         FROM tenant_variables v WHERE v.tenant_id = $1
     ), saved AS (
       UPDATE tenant_variables v SET version = $2, variables = $3, format_version = ${formatVersion},
              dropped_secret_ids = CASE WHEN now.is_used THEN now.dropped ELSE '{}' END
         FROM now WHERE v.tenant_id = $1)
     SELECT CASE WHEN is_used THEN '{}' ELSE dropped::text[] END AS forgotten FROM now`,
    [tenantId, version, JSON.stringify({ library, projects }), dropped],
  );
  return row?.forgotten ?? [];
}
