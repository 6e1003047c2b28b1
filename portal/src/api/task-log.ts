// The log of a task by line numbers, searched, and as events.

import type { TaskLogFound, TaskLogLines } from "./documents.ts";
import { api, apiAddress, path, withQuery } from "./request.ts";

/** Lines of one request; the server answers fewer when they are very long. */
export const linesAtOnce = 500;

export function fetchLogLines(space: string, task: string, from: number, take: number, signal?: AbortSignal): Promise<TaskLogLines> {
  return api.get<TaskLogLines>(withQuery(path`/${space}/tasks/${task}/log/lines`, { from, take }), { ...(signal && { signal }) });
}

export interface LogSearch {
  text?: string;
  level?: readonly string[];
  /** The step or machine; the last part of a node's id in the tree. */
  block?: string;
  from?: number;
  take?: number;
}

export function searchLog(space: string, task: string, search: LogSearch, signal?: AbortSignal): Promise<TaskLogFound> {
  return api.get<TaskLogFound>(withQuery(path`/${space}/tasks/${task}/log/search`, { ...search }), { ...(signal && { signal }) });
}

export const logEventsAddress = (space: string, task: string): string => path`/${space}/tasks/${task}/log/events`;

export const rawLogAddress = (space: string, task: string): string => apiAddress(path`/${space}/tasks/${task}/raw`);
