// This node in the registry of nodes: it says that it lives, learns whether it is drained and how many tasks it may run, and which
// other nodes exist. Nothing here decides who runs what.

import { pause } from "../../base/clock.ts";
import type { Database } from "../database/database.ts";
import { markNodeStopped, reportNode } from "./node-store.ts";

export type { BackgroundLoop } from "./background-loop.ts";
export { createBackgroundLoop } from "./background-loop.ts";
export { createFitness, probeDeadlineMs } from "./fitness.ts";
export type { Fitness, Probe, ProbeFinding } from "./fitness.ts";
export { readInstallationId } from "./installation-store.ts";
export { checkJoin, JoinRefused } from "./join.ts";
export { deleteNode, findNode, listNodes, nodeIdOf, updateNode } from "./node-store.ts";
export type { ServerNode } from "./node-store.ts";

/** A node that was not seen for this long is shown as offline. Tasks do not wait for it: their leases are much shorter. */
export const offlineAfterMs = 15_000;
const reportMs = 2_000;

export interface NodeRegistry {
  /** Registers the node; fails when another live process has the same name. */
  start(): Promise<void>;
  /** The cap in force here: 0 while the node is drained. */
  taskCap(): number;
  isDrained(): boolean;
  /** Reads the record again, for instance after it was changed through this node. */
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

/** Another live node of the cluster has this name; the two would be taken for one. */
export class NodeNameTaken extends Error {
  constructor(name: string) {
    super(`Another node named '${name}' is running in this cluster. Give each node a name of its own with --serverNodeName.`);
    this.name = "NodeNameTaken";
  }
}

export function createNodeRegistry(parts: {
  database: Database;
  nodeName: string;
  /** Names this process start. */
  instance: string;
  version: string;
  /** For a node that is new in the registry; a known one keeps what was set there. */
  taskCap: number;
  /** Overrides what the registry says, when the operator gave it at this start. */
  taskCapForced: boolean;
  /** What this node lacks now, by name. */
  impairments: () => readonly string[];
  log: { warn(fields: object, message: string): void };
}): NodeRegistry {
  const stopping = new AbortController();
  let cap = 0;
  let drained = false;
  let loop: Promise<void> = Promise.resolve();

  async function report(start: boolean): Promise<void> {
    const node = await reportNode(parts.database, {
      name: parts.nodeName,
      instance: parts.instance,
      version: parts.version,
      taskCap: parts.taskCap,
      forceTaskCap: start && parts.taskCapForced,
      offlineAfterMs,
      start,
      impairments: parts.impairments(),
    });
    if (node === undefined) throw new NodeNameTaken(parts.nodeName);
    cap = node.taskCap;
    drained = node.isInMaintenanceMode;
  }

  return {
    async start() {
      await report(true);
      loop = (async () => {
        while (await pause(reportMs, stopping.signal)) {
          await report(false).catch((error: unknown) => {
            parts.log.warn({ err: error }, "This node could not be entered in the registry; trying again.");
          });
        }
      })();
    },
    taskCap: () => (drained ? 0 : cap),
    isDrained: () => drained,
    refresh: () => report(false),
    async stop() {
      stopping.abort();
      await loop;
      await markNodeStopped(parts.database, parts.nodeName, parts.instance).catch(() => {});
    },
  };
}
