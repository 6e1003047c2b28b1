// This node in the registry of nodes: it says that it lives, learns whether it is drained and how many tasks it may run, and which
// other nodes exist. Nothing here decides who runs what.

import { monotonicMs, pause } from "../../base/clock.ts";
import type { Database } from "../database/database.ts";
import { findHolder, markNodeStopped, reportNode } from "./node-store.ts";

export type { BackgroundLoop } from "./background-loop.ts";
export { createBackgroundLoop } from "./background-loop.ts";
export { createFitness, probeDeadlineMs } from "./fitness.ts";
export type { Fitness, Probe, ProbeFinding } from "./fitness.ts";
export { readInstallationId, readMaintenance, setMaintenance } from "./installation-store.ts";
export { checkJoin, JoinRefused } from "./join.ts";
export { deleteNode, findNode, listNodes, nodeIdOf, updateNode } from "./node-store.ts";
export type { ServerNode } from "./node-store.ts";

/** A node that was not seen for this long is shown as offline. Tasks do not wait for it: their leases are much shorter. */
export const offlineAfterMs = 15_000;
const reportMs = 2_000;
/** A node that lives says so again within this, on a busy machine too. */
const silentMsMax = 3 * reportMs;
const holderLookMs = 200;

export interface NodeRegistry {
  /** Registers the node; fails when another live process has the same name. */
  start(): Promise<void>;
  /** The cap in force here: 0 while the node is drained. */
  taskCap(): number;
  isDrained(): boolean;
  /** Names of the other nodes that take tasks, as of the last report. */
  otherNodes(): readonly string[];
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
  /** The process before this one with the same home, which has ended. */
  former?: string | undefined;
  version: string;
  /** For a node that is new in the registry; a known one keeps what was set there. */
  taskCap: number;
  /** Overrides what the registry says, when the operator gave it at this start. */
  taskCapForced: boolean;
  /** What this node lacks now, by name. */
  impairments: () => readonly string[];
  /** Where polling agents reach this node, such as `https://node-2.example.com:10943`; null when it shall not be told. */
  commsAddress: string | null;
  /** Is told where polling agents reach the cluster, at first and whenever that has changed: each address once, always in the same order. */
  commsAddressesChanged: (addresses: readonly string[]) => void;
  log: { warn(fields: object, message: string): void };
}): NodeRegistry {
  const stopping = new AbortController();
  let cap = 0;
  let drained = false;
  let otherNodes: readonly string[] = [];
  let commsAddresses: readonly string[] | undefined;
  let loop: Promise<void> = Promise.resolve();

  /** Answers false, and changes nothing, when another process has the name. */
  async function report(start: boolean, former?: string): Promise<boolean> {
    const node = await reportNode(parts.database, {
      name: parts.nodeName,
      instance: parts.instance,
      version: parts.version,
      taskCap: parts.taskCap,
      forceTaskCap: start && parts.taskCapForced,
      offlineAfterMs,
      start,
      former,
      impairments: parts.impairments(),
      silentMsMax,
      commsAddress: parts.commsAddress,
    });
    if (node === undefined) return false;
    cap = node.taskCap;
    drained = node.isInMaintenanceMode;
    otherNodes = node.otherNodes;
    const own = parts.commsAddress === null ? [] : [parts.commsAddress];
    tellAddresses([...new Set([...own, ...node.otherCommsAddresses])].sort());
    return true;
  }

  function tellAddresses(addresses: readonly string[]): void {
    if (commsAddresses?.join(" ") === addresses.join(" ")) return;
    commsAddresses = addresses;
    parts.commsAddressesChanged(addresses);
  }

  async function reportAgain(): Promise<void> {
    if (!(await report(false))) throw new NodeNameTaken(parts.nodeName);
  }

  /**
   * Enters this node. Where another process has its name, this node may have been killed on another machine, or another one was given the
   * same name: only the living say again that they live, which is waited for.
   */
  async function enter(): Promise<void> {
    while (!(await report(true, parts.former))) {
      const holder = await findHolder(parts.database, parts.nodeName);
      const startedMs = monotonicMs();
      while (holder !== undefined && monotonicMs() - startedMs < silentMsMax) {
        await pause(holderLookMs);
        const now = await findHolder(parts.database, parts.nodeName);
        if (now === undefined || now.instance !== holder.instance) break;
        if (now.lastSeenAt.getTime() !== holder.lastSeenAt.getTime()) throw new NodeNameTaken(parts.nodeName);
      }
      if (holder !== undefined && (await report(true, holder.instance))) return;
    }
  }

  return {
    async start() {
      await enter();
      loop = (async () => {
        while (await pause(reportMs, stopping.signal)) {
          await reportAgain().catch((error: unknown) => {
            parts.log.warn({ err: error }, "This node could not be entered in the registry; trying again.");
          });
        }
      })();
    },
    taskCap: () => (drained ? 0 : cap),
    isDrained: () => drained,
    otherNodes: () => otherNodes,
    refresh: reportAgain,
    async stop() {
      stopping.abort();
      await loop;
      await markNodeStopped(parts.database, parts.nodeName, parts.instance).catch(() => {});
    },
  };
}
