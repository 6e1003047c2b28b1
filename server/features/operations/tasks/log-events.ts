// The log of one task as events, live. Each event of the log has an id that is a place in it, the same on every node: whoever comes back
// with the last one it got, to any node, goes on right behind it. The state of the task comes without an id, whenever it changes.

import { problem } from "../../../base/problems.ts";
import { formatPosition, logStart, parsePosition } from "../../../engine/tasks/tasks.ts";
import type { FeedItem, FollowedTask, PlacedEntry, TaskLogFeed } from "../../../engine/tasks/tasks.ts";
import { eventText } from "../../../platform/http/http.ts";
import { shownTime } from "./log-tree.ts";

/** Behind the id of the last event: nothing comes after it any more. */
const overMark = "-over";
/** What goes out at once, so that a long log does not become one huge text in memory. */
const textCharactersMax = 64 * 1024;

export type WhereToGoOn = { position: typeof logStart } | "over";

/** Where a reader wants to go on. @throws Problem 400 when the text is no id of this log */
export async function readLastEventId(feed: TaskLogFeed, taskId: string, text: string | undefined): Promise<WhereToGoOn> {
  if (text === undefined || text === "") return { position: logStart };
  const position = parsePosition(text.endsWith(overMark) ? text.slice(0, -overMark.length) : text);
  if (position === undefined || !(await feed.isPosition(taskId, position)))
    throw problem.invalid(`'${text.slice(0, 100)}' is not the id of an event of this log. Begin again without one.`);
  return text.endsWith(overMark) ? "over" : { position };
}

/** All that comes after a position, as texts of whole events. The last event is `end`; then a reader need not come back. */
export async function* logEventTexts(
  feed: TaskLogFeed,
  taskId: string,
  from: typeof logStart,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let position = from;
  for await (const item of feed.follow(taskId, from, signal)) {
    if (item.kind === "entries") {
      yield* textsOf(item);
      position = item.after;
    } else {
      yield eventText("task", stateOf(item.task));
      if (item.isOver) yield eventText("end", stateOf(item.task), `${formatPosition(position)}${overMark}`);
    }
  }
}

/** Readers at the same place are given the same entries; their text is made once. */
const made = new WeakMap<readonly PlacedEntry[], readonly string[]>();

function textsOf({ entries }: FeedItem & { kind: "entries" }): readonly string[] {
  const before = made.get(entries);
  if (before !== undefined) return before;
  const texts: string[] = [];
  let text = "";
  for (const { entry, after } of entries) {
    text += entryText(entry, after);
    if (text.length < textCharactersMax) continue;
    texts.push(text);
    text = "";
  }
  if (text !== "") texts.push(text);
  made.set(entries, texts);
  return texts;
}

function entryText(entry: PlacedEntry["entry"], after: PlacedEntry["after"]): string {
  const id = formatPosition(after);
  switch (entry.kind) {
    case "block":
      return eventText("block", { Id: entry.id, ParentId: entry.parent, Name: entry.name, Started: shownTime(entry.at) }, id);
    case "status":
      return eventText("status", { Id: entry.id, Status: entry.status, OccurredAt: shownTime(entry.at) }, id);
    case "progress":
      return eventText(
        "progress",
        { Id: entry.id, ProgressPercentage: entry.percentage, ProgressMessage: entry.message, OccurredAt: shownTime(entry.at) },
        id,
      );
    case "line":
      return eventText(
        "line",
        {
          Number: after.lines,
          BlockId: entry.block,
          Category: entry.category,
          OccurredAt: shownTime(entry.at),
          MessageText: entry.text,
        },
        id,
      );
  }
}

function stateOf(task: FollowedTask): object {
  return {
    Id: task.id,
    State: task.state,
    IsCompleted: task.isCompleted,
    FinishedSuccessfully: task.state === "Success",
    HasWarningsOrErrors: task.hasWarningsOrErrors,
    ErrorMessage: task.errorMessage,
    ServerNode: task.serverNode === null ? null : `OctopusServerNodes-${task.serverNode}`,
  };
}
