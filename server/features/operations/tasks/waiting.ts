// Why a task is not going on: the time it was asked to start at, an answer that a person has to give, tasks before it, no free place, no node that could take it, a node that was lost, an agent that is silent.
// Without its database a node can say only that, which its answer 503 does.

import { listNodes, offlineAfterMs } from "../../../platform/cluster/cluster.ts";
import type { ServerNode } from "../../../platform/cluster/cluster.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { listPendingInterruptions, listTasksAhead } from "./task-read-store.ts";
import type { TaskRow } from "./task-read-store.ts";
import { countRunning, eligibleCountMax, findLaterStart, findQueuePlace, listSilentMachines } from "./waiting-read-store.ts";

export interface WaitingReason {
  Kind: "Scheduled" | "TasksAhead" | "TaskCap" | "NoNode" | "Starting" | "NodeLost" | "AgentSilent" | "Interruption";
  Message: string;
  RelatedDocumentIds: string[];
}

/** A script that is sent begins within milliseconds; after this somebody will ask. */
const silentAfterMs = 3_000;
/** More are not of use in one answer; the number of all is in the message. */
const relatedMax = 30;

/** Empty for a task that has ended or is at work. */
export async function whyWaiting(db: Queryable, task: TaskRow): Promise<WaitingReason[]> {
  if (task.completed_at !== null) return [];
  const place = await findQueuePlace(db, task.id);
  if (place === undefined) return await reasonsOfTime(db, task);
  const asked = await listPendingInterruptions(db, task.id, relatedMax);
  if (asked.length > 0) {
    return asked.map(({ id, title }) => ({
      Kind: "Interruption",
      Message: `It waits for a person to answer ${title}. Take responsibility for the interruption and submit an answer.`,
      RelatedDocumentIds: [id],
    }));
  }
  if (place.isLeaseOver) {
    return [
      {
        Kind: "NodeLost",
        Message: `The node ${task.server_node ?? "it ran on"} does not answer any more. Another one goes on with it as soon as it has a free place.`,
        RelatedDocumentIds: [],
      },
      ...(await reasonsOfNodes(db, 0)),
    ];
  }
  if (!place.isQueued) return await reasonsOfAgents(db, task.id);
  if (!place.isHead) {
    const { rows, total } = await listTasksAhead(db, task, { skip: 0, take: relatedMax });
    const running = rows.find((row) => row.started_at !== null) ?? rows[0];
    const asks = running === undefined ? [] : await listPendingInterruptions(db, running.id, relatedMax);
    const why =
      asks.length === 0 ? "" : ` It waits for a person to answer ${asks[0]!.title}, and lets no other deployment pass until then.`;
    return [
      {
        Kind: "TasksAhead",
        Message: `${total === 1 ? "One other task goes" : `${total} other tasks go`} first, since they work on the same: ${running?.description ?? place.tag}.${why}`,
        RelatedDocumentIds: [...rows.map((row) => row.id), ...asks.map((one) => one.id)],
      },
    ];
  }
  return await reasonsOfNodes(db, place.eligibleBefore);
}

async function reasonsOfTime(db: Queryable, task: TaskRow): Promise<WaitingReason[]> {
  const at = await findLaterStart(db, task.id);
  if (at === undefined) return [];
  const expiry = task.expires_at === null ? "" : `; if no node has started it by ${task.expires_at.toISOString()}, it ends as timed out`;
  return [{ Kind: "Scheduled", Message: `It was asked to start at ${at.toISOString()}${expiry}.`, RelatedDocumentIds: [] }];
}

async function reasonsOfNodes(db: Queryable, eligibleBefore: number): Promise<WaitingReason[]> {
  const nodes = await listNodes(db, offlineAfterMs);
  const taking = nodes.filter((node) => hindranceOf(node) === undefined);
  if (taking.length === 0) {
    const each = nodes.map((node) => `${node.name} ${hindranceOf(node)}`).join(", ");
    return [
      {
        Kind: "NoNode",
        Message: `No node takes tasks now: ${each || "none is registered"}.`,
        RelatedDocumentIds: nodes.slice(0, relatedMax).map((node) => node.id),
      },
    ];
  }
  const places = taking.reduce((sum, node) => sum + node.taskCap, 0);
  const running = await countRunning(db);
  if (running < places && eligibleBefore < places - running) {
    return [{ Kind: "Starting", Message: "A node has a free place and takes it within a second.", RelatedDocumentIds: [] }];
  }
  const before =
    eligibleBefore === 0
      ? "it is the next"
      : `${eligibleBefore}${eligibleBefore === eligibleCountMax ? " or more" : ""} ${eligibleBefore === 1 ? "task was" : "tasks were"} queued before`;
  return [
    {
      Kind: "TaskCap",
      Message: `All ${places} places of the nodes that take tasks are used (${running} running); ${before}. Raise a node's task cap, or add a node.`,
      RelatedDocumentIds: taking.slice(0, relatedMax).map((node) => node.id),
    },
  ];
}

/** Why a node takes no task; undefined when it does. */
function hindranceOf(node: ServerNode): string | undefined {
  if (node.isOffline) return "is offline";
  if (node.isInMaintenanceMode) return "is drained";
  if (node.taskCap === 0) return "has a task cap of 0";
  if (node.impairments.length > 0) return `cannot reach its ${node.impairments.join(" and ").toLowerCase()}`;
  return undefined;
}

async function reasonsOfAgents(db: Queryable, taskId: string): Promise<WaitingReason[]> {
  const silent = await listSilentMachines(db, taskId, silentAfterMs, relatedMax);
  return silent.map((machine) => ({
    Kind: "AgentSilent",
    Message: `${machine.name} has not taken its script for ${machine.waitingSeconds} s: ${
      machine.isPolling
        ? machine.isConnected
          ? "its agent is connected but does not answer"
          : "its agent is connected to no node; check that it runs and reaches the port for agents of any node"
        : "its agent does not answer; check that it runs, and its address, port and firewall"
    }.`,
    RelatedDocumentIds: [machine.id],
  }));
}
