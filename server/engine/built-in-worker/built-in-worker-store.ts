// SQL of the nodes' built-in workers; the only writer of their table.

import { normalSubscription } from "@cuttle/halibut";
import type { PollingAgent } from "../agents/agents.ts";
import type { Queryable } from "../../platform/database/database.ts";

export async function registerWorker(database: Queryable, nodeId: string, agent: PollingAgent): Promise<void> {
  await database.execute(
    `INSERT INTO built_in_workers (node_id, subscription, thumbprint) SELECT id, $2, $3 FROM server_nodes WHERE lower(id) = lower($1)
     ON CONFLICT (node_id) DO UPDATE SET subscription = EXCLUDED.subscription, thumbprint = EXCLUDED.thumbprint`,
    [nodeId, normalSubscription(agent.subscription), agent.thumbprint],
  );
}

/** How the worker of a node was last registered. */
export async function findWorker(database: Queryable, nodeId: string): Promise<PollingAgent | undefined> {
  const [row] = await database.query<PollingAgent>(
    `SELECT subscription, thumbprint FROM built_in_workers WHERE lower(node_id) = lower($1)`,
    [nodeId],
  );
  return row;
}

/** Workers of nodes that live, with the names of these. */
export async function listLiveWorkers(database: Queryable, offlineAfterMs: number): Promise<(PollingAgent & { nodeName: string })[]> {
  return await database.query<PollingAgent & { nodeName: string }>(
    `SELECT w.subscription, w.thumbprint, n.name AS "nodeName" FROM built_in_workers w JOIN server_nodes n ON n.id = w.node_id
     WHERE n.stopped_at IS NULL AND n.last_seen_at > now() - $1 * interval '1 millisecond'
     ORDER BY lower(n.name)`,
    [offlineAfterMs],
  );
}

/** Whether a built-in worker has this certificate, with this subscription where one is given. */
export async function isRegistered(database: Queryable, agent: { thumbprint: string; subscription?: string }): Promise<boolean> {
  const rows = await database.query(`SELECT 1 FROM built_in_workers WHERE thumbprint = $1 AND ($2::text IS NULL OR subscription = $2)`, [
    agent.thumbprint.toUpperCase(),
    agent.subscription === undefined ? null : normalSubscription(agent.subscription),
  ]);
  return rows.length > 0;
}

export async function removeWorker(database: Queryable, nodeId: string): Promise<void> {
  await database.execute(`DELETE FROM built_in_workers WHERE lower(node_id) = lower($1)`, [nodeId]);
}
