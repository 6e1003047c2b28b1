// The nodes of the cluster: who is there, what each runs, how much it may run, and draining. They belong to no space, and what they report
// is no change of a document, so it is asked for.

import { queryOptions } from "@tanstack/react-query";
import type { ServerNode, ServerNodeBody, ServerNodeDetails, ServerNodesSummary, ServerTaskPage, TaskWaiting } from "./documents.ts";
import { api, path, withQuery } from "./request.ts";

const nodesMs = 2_000;
const tasksMs = 5_000;
/** Why each one waits is a request of its own. */
export const waitingTasksShown = 10;

/** Tasks name their node by its id, which is its name behind the kind. */
export const nodeName = (id: string): string => id.replace(/^OctopusServerNodes-/, "");

export const nodesQuery = queryOptions({
  queryKey: ["nodes"],
  queryFn: ({ signal }) => api.get<ServerNodesSummary>("/octopusservernodes/summary", { signal }),
  refetchInterval: nodesMs,
});

export const nodeDetailsQuery = (node: string) =>
  queryOptions({
    queryKey: ["node-details", node],
    queryFn: ({ signal }) => api.get<ServerNodeDetails>(path`/octopusservernodes/${node}/details`, { signal }),
    refetchInterval: tasksMs,
  });

/** Of all spaces, those that no node has taken. */
export const queuedTasksQuery = queryOptions({
  queryKey: ["queued-tasks"],
  queryFn: ({ signal }) => api.get<ServerTaskPage>(withQuery("/tasks", { states: "Queued", take: waitingTasksShown }), { signal }),
  meta: { changesOf: ["ServerTasks"] },
  refetchInterval: tasksMs,
});

export const whyQueuedQuery = (task: string) =>
  queryOptions({
    queryKey: ["why-queued", task],
    queryFn: ({ signal }) => api.get<TaskWaiting>(path`/tasks/${task}/waiting`, { signal }),
    refetchInterval: tasksMs,
  });

export const saveNode = (node: string, body: ServerNodeBody): Promise<ServerNode> => api.put(path`/octopusservernodes/${node}`, body);

export const deleteNode = (node: string): Promise<void> => api.delete(path`/octopusservernodes/${node}`);
