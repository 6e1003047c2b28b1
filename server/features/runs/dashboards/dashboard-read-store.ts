// Reads what dashboards show, in a handful of statements whatever the number of projects and environments: the latest deployment of each place
// is marked, so nothing but what is shown is read. Writes nothing.

import { preparedAs } from "../../../platform/database/database.ts";
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
  /** Times are texts in UTC as PostgreSQL writes them, 2026-01-31 09:00:00.12: thousands of them are not worth a detour over dates. */
  created_at: string;
  release_version: string;
  state: string;
  queued_at: string;
  started_at: string | null;
  completed_at: string | null;
  error_message: string | null;
  has_pending_interruptions: boolean;
  has_warnings_or_errors: boolean;
  lasted_s: number | null;
}

const utc = (column: string) => `(${column} AT TIME ZONE 'UTC')::text`;
const columns = `d.id, d.number, d.project_id, d.environment_id, d.tenant_id, d.release_id, d.channel_id, d.task_id,
  ${utc("d.created_at")} AS created_at, r.version AS release_version, t.state, ${utc("t.queued_at")} AS queued_at,
  ${utc("t.started_at")} AS started_at, ${utc("t.completed_at")} AS completed_at, t.error_message, t.has_warnings_or_errors,
  (t.completed_at IS NULL AND EXISTS (SELECT 1 FROM interruptions i WHERE i.task_id = t.id AND i.answered_at IS NULL)) AS has_pending_interruptions,
  date_part('epoch', COALESCE(t.completed_at, now()) - t.started_at) AS lasted_s`;
/**
 * Each release and task by its key. Left the choice, PostgreSQL reads whole tables of tens of thousands of tasks to join some hundred of them, and the
 * time grows with the history.
 */
const from = `deployments d CROSS JOIN LATERAL (SELECT * FROM releases WHERE id = d.release_id OFFSET 0) r
  CROSS JOIN LATERAL (SELECT * FROM tasks WHERE id = d.task_id OFFSET 0) t`;

export interface ItemFilter {
  projectIds?: readonly string[] | undefined;
  environmentIds?: readonly string[] | undefined;
  tenantIds?: readonly string[] | undefined;
}

/**
 * The newest deployment of each project, environment and tenant, by project and environment. What is wanted is hashed once (IN), not searched for each
 * row as in a list (= ANY): with 1,500 environments that took longer than all the rest. What is not filtered is not in the statement at all, since
 * PostgreSQL expects a filter to leave little, and then chooses a plan that is slow for everything. It compares texts by the rules of a language, which
 * takes longer than all else that it does here; so the order is made of what came.
 */
export async function listLatest(db: Queryable, spaceId: string, filter: ItemFilter): Promise<ItemRow[]> {
  const values: unknown[] = [spaceId];
  const among = (ids: readonly string[]): string => `IN (SELECT unnest($${values.push(ids)}::text[]))`;
  const conditions = ["d.space_id = $1", "d.is_latest"];
  if (filter.projectIds) conditions.push(`d.project_id ${among(filter.projectIds)}`);
  if (filter.environmentIds) conditions.push(`d.environment_id ${among(filter.environmentIds)}`);
  if (filter.tenantIds) conditions.push(`d.tenant_id ${among(filter.tenantIds)}`);
  const text = `SELECT ${columns} FROM ${from} WHERE ${conditions.join(" AND ")}`;
  const rows = (await db.query<ItemRow>(text, values, preparedAs(text))).toSorted(byPlace);
  return rows.filter((row, n) => n === 0 || !isSamePlace(row, rows[n - 1]!));
}

const isSamePlace = (one: ItemRow, other: ItemRow): boolean =>
  one.project_id === other.project_id && one.environment_id === other.environment_id && one.tenant_id === other.tenant_id;

/** In one place the newest first. */
function byPlace(one: ItemRow, other: ItemRow): number {
  return (
    inOrder(one.project_id, other.project_id) ||
    inOrder(one.environment_id, other.environment_id) ||
    inOrder(one.tenant_id ?? "", other.tenant_id ?? "") ||
    other.number - one.number
  );
}

