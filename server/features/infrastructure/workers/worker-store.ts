// SQL of workers beyond what every resource has: the pools they serve.

import type { Transaction } from "../../../platform/database/database.ts";

export async function setWorkerPools(tx: Transaction, workerId: string, poolIds: readonly string[]): Promise<void> {
  await tx.execute(`DELETE FROM worker_pool_members WHERE worker_id = $1 AND worker_pool_id <> ALL ($2)`, [workerId, poolIds]);
  await tx.execute(`INSERT INTO worker_pool_members (worker_id, worker_pool_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`, [
    workerId,
    poolIds,
  ]);
}
