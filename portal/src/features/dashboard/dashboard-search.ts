// What of the dashboard stands in its address: which projects and which states are shown. What is unknown is dropped.

const states = ["failed", "waiting", "running", "queued", "behind"] as const;

export type StateFilter = (typeof states)[number];

export interface DashboardSearch {
  /** A part of projects' names. */
  q?: string;
  state?: StateFilter;
}

const textCharactersMax = 100;

export function readDashboardSearch(search: Record<string, unknown>): DashboardSearch {
  const { q, state } = search;
  return {
    ...(typeof q === "string" && q !== "" ? { q: q.slice(0, textCharactersMax) } : {}),
    ...(states.some((one) => one === state) ? { state: state as StateFilter } : {}),
  };
}
