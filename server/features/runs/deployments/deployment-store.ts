// SQL of deployments; the only writer of the table. The state of a deployment is that of its task.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import type { FormValues } from "../../projects/projects.ts";
import type { DeploymentOptions, ReleaseChanges } from "./deployment.ts";

export interface DeploymentRow {
  id: string;
  number: number;
  space_id: string;
  name: string;
  project_id: string;
  release_id: string;
  channel_id: string;
  environment_id: string;
  tenant_id: string | null;
  task_id: string;
  comments: string | null;
  options: DeploymentOptions;
  options_version: number;
  deployed_by: string;
  deployed_by_id: string | null;
  created_at: Date;
  /** What was frozen when the deployment was created, the project's variables first. */
  variable_snapshot_ids: string[];
  /** Answers to prompts by the id of the variable. */
  form_values: FormValues;
  /** What it brought, in its first form; null for one made before there was any. */
  changes: ReleaseChanges[] | null;
  changes_markdown: string | null;
  process_snapshot_id: string;
  release_version: string;
  task_state: string;
  task_queued_at: Date;
  /** What the deployment was asked to wait for, and until when it had to be started. */
  task_starts_at: Date | null;
  task_expires_at: Date | null;
  task_started_at: Date | null;
  task_completed_at: Date | null;
  task_error_message: string | null;
  task_has_warnings_or_errors: boolean;
}

/** What an insert does not say, because it is read from the release and the task. */
type ReadOnlyColumn =
  | "created_at"
  | "process_snapshot_id"
  | "release_version"
  | `task_${"state" | "queued_at" | "starts_at" | "expires_at" | "started_at" | "completed_at" | "error_message" | "has_warnings_or_errors"}`;

const columns = `d.id, d.number, d.space_id, d.name, d.project_id, d.release_id, d.channel_id, d.environment_id, d.tenant_id, d.task_id, d.comments, d.options,
  d.options_version, d.deployed_by, d.deployed_by_id, d.created_at, d.form_values, d.changes, d.changes_markdown,
  COALESCE(d.variable_snapshot_ids, array_remove(array_prepend(r.variable_snapshot_id, r.library_variable_snapshot_ids), NULL)) AS variable_snapshot_ids,
  r.process_snapshot_id, r.version AS release_version, t.state AS task_state,
  t.queued_at AS task_queued_at, t.starts_at AS task_starts_at, t.expires_at AS task_expires_at, t.started_at AS task_started_at, t.completed_at AS task_completed_at, t.error_message AS task_error_message,
  t.has_warnings_or_errors AS task_has_warnings_or_errors`;
const from = "deployments d JOIN releases r ON r.id = d.release_id JOIN tasks t ON t.id = d.task_id";

export interface DeploymentFilter {
  ids?: readonly string[] | undefined;
  projects?: readonly string[] | undefined;
  environments?: readonly string[] | undefined;
  channels?: readonly string[] | undefined;
  tenants?: readonly string[] | undefined;
  taskState?: readonly string[] | undefined;
  releaseId?: string | undefined;
}

