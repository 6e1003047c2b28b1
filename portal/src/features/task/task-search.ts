// What of a task's page stands in its address: what is searched for in the log, and, behind the #, which lines are meant.

export interface TaskSearch {
  /** Searched for in the log. */
  find?: string;
}

const findCharactersMax = 1_000;

export function readTaskSearch(search: Record<string, unknown>): TaskSearch {
  const { find } = search;
  // A number in an address is read as one.
  const text = typeof find === "number" ? String(find) : find;
  return typeof text === "string" && text !== "" ? { find: text.slice(0, findCharactersMax) } : {};
}

/** "L120" and "L120-140". */
export function readLines(hash: string): { line: number; to?: number } | undefined {
  const found = /^L(\d{1,9})(?:-(\d{1,9}))?$/.exec(hash);
  if (found === null) return undefined;
  const line = Math.max(1, Number(found[1]));
  return found[2] === undefined ? { line } : { line, to: Math.max(line, Number(found[2])) };
}

export function linesHash(from: number, to: number): string {
  return from === to ? `L${from}` : `L${from}-${to}`;
}
