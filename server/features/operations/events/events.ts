// The audit trail for reading: who changed what, newest first, and live as it is written. Append only.

import { Type } from "typebox";
import { page, time } from "@cuttle/contract/rest/shapes";
import { Event, TaskType } from "@cuttle/contract/rest/server-tasks";
import { problem } from "../../../base/problems.ts";
import { eventText, ok, read, timeText } from "../../../platform/http/http.ts";
import type { Database } from "../../../platform/database/database.ts";
import type { EventStreams, Route } from "../../../platform/http/http.ts";
import { acrossSpacesQuery, listQuery, pageOf, pageWanted, readSpacesAsked } from "../../../platform/resources/resources.ts";
import { createEventFeed, readEventPlace } from "./event-feed.ts";
import { listEvents } from "./event-read-store.ts";
import type { EventRow } from "./event-read-store.ts";

const categories = [
  "Created",
  "Modified",
  "Deleted",
  "DeploymentQueued",
  "DeploymentStarted",
  "DeploymentSucceeded",
  "DeploymentFailed",
  "DefectReported",
  "DefectResolved",
  "MachineHealthChanged",
  "TaskCanceled",
];

function present(row: EventRow) {
  const base = row.space_id === null ? "/api" : `/api/${row.space_id}`;
  return {
    Id: `Events-${row.auto_id}`,
    SpaceId: row.space_id,
    Category: row.category,
    UserId: row.user_id,
    Username: row.username,
    Occurred: row.occurred_at,
    Message: row.message,
    MessageHtml: row.message.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`),
    MessageReferences: [],
    RelatedDocumentIds: row.related_document_ids,
    Links: { Self: `${base}/events/Events-${row.auto_id}` },
  };
}

/** As documents are shown elsewhere, with times and links as the API has them. */
const writeEvent = (row: EventRow): object => ({ ...present(row), Occurred: timeText(row.occurred_at) });

/** All that changes, as it changes: what a page needs to know to read anew what it shows. */
export function eventStreamRoutes({ database, eventStreams }: { database: Database; eventStreams: EventStreams }): Route[] {
  const feed = createEventFeed(database);
  return [
    read({
      path: "/events/stream",
      scope: "either",
      permission: "EventView",
      query: Type.Object({ lastEventId: Type.Optional(Type.String({ maxLength: 100 })) }),
      answer: "events",
      handler: async ({ db, space, query: wanted, caller, recheck, lastEventId }) => {
        const from = await readEventPlace(db, lastEventId ?? wanted.lastEventId);
        return eventStreams.open({
          userId: caller.userId,
          recheck,
          source: async function* (signal) {
            // Where it begins: who loses the connection before the first change comes back to here.
            yield eventText("begin", {}, `${from.transaction}-${from.autoId}`);
            for await (const rows of feed.follow(from, space?.id, signal))
              yield rows.map((row) => eventText("change", writeEvent(row), `${row.transaction}-${row.auto_id}`)).join("");
          },
        });
      },
    }),
  ];
}

/** The number of an event id, or undefined when the text is none. */
function numberOf(id: string): number | undefined {
  const digits = /^Events-(\d{1,15})$/i.exec(id)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

const texts = Type.Optional(Type.Array(Type.String()));
const autoId = Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }));
const query = Type.Object({
  ...listQuery,
  ...acrossSpacesQuery,
  regarding: texts,
  regardingAny: texts,
  eventCategories: texts,
  users: texts,
  projects: texts,
  environments: texts,
  from: Type.Optional(time()),
  to: Type.Optional(time()),
  fromAutoId: autoId,
  toAutoId: autoId,
});

const isDefined = <T>(value: T | undefined): value is T => value !== undefined;

export const eventRoutes: Route[] = [
  read({
    path: "/events",
    scope: "either",
    permission: "EventView",
    query,
    answer: page(Event),
    handler: async ({ db, space, query: wanted }) => {
      const window = pageWanted(wanted);
      const all = [...(wanted.regarding ?? [])];
      const any = [...(wanted.regardingAny ?? []), ...(wanted.projects ?? []), ...(wanted.environments ?? [])];
      const ids = wanted.ids?.map(numberOf);
      const { rows, total } = await listEvents(
        db,
        {
          spaceId: space?.id,
          spaces: readSpacesAsked(space, wanted),
          // An id that is no event id matches nothing, rather than everything.
          ids: ids?.length ? [...ids.filter(isDefined), -1] : undefined,
          regarding: all,
          regardingAny: any,
          categories: wanted.eventCategories,
          users: wanted.users,
          from: wanted.from,
          to: wanted.to,
          fromAutoId: wanted.fromAutoId,
          toAutoId: wanted.toAutoId,
        },
        window,
      );
      const path = space === undefined ? "/api/events" : `/api/${space.id}/events`;
      return ok(pageOf({ itemType: "Event", items: rows.map(present), total, wanted: window, path, query: wanted }));
    },
  }),
  read({
    path: "/events/categories",
    scope: "either",
    permission: "EventView",
    answer: Type.Array(TaskType),
    handler: async () => ok(categories.map((name) => ({ Id: name, Name: name }))),
  }),
  read({ path: "/events/groups", scope: "either", permission: "EventView", answer: Type.Array(TaskType), handler: async () => ok([]) }),
  read({ path: "/events/agents", scope: "either", permission: "EventView", answer: Type.Array(TaskType), handler: async () => ok([]) }),
  read({
    path: "/events/documenttypes",
    scope: "either",
    permission: "EventView",
    answer: Type.Array(TaskType),
    handler: async () => ok([]),
  }),
  read({
    path: "/events/{id}",
    scope: "either",
    permission: "EventView",
    answer: Event,
    handler: async ({ db, space, params }) => {
      const number = numberOf(params.id);
      const found =
        number === undefined ? undefined : (await listEvents(db, { spaceId: space?.id, ids: [number] }, { skip: 0, take: 1 })).rows[0];
      if (found === undefined) throw problem.notFound("event", params.id);
      return ok(present(found));
    },
  }),
];
