// SQL of lifecycles beyond what every resource has: which environments they name, so that those cannot be deleted.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import type { Phase } from "./lifecycle-shape.ts";

export async function setLifecycleEnvironments(tx: Transaction, lifecycleId: string, environmentIds: readonly string[]): Promise<void> {
  await tx.execute(`DELETE FROM lifecycle_environments WHERE lifecycle_id = $1 AND environment_id <> ALL ($2)`, [
    lifecycleId,
    environmentIds,
  ]);
  await tx.execute(
    `INSERT INTO lifecycle_environments (lifecycle_id, environment_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`,
    [lifecycleId, environmentIds],
  );
}

export async function findPhases(db: Queryable, lifecycleId: string): Promise<Phase[] | undefined> {
  const [row] = await db.query<{ phases: Phase[] }>(`SELECT phases FROM lifecycles WHERE id = $1`, [lifecycleId]);
  return row?.phases;
}

export async function listPhases(db: Queryable, spaceId: string): Promise<{ id: string; phases: Phase[] }[]> {
  return db.query(`SELECT id, phases FROM lifecycles WHERE space_id = $1`, [spaceId]);
}
