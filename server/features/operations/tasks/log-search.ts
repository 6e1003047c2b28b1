// Finds lines of a task's log by text and level. One answer looks through so many bytes and holds so many lines at most, and says from
// which line on to ask again: a log of any size is searched without holding it, or a connection, for long. What cannot fit is not decoded.

import type { LogLines, NumberedLine } from "../../../engine/tasks/tasks.ts";

/** Lines of one answer. */
export const foundMax = 500;
/** Bytes of the log looked through for one answer. */
const searchedBytesMax = 64 * 1024 * 1024;
/** Characters of a text that is looked for. */
export const searchedCharactersMax = 1_000;

export interface LogSearch {
  text: string;
  matchCase: boolean;
  wholeWord: boolean;
  categories: ReadonlySet<string>;
  block: string | undefined;
}

export interface LogSearchResult {
  lines: NumberedLine[];
  /** Undefined when the log has been looked through to its end. */
  nextFrom: number | undefined;
}

export async function searchLog(log: LogLines, search: LogSearch, from: number, take: number): Promise<LogSearchResult> {
  const fits = matcher(search);
  const lines: NumberedLine[] = [];
  let searchedBytes = 0;
  for await (const piece of log.from(from, search)) {
    for (const { line } of piece.lines) {
      if (!fits(line)) continue;
      lines.push(line);
      if (lines.length === take) return { lines, nextFrom: line.number + 1 };
    }
    searchedBytes += piece.bytes;
    if (searchedBytes >= searchedBytesMax) return { lines, nextFrom: piece.after.lines + 1 };
  }
  return { lines, nextFrom: undefined };
}

/** Pure. Whether a line is one of those that are looked for. */
export function matcher(search: LogSearch): (line: Pick<NumberedLine, "text" | "category" | "block">) => boolean {
  const fold = (text: string): string => (search.matchCase ? text : text.toLowerCase());
  const wanted = fold(search.text);
  return (line) => {
    if (search.categories.size > 0 && !search.categories.has(line.category)) return false;
    if (search.block !== undefined && line.block !== search.block) return false;
    if (wanted === "") return true;
    const text = fold(line.text);
    for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1))
      if (!search.wholeWord || (isBorder(text, at - 1) && isBorder(text, at + wanted.length))) return true;
    return false;
  };
}

function isBorder(text: string, at: number): boolean {
  return at < 0 || at >= text.length || !/[\p{L}\p{N}_]/u.test(text[at]!);
}
