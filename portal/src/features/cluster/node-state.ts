// What a node's record means for people: its state in one word, and how many places the nodes that take tasks have.

import type { ServerNodeSummary } from "../../api/documents.ts";

export type NodeState = "Running" | "Draining" | "Drained" | "Impaired" | "Closed" | "Offline";

export function stateOf(node: ServerNodeSummary): NodeState {
  if (node.IsOffline) return "Offline";
  if (node.IsInMaintenanceMode) return node.RunningTaskCount > 0 ? "Draining" : "Drained";
  if (node.Impairments.length > 0) return "Impaired";
  return node.MaxConcurrentTasks === 0 ? "Closed" : "Running";
}

export function takesTasks(node: ServerNodeSummary): boolean {
  return stateOf(node) === "Running";
}

export function placesOf(nodes: readonly ServerNodeSummary[]): { taking: number; places: number; running: number } {
  const taking = nodes.filter(takesTasks);
  return {
    taking: taking.length,
    places: taking.reduce((sum, node) => sum + node.MaxConcurrentTasks, 0),
    running: nodes.reduce((sum, node) => sum + node.RunningTaskCount, 0),
  };
}
