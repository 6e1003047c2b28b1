// SQL of install tokens; the only writer of the table. Only hashes are stored.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

/** Tokens that nobody can use any more, cleared away by those who make new ones, so that no job of its own is needed. */
const clearedAtOnceMax = 100;

export interface InstallTokenRow {
  id: string;
  space_id: string;
  communication_style: "TentaclePassive" | "TentacleActive";
  environment_ids: string[];
  roles: string[];
  machine_name: string | null;
  machine_policy_id: string | null;
  comms_address: string | null;
  created_by: string;
  created_at: Date;
  expires_at: Date;
  is_expired: boolean;
  revoked_at: Date | null;
  spent_at: Date | null;
  thumbprint: string | null;
  machine_id: string | null;
  stages: { Stage: string; OccurredAt: string; Message: string }[];
  /** Of whom made it, now. */
  username: string;
  is_active: boolean;
  is_administrator: boolean;
  /** Of the machine that it registered, now. */
  registered_name: string | null;
  health_status: string | null;
  status_summary: string | null;
  health_checked_at: Date | null;
}

const select = `SELECT t.id, t.space_id, t.communication_style, t.environment_ids, t.roles, t.machine_name, t.machine_policy_id,
    t.comms_address, t.created_by, t.created_at, t.expires_at, t.expires_at <= now() AS is_expired, t.revoked_at, t.spent_at, t.thumbprint,
    t.machine_id, t.stages, u.username, u.is_active, u.is_administrator,
    m.name AS registered_name, m.health_status, m.status_summary, m.health_checked_at
  FROM install_tokens t JOIN users u ON u.id = t.created_by LEFT JOIN machines m ON m.id = t.machine_id`;

export async function insertInstallToken(
  tx: Transaction,
  token: {
    id: string;
    spaceId: string;
    hash: Buffer;
    style: string;
    environmentIds: readonly string[];
    roles: readonly string[];
    machineName: string | null;
    machinePolicyId: string | null;
    commsAddress: string | null;
    createdBy: string;
    lifeMs: number;
    keptMs: number;
  },
): Promise<void> {
  await tx.execute(
    `DELETE FROM install_tokens WHERE id IN (
       SELECT id FROM install_tokens WHERE expires_at < now() - $1 * interval '1 millisecond'
        ORDER BY expires_at LIMIT ${clearedAtOnceMax} FOR UPDATE SKIP LOCKED)`,
    [token.keptMs],
  );
  await tx.execute(
    `INSERT INTO install_tokens (id, space_id, hash, communication_style, environment_ids, roles, machine_name, machine_policy_id,
                                 comms_address, created_by, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + $11 * interval '1 millisecond')`,
    [
      token.id,
      token.spaceId,
      token.hash,
      token.style,
      token.environmentIds,
      token.roles,
      token.machineName,
      token.machinePolicyId,
      token.commsAddress,
      token.createdBy,
      token.lifeMs,
    ],
  );
}

/** Those of a space, the newest first. */
export async function listInstallTokens(
  db: Queryable,
  spaceId: string,
  window: { skip: number; take: number },
): Promise<{ rows: InstallTokenRow[]; total: number }> {
  const rows = await db.query<InstallTokenRow>(`${select} WHERE t.space_id = $1 ORDER BY t.created_at DESC, t.id DESC OFFSET $2 LIMIT $3`, [
    spaceId,
    window.skip,
    window.take,
  ]);
  const [counted] = await db.query<{ n: number }>(`SELECT count(*) AS n FROM install_tokens WHERE space_id = $1`, [spaceId]);
  return { rows, total: counted?.n ?? 0 };
}

export async function countUsableTokens(db: Queryable, spaceId: string): Promise<number> {
  const [row] = await db.query<{ n: number }>(
    `SELECT count(*) AS n FROM install_tokens WHERE space_id = $1 AND spent_at IS NULL AND revoked_at IS NULL AND expires_at > now()`,
    [spaceId],
  );
  return row?.n ?? 0;
}

export async function findInstallToken(db: Queryable, spaceId: string, id: string): Promise<InstallTokenRow | undefined> {
  const [row] = await db.query<InstallTokenRow>(`${select} WHERE t.space_id = $1 AND lower(t.id) = lower($2)`, [spaceId, id]);
  return row;
}

export async function findTokenByHash(db: Queryable, hash: Buffer): Promise<InstallTokenRow | undefined> {
  const [row] = await db.query<InstallTokenRow>(`${select} WHERE t.hash = $1`, [hash]);
  return row;
}

/** As `findTokenByHash`; other uses of the token wait until the transaction ends. */
export async function lockTokenByHash(tx: Transaction, hash: Buffer): Promise<InstallTokenRow | undefined> {
  // Locked first: the row that is read then is the one that whoever had the lock before has left.
  await tx.query(`SELECT 1 FROM install_tokens WHERE hash = $1 FOR UPDATE`, [hash]);
  return findTokenByHash(tx, hash);
}

export async function appendStage(tx: Transaction, id: string, stage: string, message: string): Promise<void> {
  await tx.execute(
    `UPDATE install_tokens SET stages = stages || jsonb_build_array(jsonb_build_object(
       'Stage', $2::text, 'OccurredAt', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'Message', $3::text))
     WHERE id = $1`,
    [id, stage, message],
  );
}

export async function spendToken(tx: Transaction, id: string, by: { thumbprint: string; machineId: string }): Promise<void> {
  await tx.execute(`UPDATE install_tokens SET spent_at = now(), thumbprint = $2, machine_id = $3 WHERE id = $1`, [
    id,
    by.thumbprint,
    by.machineId,
  ]);
}

/** Answers false when it was spent or revoked before. */
export async function revokeToken(tx: Transaction, id: string): Promise<boolean> {
  const changed = await tx.execute(
    `UPDATE install_tokens SET revoked_at = now() WHERE id = $1 AND spent_at IS NULL AND revoked_at IS NULL`,
    [id],
  );
  return changed > 0;
}

/** In the order of the ids. */
export async function namesOfEnvironments(db: Queryable, ids: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    `SELECT e.name FROM unnest($1::text[]) WITH ORDINALITY AS wanted (id, place) JOIN environments e ON e.id = wanted.id ORDER BY place`,
    [ids],
  );
  return rows.map((row) => row.name);
}
