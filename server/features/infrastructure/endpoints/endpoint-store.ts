// SQL over both tables that hold endpoints, targets and workers: who polls under which subscription, addresses, health.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

/** Makes registrations of one subscription wait for each other, whatever their space. Ends with the transaction. */
export async function lockSubscription(tx: Transaction, subscription: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`subscription/${subscription}`]);
}

/** Thumbprints registered for a subscription (`poll://…/` as stored), leaving out the target or worker `exceptId`. */
export async function findPollers(db: Queryable, subscription: string, exceptId: string): Promise<string[]> {
  const rows = await db.query<{ thumbprint: string }>(
    `SELECT thumbprint FROM machines WHERE communication_style = 'TentacleActive' AND uri = $1 AND id <> $2
     UNION
     SELECT thumbprint FROM workers WHERE communication_style = 'TentacleActive' AND uri = $1 AND id <> $2`,
    [subscription, exceptId],
  );
  return rows.map((row) => row.thumbprint);
}

/** Whether a target or worker is registered with this certificate as a polling one, under this subscription where one is given. */
export async function findPoller(db: Queryable, agent: { thumbprint: string; subscription: string | null }): Promise<boolean> {
  const rows = await db.query(
    `SELECT 1 FROM machines WHERE thumbprint = $1 AND communication_style = 'TentacleActive' AND ($2::text IS NULL OR uri = $2)
     UNION ALL
     SELECT 1 FROM workers WHERE thumbprint = $1 AND communication_style = 'TentacleActive' AND ($2::text IS NULL OR uri = $2)
     LIMIT 1`,
    [agent.thumbprint, agent.subscription],
    { name: "find-poller" },
  );
  return rows.length > 0;
}

/** The table an id belongs to; ids of both kinds come to the same places, and each names its collection. */
function tableOf(id: string): "machines" | "workers" {
  return id.startsWith("Workers-") ? "workers" : "machines";
}

export async function findDefaultPolicyId(db: Queryable, spaceId: string): Promise<string | undefined> {
  const [row] = await db.query<{ id: string }>(`SELECT id FROM machine_policies WHERE space_id = $1 AND is_default`, [spaceId]);
  return row?.id;
}

export interface MachineHealth {
  healthStatus: "Healthy" | "HasWarnings" | "Unhealthy" | "Unavailable" | "Unknown";
  statusSummary: string;
  operatingSystem?: string;
  shellName?: string;
  shellVersion?: string;
  agentVersion?: string;
}

/** Of a target or worker. Answers the status before, or undefined when the machine is gone. */
export async function updateHealth(
  tx: Transaction,
  machineId: string,
  health: MachineHealth,
): Promise<{ before: string; name: string; spaceId: string } | undefined> {
  const [row] = await tx.query<{ before: string; name: string; space_id: string }>(
    `UPDATE ${tableOf(machineId)} m SET health_status = $2, status_summary = $3, operating_system = COALESCE($4, m.operating_system),
            shell_name = COALESCE($5, m.shell_name), shell_version = COALESCE($6, m.shell_version), agent_version = COALESCE($7, m.agent_version),
            health_checked_at = now()
       FROM (SELECT id, health_status FROM ${tableOf(machineId)} WHERE id = $1 FOR UPDATE) old
      WHERE m.id = old.id RETURNING old.health_status AS before, m.name, m.space_id`,
    [
      machineId,
      health.healthStatus,
      health.statusSummary,
      health.operatingSystem ?? null,
      health.shellName ?? null,
      health.shellVersion ?? null,
      health.agentVersion ?? null,
    ],
  );
  return row && { before: row.before, name: row.name, spaceId: row.space_id };
}

/** What a health check needs to know of a target or worker. */
export interface MachineAddress {
  id: string;
  spaceId: string;
  name: string;
  style: string;
  uri: string | null;
  thumbprint: string | null;
  isDisabled: boolean;
  proxyId: string | null;
}

export async function findMachineAddress(db: Queryable, machineId: string): Promise<MachineAddress | undefined> {
  const [row] = await db.query<{
    id: string;
    space_id: string;
    name: string;
    communication_style: string;
    uri: string | null;
    thumbprint: string | null;
    is_disabled: boolean;
    proxy_id: string | null;
  }>(`SELECT id, space_id, name, communication_style, uri, thumbprint, is_disabled, proxy_id FROM ${tableOf(machineId)} WHERE id = $1`, [
    machineId,
  ]);
  return (
    row && {
      id: row.id,
      spaceId: row.space_id,
      name: row.name,
      style: row.communication_style,
      uri: row.uri,
      thumbprint: row.thumbprint,
      isDisabled: row.is_disabled,
      proxyId: row.proxy_id,
    }
  );
}

/** Name of a policy with the enabled targets and workers that have an agent to ask, those first that were not asked for longest. */
export async function findMachinesOfPolicy(
  db: Queryable,
  policyId: string,
  most: number,
): Promise<{ name: string; spaceId: string; machineIds: string[] } | undefined> {
  const [row] = await db.query<{ name: string; space_id: string; machine_ids: string[] }>(
    `SELECT p.name, p.space_id, ARRAY(
       SELECT m.id FROM (
         SELECT id, is_disabled, communication_style, machine_policy_id, health_checked_at FROM machines
         UNION ALL
         SELECT id, is_disabled, communication_style, machine_policy_id, health_checked_at FROM workers) m
       WHERE m.machine_policy_id = p.id AND NOT m.is_disabled AND m.communication_style <> 'None'
       ORDER BY m.health_checked_at NULLS FIRST, m.id LIMIT $2) AS machine_ids
     FROM machine_policies p WHERE p.id = $1`,
    [policyId, most],
  );
  return row && { name: row.name, spaceId: row.space_id, machineIds: row.machine_ids };
}
