// SQL of calls that wait for a polling agent on whichever node it is connected to; the only writer of agent_requests.
//
//   waiting --claim--> claimed --mark sent--> claimed, sent --answer--> answered --taken by the caller--> gone
//      ^                 |  its holder let go, or died: not a byte was sent
//      +-----------------+
//
// Once a request is marked as sent it is never handed out again: if its holder dies, it ends for its caller as interrupted, and the caller
// alone knows whether the call may be repeated. A request of a lease that is not current any more is given to nobody.

import type { Queryable } from "../../platform/database/database.ts";

/** On whose behalf a call is made: it goes out only while that lease is the task's current one. */
export interface CallLease {
  taskId: string;
  owner: string;
  epoch: number;
}

interface Agent {
  subscription: string;
  thumbprint: string;
}

/** Most requests that one statement looks through or removes. */
const sweepMax = 1_000;
/** Whoever asked has given up long ago; by then only its death explains that the row is still there. */
const leftoverMs = 60_000;

/** The lease for which a row was written is the current one of its task; rows without one are for questions outside of tasks. */
const leaseIsCurrent = `(r.task_id IS NULL OR EXISTS (
  SELECT 1 FROM task_queue q WHERE q.task_id = r.task_id AND q.owner = r.owner AND q.epoch = r.epoch AND q.state = 'running'))`;
const holderIsDead = `NOT EXISTS (SELECT 1 FROM polling_nodes p WHERE p.process = r.holder AND p.alive_until > clock_timestamp())`;
const claimable = `(r.state = 'waiting' OR (r.state = 'claimed' AND NOT r.sent AND ${holderIsDead}))`;

/** Adds a request. False: so many wait for this agent already. */
export async function insertRequest(
  database: Queryable,
  request: Agent & {
    id: string;
    formatVersion: number;
    service: string;
    method: string;
    body: Buffer;
    caller: string;
    lease: CallLease | undefined;
    timeoutMs: number;
    waitingMax: number;
  },
): Promise<boolean> {
  const count = await database.execute(
    `INSERT INTO agent_requests (id, format_version, subscription, thumbprint, service, method, request, caller, task_id, owner, epoch, expires_at)
     SELECT $1, $2, $3::text, $4::text, $5, $6, $7, $8, $9, $10, $11, clock_timestamp() + $12 * interval '1 millisecond'
     WHERE (SELECT count(*) FROM (
       SELECT 1 FROM agent_requests WHERE subscription = $3::text AND thumbprint = $4::text AND state <> 'answered' LIMIT $13) AS few) < $13`,
    [
      request.id,
      request.formatVersion,
      request.subscription,
      request.thumbprint,
      request.service,
      request.method,
      request.body,
      request.caller,
      request.lease?.taskId ?? null,
      request.lease?.owner ?? null,
      request.lease?.epoch ?? null,
      request.timeoutMs,
      request.waitingMax,
    ],
    { name: "agent-request-insert" },
  );
  return count === 1;
}

export interface ClaimedRequest extends Agent {
  id: string;
  formatVersion: number;
  service: string;
  method: string;
  body: Buffer;
  remainingMs: number;
}

/**
 * Takes the oldest requests for agents that are connected to this process, each for one process only, and drops those whose lease is not
 * current any more. Only services and formats this version knows are taken: a newer node may be there for the others.
 */
export async function claimRequests(
  database: Queryable,
  claim: { process: string; agents: readonly Agent[]; services: readonly string[]; formatVersion: number; max: number },
): Promise<ClaimedRequest[]> {
  const rows = await database.query<{
    id: string;
    position: number;
    format_version: number;
    subscription: string;
    thumbprint: string;
    service: string;
    method: string;
    request: Buffer;
    remaining_ms: number;
  }>(
    `WITH found AS (
       SELECT r.id, ${leaseIsCurrent} AS is_current FROM agent_requests r
       WHERE (r.subscription, r.thumbprint) IN (SELECT * FROM unnest($2::text[], $3::text[]))
         AND ${claimable} AND r.expires_at > clock_timestamp() AND r.service = ANY ($4) AND r.format_version <= $5
         AND EXISTS (SELECT 1 FROM polling_nodes me WHERE me.process = $1 AND me.alive_until > clock_timestamp())
       ORDER BY r.position LIMIT $6 FOR UPDATE OF r SKIP LOCKED
     ), dropped AS (
       DELETE FROM agent_requests WHERE id IN (SELECT id FROM found WHERE NOT is_current)
     )
     UPDATE agent_requests r SET state = 'claimed', holder = $1, sent = false
     FROM found WHERE r.id = found.id AND found.is_current
     RETURNING r.id, r.position, r.format_version, r.subscription, r.thumbprint, r.service, r.method, r.request,
               extract(epoch FROM r.expires_at - clock_timestamp())::float8 * 1000 AS remaining_ms`,
    [
      claim.process,
      claim.agents.map((one) => one.subscription),
      claim.agents.map((one) => one.thumbprint),
      claim.services,
      claim.formatVersion,
      claim.max,
    ],
    { name: "agent-request-claim" },
  );
  rows.sort((one, other) => one.position - other.position);
  return rows.map((row) => ({
    id: row.id,
    formatVersion: row.format_version,
    subscription: row.subscription,
    thumbprint: row.thumbprint,
    service: row.service,
    method: row.method,
    body: row.request,
    remainingMs: row.remaining_ms,
  }));
}

