// Tasks: what runs, ran or waits, and why it waits.

import { queryOptions } from "@tanstack/react-query";
import type { ServerTask, ServerTaskDetails, ServerTaskPage, TaskState, TaskWaiting } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path, withQuery } from "./request.ts";
import { fetchLogLines, searchLog } from "./task-log.ts";

/** A node of the log tree: a step, a machine, or what happens there. The contract leaves its shape open because it holds itself. */
export interface LogNode {
  Id: string;
  Name: string;
  Started: string | null;
  Ended: string | null;
  Status: "Pending" | "Running" | "Success" | "SuccessWithWarning" | "Failed" | "Skipped" | "Canceled";
  Children: LogNode[];
  ProgressPercentage: number;
  ProgressMessage: string;
}

export type TaskDetails = Omit<ServerTaskDetails, "ActivityLogs"> & { ActivityLogs: LogNode[] };

export const tasksPerPage = 50;
export const taskStates: readonly TaskState[] = ["Queued", "Executing", "Cancelling", "Success", "Failed", "Canceled", "TimedOut"];

export interface TaskFilter {
  state?: TaskState;
  /** By id. */
  project?: string;
  /** From 1 on. */
  page?: number;
}

/** The newest first. */
export const tasksPageQuery = (space: string, filter: TaskFilter) =>
  queryOptions({
    queryKey: keyOf("tasks", space, filter),
    queryFn: ({ signal }) =>
      api.get<ServerTaskPage>(
        withQuery(path`/${space}/tasks`, {
          states: filter.state,
          project: filter.project,
          skip: ((filter.page ?? 1) - 1) * tasksPerPage,
          take: tasksPerPage,
        }),
        { signal },
      ),
    meta: { changesOf: ["ServerTasks"] },
    placeholderData: (before, query) => (query?.queryKey[1] === space ? before : undefined),
  });

/** The task with its tree of steps; lines of the log come otherwise. */
export const taskDetailsQuery = (space: string, task: string) =>
  queryOptions({
    queryKey: keyOf("task-details", space, task),
    queryFn: ({ signal }) => api.get<TaskDetails>(withQuery(path`/${space}/tasks/${task}/details`, { tail: 1 }), { signal }),
    meta: { changesOf: [task] },
  });

export const taskWaitingQuery = (space: string, task: string) =>
  queryOptions({
    queryKey: keyOf("task-waiting", space, task),
    queryFn: ({ signal }) => api.get<TaskWaiting>(path`/${space}/tasks/${task}/waiting`, { signal }),
    meta: { changesOf: [task, "ServerTasks"] },
    // Reasons change without a change of any document: a node is back, an agent answers.
    refetchInterval: 5_000,
  });

/** Lines around the first error. */
const contextLines = 4;

/** The first error in a task's log with the lines around it; null when it has none. */
export const firstErrorQuery = (space: string, task: string) =>
  queryOptions({
    queryKey: keyOf("first-error", space, task),
    queryFn: async ({ signal }) => {
      const { Lines } = await searchLog(space, task, { level: ["error", "fatal"], take: 1 }, signal);
      const line = Lines[0]?.Number;
      if (line === undefined) return null;
      const from = Math.max(1, line - contextLines);
      const around = await fetchLogLines(space, task, from, line - from + 1 + contextLines, signal);
      // What the agent did meanwhile tells nobody why it failed.
      return { line, lines: around.Lines.filter(({ Category }) => Category !== "Verbose") };
    },
    staleTime: Infinity,
  });

export const cancelTask = (space: string, task: string): Promise<ServerTask> => api.post(path`/${space}/tasks/${task}/cancel`);

export const rerunTask = (space: string, task: string): Promise<ServerTask> => api.post(path`/${space}/tasks/rerun/${task}`);
