// What nodes tell each other about the queue, and whom a node without a free place tells next. A hint only says where to look: whoever looks
// takes what is eligible, and every node also looks by itself.
//
// A queued task is hinted at the node that queued it, inside the process. If that one has no free place, or runs something already, it offers
// the task to one other node, which takes it or offers it on; after some offers all nodes are told. So the cost of a task does not grow with
// the number of nodes.

import { createHash } from "node:crypto";

/** Payloads of the channel of tasks. A version before this one takes each for "look", and the last kind also for "cancelled?". */
export type QueueHint =
  /** Somebody should look; sent when nobody in particular can be asked. */
  | { kind: "queued"; taskId: string }
  /** One node is asked; so many others had no place for it. */
  | { kind: "offered"; taskId: string; full: number; node: string }
  /** A task was cancelled or let go of: its owner looks at it, the others at the queue. */
  | { kind: "changed"; taskId: string };

/** After so many nodes without a place all are told: each offer costs a statement, and each look of a node that finds nothing costs one too. */
const fullMax = 3;

export function encodeHint(hint: QueueHint): string {
  switch (hint.kind) {
    case "queued":
      return `${hint.taskId} queued`;
    case "offered":
      return `${hint.taskId} offered ${hint.full} ${hint.node}`;
    case "changed":
      return hint.taskId;
  }
}

/** What cannot be read is a reason to look. */
export function decodeHint(payload: string): QueueHint {
  const [taskId = "", kind, full, ...name] = payload.split(" ");
  if (kind === undefined) return { kind: "changed", taskId };
  if (kind !== "offered") return { kind: "queued", taskId };
  return { kind: "offered", taskId, full: Number(full), node: name.join(" ") };
}

/** Names of nodes are compared without case. */
export function isSameNode(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/**
 * What a node says that does not take a task: an offer to the node after it in an order that is the same on all nodes and another one for
 * each task, so that offers go round and spread. Of so many nodes it is known that they have no place. Undefined: that is all there are.
 */
export function chooseNextHint(task: { taskId: string; full: number }, own: string, others: readonly string[]): QueueHint | undefined {
  const { taskId, full } = task;
  if (full > others.length) return undefined;
  if (full > fullMax || others.length === 0) return { kind: "queued", taskId };
  const placeOf = (name: string): string => createHash("sha1").update(`${taskId} ${name.toLowerCase()}`).digest("hex");
  const ownPlace = placeOf(own);
  const ring = others.map((name) => ({ name, place: placeOf(name) })).toSorted((a, b) => (a.place < b.place ? -1 : 1));
  const next = ring.find(({ place }) => place > ownPlace) ?? ring[0]!;
  return { kind: "offered", taskId, full, node: next.name };
}