/** Agents for which requests wait or were left by dead processes. */
export async function listAwaitedAgents(database: Queryable): Promise<Agent[]> {
  return await database.query<Agent>(
    `SELECT DISTINCT subscription, thumbprint FROM (
       SELECT subscription, thumbprint FROM agent_requests r WHERE ${claimable} AND expires_at > clock_timestamp() LIMIT $1) AS few`,
    [sweepMax],
    { name: "agent-request-awaited" },
  );
}

/** Stored just before the first byte goes out: whether it may. From here on nobody else is given this request. */
export async function markSent(database: Queryable, id: string, process: string): Promise<boolean> {
  const count = await database.execute(
    `UPDATE agent_requests r SET sent = true
     WHERE r.id = $1 AND r.holder = $2 AND r.state = 'claimed' AND r.expires_at > clock_timestamp() AND ${leaseIsCurrent}`,
    [id, process],
    { name: "agent-request-sent" },
  );
  return count === 1;
}

/** The holder knows that not a byte was sent: others may have the request. */
export async function giveBack(database: Queryable, id: string, process: string): Promise<boolean> {
  const count = await database.execute(
    `UPDATE agent_requests SET state = 'waiting', holder = NULL, sent = false WHERE id = $1 AND holder = $2 AND state = 'claimed'`,
    [id, process],
  );
  return count === 1;
}

/** Gives back what this process holds without knowing of it; what is marked as sent stays, because nobody can tell. */
export async function giveBackUnsent(database: Queryable, id: string, process: string): Promise<void> {
  await database.execute(
    `UPDATE agent_requests SET state = 'waiting', holder = NULL WHERE id = $1 AND holder = $2 AND state = 'claimed' AND NOT sent`,
    [id, process],
  );
}

/** Answers with the caller to tell of it; undefined when nobody waits for this answer any more. */
export async function storeResponse(
  database: Queryable,
  answer: { id: string; process: string; response: Buffer },
): Promise<string | undefined> {
  const [row] = await database.query<{ caller: string }>(
    `UPDATE agent_requests SET state = 'answered', response = $3 WHERE id = $1 AND holder = $2 AND state = 'claimed' RETURNING caller`,
    [answer.id, answer.process, answer.response],
    { name: "agent-request-answer" },
  );
  return row?.caller;
}

/** The holder drops a request that must not go out. */
export async function dropClaimed(database: Queryable, id: string, process: string): Promise<void> {
  await database.execute(`DELETE FROM agent_requests WHERE id = $1 AND holder = $2 AND state = 'claimed'`, [id, process]);
}

/** Takes the answer out, once. */
export async function takeResponse(database: Queryable, id: string): Promise<Buffer | undefined> {
  const [row] = await database.query<{ response: Buffer }>(
    `DELETE FROM agent_requests WHERE id = $1 AND state = 'answered' RETURNING response`,
    [id],
    { name: "agent-request-take" },
  );
  return row?.response;
}

/** The caller gives up. Answers what had become of the request, with the answer if it came at that very moment. */
export async function withdrawRequest(
  database: Queryable,
  id: string,
): Promise<{ sent: boolean; holder: string | null; response: Buffer | null } | undefined> {
  const [row] = await database.query<{ sent: boolean; holder: string | null; response: Buffer | null }>(
    `DELETE FROM agent_requests WHERE id = $1 RETURNING sent, holder, response`,
    [id],
    { name: "agent-request-withdraw" },
  );
  return row;
}

/** What has become of a caller's requests; those that are not in the answer are gone. */
export async function listProgress(
  database: Queryable,
  ids: readonly string[],
): Promise<{ id: string; progress: "open" | "answered" | "lost" }[]> {
  return await database.query<{ id: string; progress: "open" | "answered" | "lost" }>(
    `SELECT r.id, CASE WHEN r.state = 'answered' THEN 'answered' WHEN r.state = 'claimed' AND r.sent AND ${holderIsDead} THEN 'lost' ELSE 'open' END
            AS progress
     FROM agent_requests r WHERE r.id = ANY ($1)`,
    [ids],
    { name: "agent-request-progress" },
  );
}

/** Which of these this process still holds. */
export async function listHeld(database: Queryable, process: string): Promise<string[]> {
  const rows = await database.query<{ id: string }>(`SELECT id FROM agent_requests WHERE holder = $1 AND state = 'claimed'`, [process], {
    name: "agent-request-held",
  });
  return rows.map((row) => row.id);
}

/** Removes what callers that died have left. */
export async function removeLeftovers(database: Queryable): Promise<number> {
  return await database.execute(
    `DELETE FROM agent_requests WHERE id IN (
       SELECT id FROM agent_requests WHERE expires_at < clock_timestamp() - $1 * interval '1 millisecond'
       ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)`,
    [leftoverMs, sweepMax],
  );
}
