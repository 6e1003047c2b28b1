// The stored form of a task's log: one JSON object a line. Version 1 knows blocks, their states, and lines.

/** Version of the line format, kept in the row of each part. Readers know this one and all before it. */
export const logFormatVersion = 1;

export const logCategories = ["Trace", "Verbose", "Info", "Highlight", "Wait", "Warning", "Error", "Fatal"] as const;
export type LogCategory = (typeof logCategories)[number];
export type BlockStatus = "Pending" | "Running" | "Success" | "Failed" | "Canceled" | "Skipped" | "SuccessWithWarning";

/**
 * `block` opens a node of the tree (again after a takeover: the first one counts), `status` changes it, `line` says something in it.
 * Blocks are named by an id that does not change over takeovers. `at` is an ISO time.
 */
export type LogEntry =
  | { kind: "block"; id: string; parent: string | null; name: string; at: string }
  | { kind: "status"; id: string; status: BlockStatus; at: string }
  | { kind: "line"; block: string; category: LogCategory; at: string; text: string };

/** One line of text is cut after this many characters; the agent cuts before that, this is the last net. */
const lineCharactersMax = 1_000_000;

/** The bytes of one entry, newline included. */
export function encodeEntry(entry: LogEntry): string {
  switch (entry.kind) {
    case "block":
      return `${JSON.stringify({ k: "b", i: entry.id, p: entry.parent, n: entry.name, t: entry.at })}\n`;
    case "status":
      return `${JSON.stringify({ k: "s", i: entry.id, s: entry.status, t: entry.at })}\n`;
    case "line":
      return `${JSON.stringify({ k: "l", i: entry.block, c: entry.category, t: entry.at, m: entry.text.slice(0, lineCharactersMax) })}\n`;
  }
}

/** The entry of one stored line, or undefined when it is not one (a foreign or damaged line is never shown as something else). */
export function decodeEntry(line: string, version: number): LogEntry | undefined {
  if (version !== 1) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof raw !== "object" || raw === null) return undefined;
  const { k, i, p, n, t, s, c, m } = raw as Record<string, unknown>;
  if (typeof i !== "string" || typeof t !== "string") return undefined;
  if (k === "b" && typeof n === "string") return { kind: "block", id: i, parent: typeof p === "string" ? p : null, name: n, at: t };
  if (k === "s" && typeof s === "string") return { kind: "status", id: i, status: s as BlockStatus, at: t };
  if (k === "l" && typeof m === "string" && typeof c === "string")
    return { kind: "line", block: i, category: c as LogCategory, at: t, text: m };
  return undefined;
}
