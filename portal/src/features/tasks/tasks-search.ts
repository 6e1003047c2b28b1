// What of the list of tasks stands in its address: a state, a project, the page. What is unknown is dropped.

import type { TaskState } from "../../api/documents.ts";
import { taskStates } from "../../api/tasks.ts";
import type { TaskFilter } from "../../api/tasks.ts";

const textCharactersMax = 200;
const pagesMax = 1_000_000;

export function readTasksSearch({ state, project, page }: Record<string, unknown>): TaskFilter {
  return {
    ...(taskStates.some((one) => one === state) ? { state: state as TaskState } : {}),
    ...(typeof project === "string" && project !== "" ? { project: project.slice(0, textCharactersMax) } : {}),
    ...(typeof page === "number" && Number.isInteger(page) && page > 1 && page <= pagesMax ? { page } : {}),
  };
}
