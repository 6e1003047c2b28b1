// Reads of machine policies beyond what every resource has: at which intervals they want health checks.

import type { Queryable } from "../../../platform/database/database.ts";

/** Of policies with an interval, in spaces whose task queue is not stopped; the order never changes. */
export async function listHealthIntervals(db: Queryable, most: number): Promise<{ id: string; space_id: string; interval: string }[]> {
  return db.query(
    `SELECT p.id, p.space_id, p.settings #>> '{MachineHealthCheckPolicy,HealthCheckInterval}' AS interval
     FROM machine_policies p JOIN spaces s ON s.id = p.space_id
     WHERE NOT s.task_queue_stopped AND p.settings #>> '{MachineHealthCheckPolicy,HealthCheckInterval}' IS NOT NULL
     ORDER BY length(p.id), p.id LIMIT $1`,
    [most],
    { name: "policy-intervals" },
  );
}
