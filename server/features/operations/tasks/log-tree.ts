// From the flat log of a task to the tree that clients show, and to the raw text. Pure over a stream of entries, and bounded: of each
// node only the last lines are kept, with a gap that says how many are not shown.

import type { BlockStatus, LogEntry } from "../../../engine/tasks/tasks.ts";
import { timeText } from "../../../platform/http/http.ts";

/** Lines of one node in an answer. People read fewer; whoever wants all takes the raw log. */
export const linesPerNodeMax = 2_000;
/** Lines of all nodes together, so that a process of many noisy steps stays an answer of some megabytes. */
export const linesInAllMax = 20_000;
/** Characters of one line in the tree. */
const lineCharactersMax = 10_000;

export interface LogElement {
  Category: string;
  OccurredAt: string;
  MessageText: string;
  Detail: null;
}

export interface LogNode {
  Id: string;
  Name: string;
  Started: string | null;
  Ended: string | null;
  Status: BlockStatus;
  Children: LogNode[];
  ShowAtSummaryLevel: boolean;
  LogElements: LogElement[];
  ProgressPercentage: number;
  ProgressMessage: string;
}

export interface LogTree {
  roots: LogNode[];
  /** Bytes of text in all lines, shown or not. */
  textBytes: number;
}

/** `tail`: last lines of each node. `verbose` false leaves out the lines of category Verbose and Trace. */
export async function buildLogTree(
  pieces: AsyncIterable<readonly LogEntry[]>,
  taskId: string,
  options: { tail?: number | undefined; verbose: boolean },
): Promise<LogTree> {
  const keep = Math.min(options.tail ?? linesPerNodeMax, linesPerNodeMax);
  const nodes = new Map<string, Place>();
  const roots: LogNode[] = [];
  let textBytes = 0;
  let kept = 0;
  function take(entry: LogEntry): void {
    if (entry.kind === "block") {
      // After a takeover blocks are opened again; the first one counts.
      if (nodes.has(entry.id)) return;
      const node = newNode(taskId, entry.id, entry.name, entry.at);
      nodes.set(entry.id, { node, lines: [], leftOut: 0, stale: 0 });
      const parent = entry.parent === null ? undefined : nodes.get(entry.parent);
      if (parent === undefined) roots.push(node);
      else {
        node.ShowAtSummaryLevel = roots.includes(parent.node);
        parent.node.Children.push(node);
      }
      return;
    }
    const place = nodes.get(entry.kind === "line" ? entry.block : entry.id);
    if (place === undefined) return;
    if (entry.kind === "status") {
      place.node.Status = entry.status;
      const isOver = entry.status !== "Pending" && entry.status !== "Running";
      place.node.Ended = isOver ? shownTime(entry.at) : null;
      if (isOver) place.node.ProgressPercentage = 100;
      return;
    }
    if (entry.kind === "progress") {
      place.node.ProgressPercentage = entry.percentage;
      place.node.ProgressMessage = entry.message;
      return;
    }
    textBytes += Buffer.byteLength(entry.text);
    if (!options.verbose && (entry.category === "Verbose" || entry.category === "Trace")) return;
    place.lines.push(entry);
    kept++;
    if (keptOf(place) > keep || kept > linesInAllMax) {
      leaveOutFirst(place);
      kept--;
    }
  }
  for await (const piece of pieces) for (const entry of piece) take(entry);
  for (const place of nodes.values()) {
    const { node, leftOut } = place;
    node.LogElements = place.lines.slice(place.lines.length - keptOf(place)).map(shownLine);
    if (leftOut > 0) node.LogElements.unshift(gap(leftOut, node));
  }
  return { roots, textBytes };
}

type Line = LogEntry & { kind: "line" };

/** A node while its lines are read: those that are kept stand at the end of `lines`, and what is made of a line is made of them only. */
interface Place {
  node: LogNode;
  lines: Line[];
  leftOut: number;
  /** At the beginning of `lines`, not kept any more. */
  stale: number;
}

const keptOf = ({ lines, stale }: Place): number => lines.length - stale;

function leaveOutFirst(place: Place): void {
  place.leftOut++;
  place.stale++;
  // Moving all lines at each further one would cost the square of their number.
  if (place.stale <= linesPerNodeMax) return;
  place.lines.splice(0, place.stale);
  place.stale = 0;
}

function shownLine({ category, at, text }: Line): LogElement {
  return { Category: category, OccurredAt: shownTime(at), MessageText: text.slice(0, lineCharactersMax), Detail: null };
}

function newNode(taskId: string, id: string, name: string, at: string): LogNode {
  return {
    Id: `${taskId}_${id}`,
    Name: name,
    Started: shownTime(at),
    Ended: null,
    Status: "Running",
    Children: [],
    ShowAtSummaryLevel: true,
    LogElements: [],
    ProgressPercentage: 0,
    ProgressMessage: "",
  };
}

function gap(leftOut: number, node: LogNode): LogElement {
  const at = node.LogElements[0]?.OccurredAt ?? node.Started ?? "";
  return {
    Category: "Gap",
    OccurredAt: at,
    MessageText: `${leftOut} earlier lines are not shown here. The raw log has all of them.`,
    Detail: null,
  };
}

export function shownTime(at: string): string {
  const time = new Date(at);
  return Number.isNaN(time.getTime()) ? at : timeText(time);
}

/** The log as text, piece by piece: one line each with time and level, headings where a node begins or ends. */
export async function* rawLogText(pieces: AsyncIterable<readonly LogEntry[]>): AsyncGenerator<string> {
  const names = new Map<string, string>();
  let current: string | undefined;
  function textOf(entry: LogEntry): string {
    if (entry.kind === "block") {
      names.set(entry.id, entry.name);
      return "";
    }
    if (entry.kind === "progress") return `${timeOfDay(entry.at)}            |   == ${entry.percentage} %: ${entry.message} ==\n`;
    if (entry.kind === "status") return `${timeOfDay(entry.at)}            |   == ${entry.status}: ${names.get(entry.id) ?? entry.id} ==\n`;
    const heading = entry.block === current ? "" : `                    |   -- ${names.get(entry.block) ?? entry.block} --\n`;
    current = entry.block;
    return `${heading}${timeOfDay(entry.at)}   ${entry.category.padEnd(9)}|     ${entry.text}\n`;
  }
  for await (const piece of pieces) {
    const text = piece.map(textOf).join("");
    if (text !== "") yield text;
  }
}

function timeOfDay(at: string): string {
  return at.slice(11, 19).padEnd(8);
}
