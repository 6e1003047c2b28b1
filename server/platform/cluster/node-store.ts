// SQL of the registry of nodes; the only writer of server_nodes.

import { pollingAddressesMax } from "@cuttle/contract/agent/polling-addresses";
import type { Queryable, Transaction } from "../database/database.ts";

export interface ServerNode {
  id: string;
  name: string;
  taskCap: number;
  isInMaintenanceMode: boolean;
  version: string;
  startedAt: Date;
  lastSeenAt: Date;
  isOffline: boolean;
  /** What it stands on and cannot reach, by name. Not empty: it takes no task. */
  impairments: string[];
  /** Where polling agents reach it, such as `https://node-2.example.com:10943`; null when it does not say. */
  commsAddress: string | null;
}

interface Row {
  id: string;
  name: string;
  task_cap: number;
  is_in_maintenance_mode: boolean;
  version: string;
  started_at: Date;
  last_seen_at: Date;
  is_offline: boolean;
  impairments: string[];
  comms_address: string | null;
}

/** The id under which a node of that name is entered; ids are compared without case. */
export function nodeIdOf(name: string): string {
  return `OctopusServerNodes-${name}`;
}

const columns = `id, name, task_cap, is_in_maintenance_mode, version, started_at, last_seen_at, impairments, comms_address`;

function toNode(row: Row): ServerNode {
  return {
    id: row.id,
    name: row.name,
    taskCap: row.task_cap,
    isInMaintenanceMode: row.is_in_maintenance_mode,
    version: row.version,
    startedAt: row.started_at,
    lastSeenAt: row.last_seen_at,
    isOffline: row.is_offline,
    impairments: row.impairments,
    commsAddress: row.comms_address,
  };
}

/** A node's own record, and what it has to know of the others. */
export interface ReportedNode extends ServerNode {
  /** Names of those that take tasks and were seen a moment ago. */
  otherNodes: string[];
  /** Where polling agents reach the others: first those that live, then by name. */
  otherCommsAddresses: string[];
}

/** Others are listed up to here; a cluster has far fewer nodes. */
const otherNodesMax = 100;
/** With this node's own, as many as agents follow. */
const otherCommsAddressesMax = pollingAddressesMax - 1;
/** The address of a node that was away for longer is left off: it comes back with the node. */
const awayDaysMax = 7;

/**
 * Enters or refreshes this process as the node of that name. A name is taken over from another process only when that one has
 * stopped, was not seen for `offlineAfterMs`, or is `former`, which is known to be dead: undefined means it is taken.
 */
export async function reportNode(
  database: Queryable,
  node: {
    name: string;
    instance: string;
    version: string;
    taskCap: number;
    forceTaskCap: boolean;
    offlineAfterMs: number;
    start: boolean;
    /** A process that had this name and has certainly ended. */
    former: string | undefined;
    impairments: readonly string[];
    /** A node that was not seen for so long takes no task. */
    silentMsMax: number;
    commsAddress: string | null;
  },
): Promise<ReportedNode | undefined> {
  const [row] = await database.query<Row & { other_nodes: string[]; other_comms_addresses: string[] }>(
    `INSERT INTO server_nodes AS known (id, name, task_cap, instance, version, impairments, comms_address)
     VALUES ('OctopusServerNodes-' || $1, $1, $3, $2, $4, $8, $11)
     ON CONFLICT (lower(name)) DO UPDATE
       SET last_seen_at = now(), instance = EXCLUDED.instance, version = EXCLUDED.version, stopped_at = NULL,
           impairments = EXCLUDED.impairments, comms_address = EXCLUDED.comms_address,
           started_at = CASE WHEN $6 THEN now() ELSE known.started_at END,
           task_cap = CASE WHEN $5 THEN EXCLUDED.task_cap ELSE known.task_cap END
       WHERE known.instance = EXCLUDED.instance OR known.instance = $9::text OR known.stopped_at IS NOT NULL
          OR known.last_seen_at < now() - $7 * interval '1 millisecond'
     RETURNING ${columns}, false AS is_offline,
       ARRAY(SELECT other.name FROM server_nodes other
             WHERE lower(other.name) <> lower($1) AND other.stopped_at IS NULL
               AND other.last_seen_at > now() - $10 * interval '1 millisecond'
               AND other.task_cap > 0 AND NOT other.is_in_maintenance_mode AND other.impairments = '{}'
             ORDER BY lower(other.name) LIMIT ${otherNodesMax}) AS other_nodes,
       ARRAY(SELECT other.comms_address FROM server_nodes other
             WHERE lower(other.name) <> lower($1) AND other.comms_address IS NOT NULL
               AND other.last_seen_at > now() - interval '${awayDaysMax} days'
             ORDER BY other.stopped_at IS NOT NULL OR other.last_seen_at < now() - $7 * interval '1 millisecond', lower(other.name)
             LIMIT ${otherCommsAddressesMax}) AS other_comms_addresses`,
    [
      node.name,
      node.instance,
      node.taskCap,
      node.version,
      node.forceTaskCap,
      node.start,
      node.offlineAfterMs,
      node.impairments,
      node.former ?? null,
      node.silentMsMax,
      node.commsAddress,
    ],
    { name: "node-report" },
  );
  return row && { ...toNode(row), otherNodes: row.other_nodes, otherCommsAddresses: row.other_comms_addresses };
}

/** Who has a name now, and when it last said so. Undefined: nobody ever had it. */
export async function findHolder(database: Queryable, name: string): Promise<{ instance: string; lastSeenAt: Date } | undefined> {
  const [row] = await database.query<{ instance: string; last_seen_at: Date }>(
    `SELECT instance, last_seen_at FROM server_nodes WHERE lower(name) = lower($1)`,
    [name],
  );
  return row && { instance: row.instance, lastSeenAt: row.last_seen_at };
}

export async function markNodeStopped(database: Queryable, name: string, instance: string): Promise<void> {
  await database.execute(`UPDATE server_nodes SET stopped_at = now() WHERE lower(name) = lower($1) AND instance = $2`, [name, instance]);
}

const offline = `(stopped_at IS NOT NULL OR last_seen_at < now() - $1 * interval '1 millisecond') AS is_offline`;

export async function listNodes(database: Queryable, offlineAfterMs: number): Promise<ServerNode[]> {
  return (await database.query<Row>(`SELECT ${columns}, ${offline} FROM server_nodes ORDER BY lower(name)`, [offlineAfterMs])).map(toNode);
}

export async function findNode(database: Queryable, id: string, offlineAfterMs: number): Promise<ServerNode | undefined> {
  const [row] = await database.query<Row>(`SELECT ${columns}, ${offline} FROM server_nodes WHERE lower(id) = lower($2)`, [
    offlineAfterMs,
    id,
  ]);
  return row && toNode(row);
}

export async function updateNode(tx: Transaction, id: string, change: { taskCap: number; isInMaintenanceMode: boolean }): Promise<boolean> {
  const count = await tx.execute(`UPDATE server_nodes SET task_cap = $2, is_in_maintenance_mode = $3 WHERE lower(id) = lower($1)`, [
    id,
    change.taskCap,
    change.isInMaintenanceMode,
  ]);
  return count === 1;
}

/** Forgets a node; a live one enters itself again at its next report. */
export async function deleteNode(tx: Transaction, id: string): Promise<boolean> {
  return (await tx.execute(`DELETE FROM server_nodes WHERE lower(id) = lower($1)`, [id])) === 1;
}
