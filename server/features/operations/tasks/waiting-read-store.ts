// Reads what a task may be waiting for: its place in the queue, the nodes' places, and scripts that no agent has taken yet.

import type { Queryable } from "../../../platform/database/database.ts";

/** Somebody who waits behind more than these need not know how many they are, and the answer must not take longer with the queue. */
export const eligibleCountMax = 1_000;

export interface QueuePlace {
  isQueued: boolean;
  /** Of several tasks of one tag only the first may start. */
  isHead: boolean;
  tag: string | null;
  /** A running task whose node has let its lease end. */
  isLeaseOver: boolean;
  /** Tasks that could start and were queued before, counted up to `eligibleCountMax`. */
  eligibleBefore: number;
}

/** Undefined: it has ended. */
export async function findQueuePlace(db: Queryable, taskId: string): Promise<QueuePlace | undefined> {
  const [row] = await db.query<{ is_queued: boolean; is_head: boolean; tag: string | null; is_lease_over: boolean; eligible: number }>(
    `SELECT own.state = 'queued' AS is_queued, own.is_head, own.tag,
            own.state = 'running' AND own.lease_until < now() AS is_lease_over,
            (SELECT count(*) FROM (
               SELECT 1 FROM task_queue other WHERE other.state = 'queued' AND other.is_head AND other.position < own.position LIMIT $2) AS few
            ) AS eligible
       FROM task_queue own WHERE own.task_id = $1`,
    [taskId, eligibleCountMax],
  );
  return (
    row && {
      isQueued: row.is_queued,
      isHead: row.is_head,
      tag: row.tag,
      isLeaseOver: row.is_lease_over,
      eligibleBefore: row.eligible,
    }
  );
}

/** When a task that is not in the queue yet will join it. Undefined: it is there, or has ended. */
export async function findLaterStart(db: Queryable, taskId: string): Promise<Date | undefined> {
  const [row] = await db.query<{ due_at: Date }>(`SELECT due_at FROM task_timers WHERE task_id = $1 AND action = 'start'`, [taskId]);
  return row?.due_at;
}

export interface SilentMachine {
  id: string;
  name: string;
  /** Polling agents come to us; with others the server is trying to get through. */
  isPolling: boolean;
  /** Whether a polling agent holds a connection to any node. */
  isConnected: boolean;
  waitingSeconds: number;
}

/** Machines of a running task that have not begun the script meant for them within `afterMs`. */
export async function listSilentMachines(db: Queryable, taskId: string, afterMs: number, most: number): Promise<SilentMachine[]> {
  const rows = await db.query<{ id: string; name: string; is_polling: boolean; is_connected: boolean; waiting_s: number }>(
    `SELECT m.id, m.name, m.communication_style = 'TentacleActive' AS is_polling,
            EXISTS (SELECT 1 FROM agent_connections c JOIN polling_nodes p USING (process)
                     WHERE c.thumbprint = m.thumbprint AND p.alive_until > clock_timestamp()) AS is_connected,
            extract(epoch FROM clock_timestamp() - s.intended_at)::float8 AS waiting_s
       FROM step_runs s JOIN machines m ON m.id = s.machine_id
      WHERE s.task_id = $1 AND s.state = 'intended' AND s.intended_at < clock_timestamp() - $2 * interval '1 millisecond'
      ORDER BY lower(m.name) LIMIT $3`,
    [taskId, afterMs, most],
  );
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    isPolling: row.is_polling,
    isConnected: row.is_connected,
    waitingSeconds: Math.floor(row.waiting_s),
  }));
}

/** How many tasks run now, over all nodes; one that waits for a person has none. */
export async function countRunning(db: Queryable): Promise<number> {
  const [row] = await db.query<{ running: number }>(
    `SELECT count(*) AS running FROM task_queue WHERE state = 'running' AND owner IS NOT NULL`,
  );
  return row?.running ?? 0;
}
