// SQL of machines beyond what every resource has: their environments, their health, their roles.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export async function setMachineEnvironments(tx: Transaction, machineId: string, environmentIds: readonly string[]): Promise<void> {
  await tx.execute(`DELETE FROM machine_environments WHERE machine_id = $1 AND environment_id <> ALL ($2)`, [machineId, environmentIds]);
  await tx.execute(`INSERT INTO machine_environments (machine_id, environment_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`, [
    machineId,
    environmentIds,
  ]);
}

export async function findDefaultPolicyId(db: Queryable, spaceId: string): Promise<string | undefined> {
  const [row] = await db.query<{ id: string }>(`SELECT id FROM machine_policies WHERE space_id = $1 AND is_default`, [spaceId]);
  return row?.id;
}

export async function listRoles(db: Queryable, spaceId: string): Promise<string[]> {
  const rows = await db.query<{ role: string }>(
    `SELECT min(role) AS role FROM machines, unnest(roles) AS role WHERE space_id = $1 GROUP BY lower(role) ORDER BY lower(min(role))`,
    [spaceId],
  );
  return rows.map((row) => row.role);
}

export interface MachineHealth {
  healthStatus: "Healthy" | "HasWarnings" | "Unhealthy" | "Unavailable" | "Unknown";
  statusSummary: string;
  operatingSystem?: string;
  shellName?: string;
  shellVersion?: string;
  agentVersion?: string;
}

/** Answers the status before, or undefined when the machine is gone. */
export async function updateHealth(
  tx: Transaction,
  machineId: string,
  health: MachineHealth,
): Promise<{ before: string; name: string; spaceId: string } | undefined> {
  const [row] = await tx.query<{ before: string; name: string; space_id: string }>(
    `UPDATE machines m SET health_status = $2, status_summary = $3, operating_system = COALESCE($4, m.operating_system),
            shell_name = COALESCE($5, m.shell_name), shell_version = COALESCE($6, m.shell_version), agent_version = COALESCE($7, m.agent_version),
            health_checked_at = now()
       FROM (SELECT id, health_status FROM machines WHERE id = $1 FOR UPDATE) old
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

/** What a health check needs to know of a machine. */
export interface MachineAddress {
  id: string;
  spaceId: string;
  name: string;
  style: string;
  uri: string | null;
  thumbprint: string | null;
  isDisabled: boolean;
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
  }>(`SELECT id, space_id, name, communication_style, uri, thumbprint, is_disabled FROM machines WHERE id = $1`, [machineId]);
  return (
    row && {
      id: row.id,
      spaceId: row.space_id,
      name: row.name,
      style: row.communication_style,
      uri: row.uri,
      thumbprint: row.thumbprint,
      isDisabled: row.is_disabled,
    }
  );
}
