// `cuttle-server node`: changes what one node may run, drains it, and waits until it is empty. It works on the cluster's record of the node,
// which a running node reads every two seconds, so it may be typed on any machine that reaches the database.
import { pause } from "./base/clock.ts";
import { requestCancel } from "./engine/tasks/tasks.ts";
import { listRunningTasks } from "./features/operations/operations.ts";
import { recordEvent } from "./platform/audit/audit.ts";
import { findNode, nodeIdOf, offlineAfterMs, updateNode } from "./platform/cluster/cluster.ts";
import type { ServerNode } from "./platform/cluster/cluster.ts";
import type { Database } from "./platform/database/database.ts";

export interface NodeChange {
  nodeName: string;
  taskCap: number | undefined;
  drain: boolean | undefined;
  /** How long to wait for the tasks of a drained node. */
  waitSeconds: number;
  /** What still runs after the wait is cancelled. */
  cancelTasks: boolean;
}

export type NodeChangeResult =
  | { outcome: "no-such-node" }
  | { outcome: "done"; node: ServerNode; cancelled: string[] }
  /** The wait is over and these still run; the node stays drained. */
  | { outcome: "still-running"; node: ServerNode; running: string[] };

const lookMs = 500;
/** A script that is cancelled is given some seconds to end, and its agent some to be reached. */
const cancelMsMax = 60_000;
const actor = { userId: null, username: "command line" };

/** Stores the change with its event, then waits as asked. `say` hears what it waits for, whenever that changes. */
export async function changeNode(database: Database, change: NodeChange, say: (sentence: string) => void): Promise<NodeChangeResult> {
  const node = await database.transaction(async (tx) => {
    const known = await findNode(tx, nodeIdOf(change.nodeName), offlineAfterMs);
    if (known === undefined) return undefined;
    const wanted = { taskCap: change.taskCap ?? known.taskCap, isInMaintenanceMode: change.drain ?? known.isInMaintenanceMode };
    await updateNode(tx, known.id, wanted);
    await recordEvent(tx, {
      spaceId: null,
      category: "Modified",
      actor,
      message: `Node ${known.name} was changed: up to ${wanted.taskCap} tasks, ${wanted.isInMaintenanceMode ? "draining" : "taking tasks"}`,
      relatedDocumentIds: [known.id],
    });
    return { ...known, ...wanted };
  });
  if (node === undefined) return { outcome: "no-such-node" };
  if (change.drain !== true) return { outcome: "done", node, cancelled: [] };
  await untilHeard(database, node);

  let running = await untilEmpty(database, node, change.waitSeconds * 1_000, say);
  if (running.length === 0) return { outcome: "done", node, cancelled: [] };
  if (!change.cancelTasks) return { outcome: "still-running", node, running };
  const cancelled = running;
  for (const taskId of cancelled) await database.transaction((tx) => requestCancel(tx, taskId, actor));
  say(`Cancelled: ${cancelled.join(", ")}.`);
  running = await untilEmpty(database, node, cancelMsMax, say);
  return running.length === 0 ? { outcome: "done", node, cancelled } : { outcome: "still-running", node, running };
}

/** Returns when the node has read its record after the change, or does not run. One report may have been under way, so two are awaited. */
async function untilHeard(database: Database, node: ServerNode): Promise<void> {
  let seen = node.lastSeenAt.getTime();
  for (let reports = 0; reports < 2;) {
    const now = await findNode(database, node.id, offlineAfterMs);
    if (now === undefined || now.isOffline) return;
    if (now.lastSeenAt.getTime() !== seen) {
      seen = now.lastSeenAt.getTime();
      reports += 1;
    }
    if (reports < 2) await pause(lookMs);
  }
}

/** Ids of the tasks that still run there when the time is over. */
async function untilEmpty(database: Database, node: ServerNode, waitMs: number, say: (sentence: string) => void): Promise<string[]> {
  const untilMs = performance.now() + waitMs;
  let told = "";
  for (;;) {
    const running = (await listRunningTasks(database, node.name)).map((task) => task.id);
    const leftMs = untilMs - performance.now();
    if (running.length === 0 || leftMs <= 0) return running;
    const sentence = `${node.name} still runs ${running.join(", ")}.`;
    if (sentence !== told) say(sentence);
    told = sentence;
    await pause(Math.min(lookMs, leftMs));
  }
}
