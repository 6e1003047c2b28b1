// The log of a task by line numbers, searched, and live: what a viewer needs for logs of any size, from any node.

import { Type } from "typebox";
import { TaskLogFound, TaskLogLines } from "@cuttle/contract/rest/server-tasks";
import { problem } from "../../../base/problems.ts";
import { formatPosition, logCategories } from "../../../engine/tasks/tasks.ts";
import type { NumberedLine, TaskLogFeed, TaskLogIndex } from "../../../engine/tasks/tasks.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { EventStreams, Route } from "../../../platform/http/http.ts";
import { logEventTexts, readLastEventId } from "./log-events.ts";
import { foundMax, searchedCharactersMax, searchLog } from "./log-search.ts";
import { shownTime } from "./log-tree.ts";
import { findTask } from "./task-read-store.ts";
import type { TaskRow } from "./task-read-store.ts";

export interface TaskLogParts {
  logFeed: TaskLogFeed;
  logIndex: TaskLogIndex;
  eventStreams: EventStreams;
}

/** Lines of one answer; a viewer fetches pages of some hundred. */
const linesMax = 5_000;
const linesDefault = 500;
/** Characters of all lines of one answer together; after them it ends early, with at least one line. */
const lineCharactersMax = 8 * 1024 * 1024;

const lineNumber = Type.Optional(Type.Integer({ minimum: 1, maximum: 2_147_483_647 }));

async function getTask(db: Queryable, space: { id: string } | undefined, id: string): Promise<TaskRow> {
  const row = await findTask(db, space?.id, id);
  if (row === undefined) throw problem.notFound("task", id);
  return row;
}

function present(line: NumberedLine) {
  return {
    Number: line.number,
    BlockId: line.block,
    Category: line.category,
    OccurredAt: shownTime(line.at),
    MessageText: line.text,
  };
}

function addressOf(row: TaskRow): string {
  return `/api${row.space_id === null ? "" : `/${row.space_id}`}/tasks/${row.id}`;
}

export function taskLogRoutes({ logFeed, logIndex, eventStreams }: TaskLogParts): Route[] {
  return [
    read({
      path: "/tasks/{id}/log/lines",
      scope: "either",
      permission: "TaskView",
      query: Type.Object({
        from: lineNumber,
        take: Type.Optional(Type.Integer({ minimum: 1, maximum: linesMax })),
        block: Type.Optional(Type.String()),
      }),
      answer: TaskLogLines,
      handler: async ({ db, space, params, query }) => {
        const row = await getTask(db, space, params.id);
        const log = await logIndex.open(db, row.id);
        const from = query.from ?? 1;
        const take = query.take ?? linesDefault;
        const lines: NumberedLine[] = [];
        let characters = 0;
        let after = await log.end();
        const lineCount = after.lines;
        search: for await (const piece of log.from(from)) {
          for (const { line, after: behind } of piece.lines) {
            if (query.block !== undefined && line.block !== query.block) continue;
            lines.push(line);
            characters += line.text.length;
            if (lines.length < take && characters < lineCharactersMax) continue;
            after = behind;
            break search;
          }
        }
        const self = addressOf(row);
        return ok({
          TaskId: row.id,
          IsCompleted: row.completed_at !== null,
          LineCount: lineCount,
          Lines: lines.map(present),
          Position: formatPosition(after),
          Links: { Self: `${self}/log/lines{?from,take,block}`, Task: self, Events: `${self}/log/events{?lastEventId}` },
        });
      },
    }),
    read({
      path: "/tasks/{id}/log/search",
      scope: "either",
      permission: "TaskView",
      query: Type.Object({
        text: Type.Optional(Type.String({ maxLength: searchedCharactersMax })),
        level: Type.Optional(Type.Array(Type.String())),
        matchCase: Type.Optional(Type.Boolean()),
        wholeWord: Type.Optional(Type.Boolean()),
        block: Type.Optional(Type.String()),
        from: lineNumber,
        take: Type.Optional(Type.Integer({ minimum: 1, maximum: foundMax })),
      }),
      answer: TaskLogFound,
      handler: async ({ db, space, params, query }) => {
        const row = await getTask(db, space, params.id);
        const categories = (query.level ?? []).map((text) => {
          const category = logCategories.find((one) => one.toLowerCase() === text.trim().toLowerCase());
          if (category === undefined) throw problem.invalid(`There is no level '${text}'. Possible are: ${logCategories.join(", ")}.`);
          return category;
        });
        const { lines, nextFrom } = await searchLog(
          await logIndex.open(db, row.id),
          {
            text: query.text ?? "",
            matchCase: query.matchCase ?? false,
            wholeWord: query.wholeWord ?? false,
            categories: new Set(categories),
            block: query.block,
          },
          query.from ?? 1,
          query.take ?? foundMax,
        );
        const self = addressOf(row);
        return ok({
          TaskId: row.id,
          Lines: lines.map(present),
          NextFrom: nextFrom ?? null,
          Links: { Self: `${self}/log/search`, Task: self },
        });
      },
    }),
    read({
      path: "/tasks/{id}/log/events",
      scope: "either",
      permission: "TaskView",
      query: Type.Object({ lastEventId: Type.Optional(Type.String({ maxLength: 100 })) }),
      answer: "events",
      handler: async ({ db, space, params, query, caller, recheck, lastEventId }) => {
        const row = await getTask(db, space, params.id);
        const goOn = await readLastEventId(logFeed, row.id, lastEventId ?? query.lastEventId);
        // To a browser that comes back after the end this says: do not come again.
        if (goOn === "over") return { status: 204 };
        return eventStreams.open({
          userId: caller.userId,
          recheck,
          source: (signal) => logEventTexts(logFeed, row.id, goOn.position, signal),
        });
      },
    }),
  ];
}