const inOrder = (one: string, other: string): number => (one === other ? 0 : one < other ? -1 : 1);

/** The newest deployment of each of these releases in each environment and for each tenant. */
export async function listLatestOfReleases(db: Queryable, releaseIds: readonly string[]): Promise<ItemRow[]> {
  return db.query<ItemRow>(
    `SELECT DISTINCT ON (d.release_id, d.environment_id, d.tenant_id) ${columns} FROM ${from}
      WHERE d.release_id = ANY ($1) ORDER BY d.release_id, d.environment_id, d.tenant_id, d.number DESC`,
    [releaseIds],
  );
}

/**
 * For each of these the newest success before it in its place. Found by walking back in the place's history until there is one, so a long
 * history costs nothing; with and without a tenant are two cases, because for one condition that is both the planner sorts the whole history.
 */
export async function listPreviousSuccesses(db: Queryable, items: readonly ItemRow[]): Promise<ItemRow[]> {
  if (items.length === 0) return [];
  const newest = (tenant: string) => `
    (SELECT d.id FROM deployments d JOIN tasks t ON t.id = d.task_id
      WHERE d.project_id = place.project_id AND d.environment_id = place.environment_id AND d.number < place.number AND ${tenant}
        AND t.state = 'Success' ORDER BY d.number DESC LIMIT 1)`;
  return db.query<ItemRow>(
    `SELECT ${columns}
       FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS place (project_id, environment_id, tenant_id, number)
      CROSS JOIN LATERAL (
        ${newest("place.tenant_id IS NULL AND d.tenant_id IS NULL")} UNION ALL ${newest("d.tenant_id = place.tenant_id")}) previous
       JOIN deployments d ON d.id = previous.id JOIN releases r ON r.id = d.release_id JOIN tasks t ON t.id = d.task_id`,
    [
      items.map((one) => one.project_id),
      items.map((one) => one.environment_id),
      items.map((one) => one.tenant_id),
      items.map((one) => one.number),
    ],
    { name: "dashboard-previous" },
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
  const rows = await db.query<Omit<DashboardProjectRow, "lifecycle_ids"> & { lifecycle_id: string; lifecycle_ids: string[] | null }>(
    `SELECT p.id, p.name, p.slug, p.project_group_id, p.is_disabled, p.tenanted_deployment_mode, p.lifecycle_id, c.lifecycle_ids
       FROM projects p
       LEFT JOIN (SELECT project_id, array_agg(DISTINCT lifecycle_id) AS lifecycle_ids FROM channels
                   WHERE space_id = $1 AND lifecycle_id IS NOT NULL GROUP BY project_id) c ON c.project_id = p.id
      WHERE p.space_id = $1 AND ($2::text[] IS NULL OR lower(p.id) = ANY ($2) OR lower(p.slug) = ANY ($2))
      ORDER BY lower(p.name) LIMIT $3`,
    [spaceId, ids?.map((one) => one.toLowerCase()) ?? null, most],
    { name: "dashboard-projects" },
  );
  return rows.map(({ lifecycle_id, lifecycle_ids, ...row }) => ({
    ...row,
    lifecycle_ids: [...new Set([lifecycle_id, ...(lifecycle_ids ?? [])])].toSorted(),
  }));
}

export async function listGroups(db: Queryable, ids: readonly string[]): Promise<{ id: string; name: string }[]> {
  return db.query(`SELECT id, name FROM project_groups WHERE id = ANY ($1) ORDER BY lower(name)`, [ids], {
    name: "dashboard-groups",
  });
}

/** In their order. */
export async function listEnvironmentNames(db: Queryable, spaceId: string): Promise<{ id: string; name: string }[]> {
  return db.query(`SELECT id, name FROM environments WHERE space_id = $1 ORDER BY sort_order, lower(name)`, [spaceId], {
    name: "dashboard-environments",
  });
}
