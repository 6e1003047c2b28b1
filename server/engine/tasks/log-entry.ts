// The stored form of a task's log: one JSON object a line. Version 1 knows blocks, their states and progress, and lines; whoever meets
// an entry of a kind it does not know leaves it out.

/** Version of the line format, kept in the row of each part. Readers know this one and all before it. */
export const logFormatVersion = 1;

export const logCategories = ["Trace", "Verbose", "Info", "Highlight", "Wait", "Warning", "Error", "Fatal"] as const;
export type LogCategory = (typeof logCategories)[number];
export type BlockStatus = "Pending" | "Running" | "Success" | "Failed" | "Canceled" | "Skipped" | "SuccessWithWarning";

export interface LogProgress {
  kind: "progress";
  id: string;
  percentage: number;
  message: string;
  at: string;
}

/**
 * `block` opens a node of the tree (again after a takeover: the first one counts), `status` changes it, `progress` says
 * how far it is, `line` says something in it.
 * Blocks are named by an id that does not change over takeovers. `at` is an ISO time.
 */
export type LogEntry =
  | { kind: "block"; id: string; parent: string | null; name: string; at: string }
  | { kind: "status"; id: string; status: BlockStatus; at: string }
  | LogProgress
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
    case "progress":
      return `${JSON.stringify({ k: "p", i: entry.id, v: entry.percentage, m: entry.message, t: entry.at })}\n`;
    case "line":
      return `${JSON.stringify({ k: "l", i: entry.block, c: entry.category, t: entry.at, m: entry.text.slice(0, lineCharactersMax) })}\n`;
  }
}

const lineBegins = Buffer.from('{"k":"l"');

/** Whether the stored entry that begins at `start` is a line, told without decoding it. */
export function isLine(bytes: Buffer, start: number): boolean {
  return bytes.compare(lineBegins, 0, lineBegins.length, start, Math.min(start + lineBegins.length, bytes.length)) === 0;
}

/** What a line that is looked for holds for certain; whoever looks for it tells exactly. */
export interface LogSift {
  text: string;
  matchCase: boolean;
  /** One of them, or any when there are none. */
  categories: ReadonlySet<string>;
}

/**
 * Whether stored bytes, one entry or many, may hold a line that is looked for, told without decoding them: most of a long log need not be.
 * Undefined when everything may.
 */
export function siftOf({ text, matchCase, categories }: LogSift): ((bytes: Buffer) => boolean) | undefined {
  const levels = [...categories].map((category) => Buffer.from(`"c":${JSON.stringify(category)}`));
  const part = JSON.stringify(plainPartOf(matchCase ? text : text.toLowerCase())).slice(1, -1);
  if (levels.length === 0 && part === "") return undefined;
  const exact = Buffer.from(part);
  return (bytes) =>
    (levels.length === 0 || levels.some((level) => bytes.includes(level))) &&
    (part === "" || (matchCase ? bytes.includes(exact) : bytes.toString("utf8").toLowerCase().includes(part)));
}

/** The longest part of a text that stands in the stored form as it stands here: other characters change with their neighbours, or are escaped. */
function plainPartOf(text: string): string {
  const parts = text.match(/[\u0020-\u007e]+/g) ?? [];
  return parts.reduce((longest, part) => (part.length > longest.length ? part : longest), "");
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
  const { k, i, p, n, t, s, c, m, v } = raw as Record<string, unknown>;
  if (typeof i !== "string" || typeof t !== "string") return undefined;
  if (k === "b" && typeof n === "string") return { kind: "block", id: i, parent: typeof p === "string" ? p : null, name: n, at: t };
  if (k === "s" && typeof s === "string") return { kind: "status", id: i, status: s as BlockStatus, at: t };
  if (k === "p" && typeof v === "number" && typeof m === "string") return { kind: "progress", id: i, percentage: v, message: m, at: t };
  if (k === "l" && typeof m === "string" && typeof c === "string")
    return { kind: "line", block: i, category: c as LogCategory, at: t, text: m };
  return undefined;
}