/** Newest first. */
export async function listDeployments(
  db: Queryable,
  spaceId: string,
  filter: DeploymentFilter,
  window: { skip: number; take: number },
): Promise<{ rows: DeploymentRow[]; total: number }> {
  const among = (values: readonly string[] | undefined) => (values?.length ? values.map((one) => one.toLowerCase()) : null);
  const where = `d.space_id = $1 AND ($2::text[] IS NULL OR lower(d.id) = ANY ($2)) AND ($3::text[] IS NULL OR lower(d.project_id) = ANY ($3))
     AND ($4::text[] IS NULL OR lower(d.environment_id) = ANY ($4)) AND ($5::text[] IS NULL OR lower(d.channel_id) = ANY ($5))
     AND ($6::text[] IS NULL OR lower(t.state) = ANY ($6)) AND ($7::text IS NULL OR d.release_id = $7)
     AND ($8::text[] IS NULL OR lower(d.tenant_id) = ANY ($8))`;
  const values = [
    spaceId,
    among(filter.ids),
    among(filter.projects),
    among(filter.environments),
    among(filter.channels),
    among(filter.taskState),
    filter.releaseId ?? null,
    among(filter.tenants),
  ];
  const rows = await db.query<DeploymentRow>(`SELECT ${columns} FROM ${from} WHERE ${where} ORDER BY d.number DESC OFFSET $9 LIMIT $10`, [
    ...values,
    window.skip,
    window.take,
  ]);
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM ${from} WHERE ${where}`, values);
  return { rows, total: count?.total ?? 0 };
}

/** `spaceId` null looks in all spaces, for the runner that knows only the id. */
export async function findDeployment(db: Queryable, spaceId: string | null, id: string): Promise<DeploymentRow | undefined> {
  const [row] = await db.query<DeploymentRow>(
    `SELECT ${columns} FROM ${from} WHERE ($1::text IS NULL OR d.space_id = $1) AND (d.id = $2 OR lower(d.id) = lower($2))`,
    [spaceId, id],
  );
  return row;
}

/**
 * The release of the last deployment that succeeded in a place. Undefined: there is none. With and without a tenant are two statements, because for
 * one condition that is both the planner sorts the whole history of the place.
 */
export async function findReleaseThere(
  db: Queryable,
  place: { projectId: string; environmentId: string; tenantId: string | null },
): Promise<string | undefined> {
  const { projectId, environmentId, tenantId } = place;
  const [row] = await db.query<{ release_id: string }>(
    `SELECT d.release_id FROM deployments d JOIN tasks t ON t.id = d.task_id
      WHERE d.project_id = $1 AND d.environment_id = $2 AND ${tenantId === null ? "d.tenant_id IS NULL" : "d.tenant_id = $3"}
        AND t.state = 'Success' ORDER BY d.number DESC LIMIT 1`,
    [projectId, environmentId, ...(tenantId === null ? [] : [tenantId])],
  );
  return row?.release_id;
}

export async function findDeploymentOfTask(db: Queryable, taskId: string): Promise<DeploymentRow | undefined> {
  const [row] = await db.query<DeploymentRow>(`SELECT ${columns} FROM ${from} WHERE d.task_id = $1`, [taskId]);
  return row;
}

export async function tagsOfChannel(db: Queryable, channelId: string): Promise<string[]> {
  const [row] = await db.query<{ tenant_tags: string[] }>(`SELECT tenant_tags FROM channels WHERE id = $1`, [channelId]);
  return row?.tenant_tags ?? [];
}

export async function insertDeployment(tx: Transaction, row: Omit<DeploymentRow, ReadOnlyColumn>): Promise<void> {
  await tx.execute(
    `WITH before AS (
       UPDATE deployments SET is_latest = false
        WHERE space_id = $3 AND project_id = $5 AND environment_id = $8 AND tenant_id IS NOT DISTINCT FROM $15 AND is_latest)
     INSERT INTO deployments (id, number, space_id, name, project_id, release_id, channel_id, environment_id, task_id, comments, options,
                              options_version, deployed_by, deployed_by_id, tenant_id, is_latest, variable_snapshot_ids, form_values,
                              changes, changes_markdown)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, true, $16, $17, $18, $19)`,
    [
      row.id,
      row.number,
      row.space_id,
      row.name,
      row.project_id,
      row.release_id,
      row.channel_id,
      row.environment_id,
      row.task_id,
      row.comments,
      JSON.stringify(row.options),
      row.options_version,
      row.deployed_by,
      row.deployed_by_id,
      row.tenant_id,
      row.variable_snapshot_ids,
      JSON.stringify(row.form_values),
      JSON.stringify(row.changes),
      row.changes_markdown,
    ],
  );
}

/** Answers what was given to prompts of the deleted ones, for their secrets. The next older one becomes the latest of each place that lost its latest. */
const deleteAndMark = (where: string) => `
  WITH gone AS (DELETE FROM deployments WHERE ${where} RETURNING id, project_id, environment_id, tenant_id, is_latest, form_values),
  marked AS (
  UPDATE deployments d SET is_latest = true
   WHERE d.id IN (SELECT older.id FROM (SELECT DISTINCT project_id, environment_id, tenant_id FROM gone WHERE is_latest) place
                   CROSS JOIN LATERAL (
                     SELECT o.id FROM deployments o
                      WHERE o.project_id = place.project_id AND o.environment_id = place.environment_id
                        AND o.tenant_id IS NOT DISTINCT FROM place.tenant_id AND o.id NOT IN (SELECT id FROM gone)
                      ORDER BY o.number DESC LIMIT 1) older))
  SELECT form_values FROM gone`;

export async function deleteDeployment(tx: Transaction, id: string): Promise<FormValues[]> {
  const rows = await tx.query<{ form_values: FormValues }>(deleteAndMark("id = $1"), [id]);
  return rows.map((row) => row.form_values);
}

export async function deleteDeploymentsOfRelease(tx: Transaction, releaseId: string): Promise<FormValues[]> {
  const rows = await tx.query<{ form_values: FormValues }>(deleteAndMark("release_id = $1"), [releaseId]);
  return rows.map((row) => row.form_values);
}

export async function countUnfinishedOfRelease(db: Queryable, releaseId: string): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    `SELECT count(*) AS count FROM deployments d JOIN tasks t ON t.id = d.task_id WHERE d.release_id = $1 AND t.completed_at IS NULL`,
    [releaseId],
  );
  return row?.count ?? 0;
}

/** Environments to which this release was sent, for a tenant or without one, and those in which that succeeded at least once. */
export async function visitedEnvironments(
  db: Queryable,
  releaseId: string,
  tenantId: string | null,
): Promise<{ all: Set<string>; succeeded: Set<string> }> {
  const rows = await db.query<{ environment_id: string; succeeded: boolean }>(
    `SELECT d.environment_id, bool_or(t.state = 'Success') AS succeeded FROM deployments d JOIN tasks t ON t.id = d.task_id
      WHERE d.release_id = $1 AND d.tenant_id IS NOT DISTINCT FROM $2 GROUP BY d.environment_id`,
    [releaseId, tenantId],
  );
  return {
    all: new Set(rows.map((row) => row.environment_id)),
    succeeded: new Set(rows.filter((row) => row.succeeded).map((row) => row.environment_id)),
  };
}

/** Tenant id → environments in which this release succeeded for it. */
export async function succeededEnvironmentsByTenant(db: Queryable, releaseId: string): Promise<Map<string, Set<string>>> {
  const rows = await db.query<{ tenant_id: string; environment_ids: string[] }>(
    `SELECT d.tenant_id, array_agg(DISTINCT d.environment_id) AS environment_ids FROM deployments d JOIN tasks t ON t.id = d.task_id
      WHERE d.release_id = $1 AND d.tenant_id IS NOT NULL AND t.state = 'Success' GROUP BY d.tenant_id`,
    [releaseId],
  );
  return new Map(rows.map((row) => [row.tenant_id, new Set(row.environment_ids)]));
}

export interface CandidateRow {
  id: string;
  name: string;
  roles: string[];
  health_status: string;
  machine_policy_id: string;
  communication_style: string;
  uri: string | null;
  thumbprint: string | null;
  proxy_id: string | null;
}

/** Enabled machines of an environment that serve deployments for this tenant, or those without one, by name. */
export async function listCandidates(db: Queryable, environmentId: string, tenantId: string | null): Promise<CandidateRow[]> {
  return db.query<CandidateRow>(
    `SELECT m.id, m.name, m.roles, m.health_status, m.machine_policy_id, m.communication_style, m.uri, m.thumbprint, m.proxy_id
       FROM machines m JOIN machine_environments me ON me.machine_id = m.id
      WHERE me.environment_id = $1 AND NOT m.is_disabled 
        AND CASE WHEN $2::text IS NULL THEN m.tenanted_deployment_participation <> 'Tenanted'
            ELSE m.tenanted_deployment_participation <> 'Untenanted'
             AND (EXISTS (SELECT 1 FROM machine_tenants mt WHERE mt.machine_id = m.id AND mt.tenant_id = $2)
               OR EXISTS (SELECT 1 FROM machine_tags g JOIN tenant_tags tt ON tt.tag = g.tag AND tt.space_id = g.space_id
                           WHERE g.machine_id = m.id AND tt.tenant_id = $2)) END
      ORDER BY lower(m.name)`,
    [environmentId, tenantId],
  );
}

export interface PoolWorkerRow {
  pool_id: string;
  pool_name: string;
  pool_is_default: boolean;
  /** Null for a pool without an enabled worker. */
  worker: Omit<CandidateRow, "roles" | "machine_policy_id"> | null;
}

/** The worker pools of a space with their enabled workers, by name. */
export async function listPoolWorkers(db: Queryable, spaceId: string): Promise<PoolWorkerRow[]> {
  return db.query<PoolWorkerRow>(
    `SELECT p.id AS pool_id, p.name AS pool_name, p.is_default AS pool_is_default,
            CASE WHEN w.id IS NULL THEN NULL ELSE jsonb_build_object('id', w.id, 'name', w.name, 'health_status', w.health_status,
              'communication_style', w.communication_style, 'uri', w.uri, 'thumbprint', w.thumbprint, 'proxy_id', w.proxy_id) END AS worker
       FROM worker_pools p LEFT JOIN worker_pool_members m ON m.worker_pool_id = p.id
       LEFT JOIN workers w ON w.id = m.worker_id AND NOT w.is_disabled
      WHERE p.space_id = $1 ORDER BY p.sort_order, lower(p.name), lower(w.name)`,
    [spaceId],
  );
}

/** What a run is told about itself and what was before it. */
export interface DeploymentFacts {
  space_name: string;
  channel_name: string;
  project_group_id: string;
  project_group_name: string;
  environment_sort_order: number;
  task_description: string;
  queued_at: Date;
  deployer_display_name: string | null;
  deployer_email: string | null;
  release_assembled_at: Date;
  /** The release of the project before this one. */
  previous_release_id: string | null;
  previous_release_version: string | null;
  /** The last one that succeeded in this environment. */
  current_deployment_id: string | null;
  current_release_id: string | null;
  current_release_version: string | null;
  /** The same, of another release. */
  former_release_id: string | null;
  former_release_version: string | null;
}

export async function findFacts(db: Queryable, deploymentId: string): Promise<DeploymentFacts | undefined> {
  const succeeded = `SELECT p.id, q.id AS release_id, q.version
      FROM deployments p JOIN tasks pt ON pt.id = p.task_id JOIN releases q ON q.id = p.release_id
     WHERE p.project_id = d.project_id AND p.environment_id = d.environment_id AND p.number < d.number AND pt.state = 'Success'`;
  const [row] = await db.query<DeploymentFacts>(
    `SELECT s.name AS space_name, c.name AS channel_name, g.id AS project_group_id, g.name AS project_group_name,
            e.sort_order AS environment_sort_order, t.description AS task_description, t.queued_at,
            u.display_name AS deployer_display_name, u.email_address AS deployer_email, r.assembled_at AS release_assembled_at,
            previous.id AS previous_release_id, previous.version AS previous_release_version,
            current.id AS current_deployment_id, current.release_id AS current_release_id, current.version AS current_release_version,
            former.release_id AS former_release_id, former.version AS former_release_version
       FROM deployments d JOIN spaces s ON s.id = d.space_id JOIN channels c ON c.id = d.channel_id JOIN projects p ON p.id = d.project_id
       JOIN project_groups g ON g.id = p.project_group_id JOIN environments e ON e.id = d.environment_id
       JOIN tasks t ON t.id = d.task_id JOIN releases r ON r.id = d.release_id LEFT JOIN users u ON u.id = d.deployed_by_id
       LEFT JOIN LATERAL (SELECT id, version FROM releases o WHERE o.project_id = d.project_id AND o.number < r.number
                           ORDER BY o.number DESC LIMIT 1) previous ON true
       LEFT JOIN LATERAL (${succeeded} ORDER BY p.number DESC LIMIT 1) current ON true
       LEFT JOIN LATERAL (${succeeded} AND p.release_id <> d.release_id ORDER BY p.number DESC LIMIT 1) former ON true
      WHERE d.id = $1`,
    [deploymentId],
  );
  return row;
}

/** Ids of machines named by id or name. */
export async function findMachinesByText(
  db: Queryable,
  spaceId: string,
  wanted: readonly string[],
): Promise<{ id: string; name: string; slug: string }[]> {
  return db.query(
    `SELECT id, name, slug FROM machines WHERE space_id = $1 AND (lower(id) = ANY ($2) OR lower(name) = ANY ($2) OR lower(slug) = ANY ($2))`,
    [spaceId, wanted.map((one) => one.toLowerCase())],
  );
}
