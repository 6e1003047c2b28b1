// SQL of which process holds connections of which polling agent; the only writer of both tables. A process counts while its own mark is
// fresh by the database's clock; what a dead one left behind is ignored at once and removed later.

import { normalSubscription } from "@cuttle/halibut";
import type { Queryable } from "../../platform/database/database.ts";

export interface ConnectedPeer {
  subscription: string;
  thumbprint: string;
  connections: number;
}

/** Marks of processes that ended this long ago are removed. */
const forgetMs = 60_000;
/** Most of them that one statement removes. */
const forgetMax = 100;

/** Says that this process lives. True: its mark was not there, and with it are gone all connections it had entered. */
export async function markAlive(database: Queryable, mark: { process: string; nodeName: string; aliveMs: number }): Promise<boolean> {
  const [row] = await database.query<{ is_new: boolean }>(
    `INSERT INTO polling_nodes AS known (process, node_name, alive_until)
     VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
     ON CONFLICT (process) DO UPDATE SET alive_until = EXCLUDED.alive_until
     RETURNING xmax = 0 AS is_new`,
    [mark.process, mark.nodeName, mark.aliveMs],
    { name: "polling-alive" },
  );
  return row?.is_new ?? true;
}

/** Enters, changes or (with no connections) removes what this process holds of these agents. */
export async function setConnections(database: Queryable, process: string, peers: readonly ConnectedPeer[]): Promise<void> {
  await database.execute(
    `WITH given AS (
       SELECT * FROM unnest($2::text[], $3::text[], $4::integer[]) AS one (subscription, thumbprint, connections)
     ), gone AS (
       DELETE FROM agent_connections held USING given
       WHERE held.process = $1 AND given.connections = 0
         AND held.subscription = given.subscription AND held.thumbprint = given.thumbprint
     )
     INSERT INTO agent_connections (process, subscription, thumbprint, connections)
     SELECT $1, subscription, thumbprint, connections FROM given WHERE connections > 0
     ON CONFLICT (process, subscription, thumbprint) DO UPDATE SET connections = EXCLUDED.connections`,
    [process, peers.map((one) => one.subscription), peers.map((one) => one.thumbprint), peers.map((one) => one.connections)],
    { name: "polling-connections" },
  );
}

/** Takes the mark of a process away, and with it its connections. */
export async function removeProcess(database: Queryable, process: string): Promise<void> {
  await database.execute(`DELETE FROM polling_nodes WHERE process = $1`, [process]);
}

/** Removes marks of processes that are long gone. */
export async function removeDeadProcesses(database: Queryable): Promise<number> {
  return await database.execute(
    `DELETE FROM polling_nodes WHERE process IN (
       SELECT process FROM polling_nodes WHERE alive_until < clock_timestamp() - $1 * interval '1 millisecond'
       ORDER BY alive_until LIMIT $2 FOR UPDATE SKIP LOCKED)`,
    [forgetMs, forgetMax],
  );
}

/** A node to which an agent is connected now. */
export interface AgentConnection {
  nodeName: string;
  connections: number;
  /** Since when it has held a connection of this agent without a gap. */
  since: Date;
}

/** Which nodes hold connections of a polling agent now, by their names. */
export async function findConnections(
  database: Queryable,
  agent: { subscription: string; thumbprint: string },
): Promise<AgentConnection[]> {
  const rows = await database.query<{ node_name: string; connections: number; since: Date }>(
    `SELECT node_name, connections, since FROM agent_connections JOIN polling_nodes USING (process)
     WHERE subscription = $1 AND thumbprint = $2 AND alive_until > clock_timestamp()
     ORDER BY lower(node_name), since`,
    [normalSubscription(agent.subscription), agent.thumbprint],
  );
  return rows.map((row) => ({ nodeName: row.node_name, connections: row.connections, since: row.since }));
}
