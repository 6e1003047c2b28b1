// Reads what dashboards show, in a handful of statements whatever the number of projects and environments: the latest deployment of each place
// is marked, so nothing but what is shown is read. Writes nothing.

import type { Queryable } from "../../../platform/database/database.ts";

export interface ItemRow {
  id: string;
  number: number;
  project_id: string;
  environment_id: string;
  tenant_id: string | null;
  release_id: string;
  channel_id: string;
  task_id: string;
  /** Times are texts as clients read them: thousands of them are not worth a detour over dates. */
  created_at: string;
  release_version: string;
  state: string;
  queued_at: string;
  started_at: string | null;
  completed_at: string | null;
  error_message: string | null;
  has_warnings_or_errors: boolean;
  lasted_s: number | null;
}

const timeText = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"')`;
const columns = `d.id, d.number, d.project_id, d.environment_id, d.tenant_id, d.release_id, d.channel_id, d.task_id,
  ${timeText("d.created_at")} AS created_at, r.version AS release_version, t.state, ${timeText("t.queued_at")} AS queued_at,
  ${timeText("t.started_at")} AS started_at, ${timeText("t.completed_at")} AS completed_at, t.error_message, t.has_warnings_or_errors,
  extract(epoch FROM COALESCE(t.completed_at, now()) - t.started_at)::float8 AS lasted_s`;
const from = "deployments d JOIN releases r ON r.id = d.release_id JOIN tasks t ON t.id = d.task_id";

export interface ItemFilter {
  projectIds?: readonly string[] | undefined;
  environmentIds?: readonly string[] | undefined;
  tenantIds?: readonly string[] | undefined;
}

/** The newest deployment of each project, environment and tenant. */
export async function listLatest(db: Queryable, spaceId: string, filter: ItemFilter): Promise<ItemRow[]> {
  return db.query<ItemRow>(
    `SELECT DISTINCT ON (d.project_id, d.environment_id, d.tenant_id) ${columns} FROM ${from}
      WHERE d.space_id = $1 AND d.is_latest AND ($2::text[] IS NULL OR d.project_id = ANY ($2))
        AND ($3::text[] IS NULL OR d.environment_id = ANY ($3)) AND ($4::text[] IS NULL OR d.tenant_id IS NULL OR d.tenant_id = ANY ($4))
      ORDER BY d.project_id, d.environment_id, d.tenant_id, d.number DESC`,
    [spaceId, filter.projectIds ?? null, filter.environmentIds ?? null, filter.tenantIds ?? null],
    { name: "dashboard-latest" },
  );
}

/** The newest deployment of each of these releases in each environment and for each tenant. */
export async function listLatestOfReleases(db: Queryable, releaseIds: readonly string[]): Promise<ItemRow[]> {
  return db.query<ItemRow>(
    `SELECT DISTINCT ON (d.release_id, d.environment_id, d.tenant_id) ${columns} FROM ${from}
      WHERE d.release_id = ANY ($1) ORDER BY d.release_id, d.environment_id, d.tenant_id, d.number DESC`,
    [releaseIds],
  );
}

/** For each of these the newest success before it in its place. */
export async function listPreviousSuccesses(db: Queryable, items: readonly ItemRow[]): Promise<ItemRow[]> {
  if (items.length === 0) return [];
  return db.query<ItemRow>(
    `SELECT previous.* FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS place (project_id, environment_id, tenant_id, number)
      CROSS JOIN LATERAL (
        SELECT ${columns} FROM ${from}
         WHERE d.project_id = place.project_id AND d.environment_id = place.environment_id AND d.tenant_id IS NOT DISTINCT FROM place.tenant_id
           AND d.number < place.number AND t.state = 'Success'
         ORDER BY d.number DESC LIMIT 1) previous`,
    [
      items.map((one) => one.project_id),
      items.map((one) => one.environment_id),
      items.map((one) => one.tenant_id),
      items.map((one) => one.number),
    ],
  );
}

/** Release id → environments in which it succeeded without a tenant. */
export async function succeededByRelease(db: Queryable, releaseIds: readonly string[]): Promise<Map<string, Set<string>>> {
  const rows = await db.query<{ release_id: string; environment_ids: string[] }>(
    `SELECT d.release_id, array_agg(DISTINCT d.environment_id) AS environment_ids FROM deployments d JOIN tasks t ON t.id = d.task_id
      WHERE d.release_id = ANY ($1) AND d.tenant_id IS NULL AND t.state = 'Success' GROUP BY d.release_id`,
    [releaseIds],
  );
  return new Map(rows.map((row) => [row.release_id, new Set(row.environment_ids)]));
}

export interface DashboardProjectRow {
  id: string;
  name: string;
  slug: string;
  project_group_id: string;
  is_disabled: boolean;
  tenanted_deployment_mode: string;
  /** Of the project and of its channels, each once. */
  lifecycle_ids: string[];
}

/** By name. */
export async function listDashboardProjects(
  db: Queryable,
  spaceId: string,
  ids: readonly string[] | undefined,
  most: number,
): Promise<DashboardProjectRow[]> {
  return db.query<DashboardProjectRow>(
    `SELECT p.id, p.name, p.slug, p.project_group_id, p.is_disabled, p.tenanted_deployment_mode,
            ARRAY(SELECT p.lifecycle_id UNION SELECT c.lifecycle_id FROM channels c WHERE c.project_id = p.id AND c.lifecycle_id IS NOT NULL
                   ORDER BY 1) AS lifecycle_ids
       FROM projects p WHERE p.space_id = $1 AND ($2::text[] IS NULL OR lower(p.id) = ANY ($2) OR lower(p.slug) = ANY ($2))
      ORDER BY lower(p.name) LIMIT $3`,
    [spaceId, ids?.map((one) => one.toLowerCase()) ?? null, most],
    { name: "dashboard-projects" },
  );
}

export async function listGroups(db: Queryable, ids: readonly string[]): Promise<{ id: string; name: string }[]> {
  return db.query(`SELECT id, name FROM project_groups WHERE id = ANY ($1) ORDER BY lower(name)`, [ids]);
}

/** In their order. */
export async function listEnvironmentNames(db: Queryable, spaceId: string): Promise<{ id: string; name: string }[]> {
  return db.query(`SELECT id, name FROM environments WHERE space_id = $1 ORDER BY sort_order, lower(name)`, [spaceId], {
    name: "dashboard-environments",
  });
}
