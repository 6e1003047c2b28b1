// What of the process editor stands in its address: the step that is open.

export interface ProcessSearch {
  step?: string;
}

export function readProcessSearch(search: Record<string, unknown>): ProcessSearch {
  const { step } = search;
  return typeof step === "string" && step !== "" ? { step } : {};
}
