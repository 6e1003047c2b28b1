// Spaces: walls between groups of everything else. A new one is filled by the areas that know what it must hold.

import { Type } from "typebox";
import type { Static } from "@cuttle/contract/rest/shapes";
import { page } from "@cuttle/contract/rest/shapes";
import { Space, SpaceBody } from "@cuttle/contract/rest/spaces";
import { problem } from "../../../base/problems.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import { nextId } from "../../../platform/database/database.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { change, created, nothing, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { freeSlug, listQuery, pageOf, pageWanted, slugOf } from "../../../platform/resources/resources.ts";
import * as store from "./space-store.ts";
import type { SpaceRow } from "./space-store.ts";

/** Extension point: what a new space must already hold, given by the areas above. Runs in the transaction that creates the space. */
export type SpaceFiller = (tx: Transaction, spaceId: string, actor: Actor) => Promise<void>;

/** As in the product we are compatible with; its clients cut names to this. */
const spaceNameCharactersMax = 20;

export function presentSpace(row: SpaceRow) {
  return {
    Id: row.id,
    Name: row.name,
    Slug: row.slug,
    Description: row.description,
    IsDefault: row.is_default,
    TaskQueueStopped: row.task_queue_stopped,
    SpaceManagersTeams: [],
    SpaceManagersTeamMembers: [],
    Icon: null,
    IsPrivate: false,
    Links: {
      Self: `/api/spaces/${row.id}`,
      SpaceHome: `/api/${row.id}`,
      Logo: `/api/spaces/${row.id}/logo{?cb}`,
      Search: `/api/spaces/${row.id}/search{?keyword}`,
      Web: `/app#/spaces/${row.id}`,
    },
  };
}

export async function findDefaultSpaceId(db: Queryable): Promise<string | undefined> {
  return (await store.findDefaultSpace(db))?.id;
}

/** By id or slug. */
export async function findSpaceId(db: Queryable, idOrSlug: string): Promise<string | undefined> {
  return (await store.findSpace(db, idOrSlug))?.id;
}

/** All spaces as documents, by name. */
export async function listSpaceDocuments(db: Queryable) {
  return (await store.listSpaces(db)).map(presentSpace);
}

/** Creates the default space with all it must hold, unless a space exists; harmless when several nodes start at once. */
export async function ensureFirstSpace(tx: Transaction, actor: Actor, fillers: readonly SpaceFiller[]): Promise<void> {
  await store.lockSpaces(tx);
  if ((await store.listSpaces(tx)).length > 0) return;
  await createSpace(tx, { Name: "Default", IsDefault: true }, actor, fillers);
}

async function createSpace(
  tx: Transaction,
  body: Static<typeof SpaceBody>,
  actor: Actor,
  fillers: readonly SpaceFiller[],
): Promise<SpaceRow> {
  await store.lockSpaces(tx);
  const { id } = await nextId(tx, "Spaces");
  const row = await checkedRow(tx, body, { id, name: "", slug: "", description: "", is_default: false, task_queue_stopped: false });
  if (row.is_default) await store.clearDefaultSpace(tx);
  await store.insertSpace(tx, row);
  for (const fill of fillers) await fill(tx, id, actor);
  await recordEvent(tx, { spaceId: null, category: "Created", actor, message: `Space ${row.name} was created`, relatedDocumentIds: [id] });
  return row;
}

/** The row after the change, its name and slug checked against all others. @throws Problem 400 */
async function checkedRow(tx: Transaction, body: Static<typeof SpaceBody>, current: SpaceRow): Promise<SpaceRow> {
  const name = (body.Name ?? current.name).trim();
  if (name === "") throw problem.invalid("Name is required.");
  if (name.length > spaceNameCharactersMax)
    throw problem.invalid(`Name is longer than the limit of ${spaceNameCharactersMax} characters for spaces.`);
  const others = (await store.listSpaces(tx)).filter((one) => one.id !== current.id);
  if (others.some((one) => one.name.toLowerCase() === name.toLowerCase())) {
    throw problem.invalid(`There is already a space named '${name}'. Names are unique, ignoring upper and lower case.`);
  }
  const slug = slugOf(body.Slug || current.slug || name, "space");
  return {
    id: current.id,
    name,
    slug: freeSlug(slug, new Set(others.map((one) => one.slug.toLowerCase()))),
    description: body.Description ?? current.description,
    // The default mark moves by being given to another space; it is never just taken away.
    is_default: current.is_default || body.IsDefault === true,
    task_queue_stopped: body.TaskQueueStopped ?? current.task_queue_stopped,
  };
}

async function requireSpace(db: Queryable, idOrSlug: string, lock: "" | "FOR UPDATE" = ""): Promise<SpaceRow> {
  const row = await store.findSpace(db, idOrSlug, lock);
  if (row === undefined) throw problem.notFound("space", idOrSlug);
  return row;
}

const query = Type.Object({
  ...listQuery,
  name: Type.Optional(Type.String()),
  slug: Type.Optional(Type.String()),
  partialName: Type.Optional(Type.String()),
});

function fits(row: SpaceRow, wanted: Static<typeof query>): boolean {
  const ids = wanted.ids?.map((id) => id.toLowerCase());
  return (
    (!ids || ids.length === 0 || ids.includes(row.id.toLowerCase())) &&
    (!wanted.name || row.name.toLowerCase() === wanted.name.toLowerCase()) &&
    (!wanted.slug || row.slug.toLowerCase() === wanted.slug.toLowerCase()) &&
    (!wanted.partialName || row.name.toLowerCase().includes(wanted.partialName.toLowerCase()))
  );
}

export function spaceRoutes(fillers: readonly SpaceFiller[]): Route[] {
  return [
    read({
      path: "/spaces",
      scope: "system",
      permission: "SpaceView",
      query,
      answer: page(Space),
      handler: async ({ db, query: wanted }) => {
        const found = (await store.listSpaces(db)).filter((row) => fits(row, wanted));
        const window = pageWanted(wanted);
        const items = found.slice(window.skip, window.skip + window.take).map(presentSpace);
        return ok(pageOf({ itemType: "Space", items, total: found.length, wanted: window, path: "/api/spaces", query: wanted }));
      },
    }),
    read({
      path: "/spaces/all",
      scope: "system",
      permission: "SpaceView",
      answer: Type.Array(Space),
      handler: async ({ db }) => ok(await listSpaceDocuments(db)),
    }),
    read({
      path: "/spaces/{id}",
      scope: "system",
      permission: "SpaceView",
      answer: Space,
      handler: async ({ db, params }) => ok(presentSpace(await requireSpace(db, params.id))),
    }),
    change({
      method: "POST",
      path: "/spaces",
      scope: "system",
      permission: "SpaceCreate",
      body: SpaceBody,
      answer: Space,
      handler: async ({ tx, actor, body }) => created(presentSpace(await createSpace(tx, body, actor, fillers))),
    }),
    change({
      method: "PUT",
      path: "/spaces/{id}",
      scope: "system",
      permission: "SpaceEdit",
      body: SpaceBody,
      answer: Space,
      handler: async ({ tx, actor, params, body }) => {
        await store.lockSpaces(tx);
        const current = await requireSpace(tx, params.id, "FOR UPDATE");
        const row = await checkedRow(tx, body, current);
        if (row.is_default && !current.is_default) await store.clearDefaultSpace(tx);
        await store.updateSpace(tx, row);
        await recordEvent(tx, {
          spaceId: null,
          category: "Modified",
          actor,
          message: `Space ${row.name} was changed`,
          relatedDocumentIds: [row.id],
        });
        return ok(presentSpace(row));
      },
    }),
    change({
      method: "DELETE",
      path: "/spaces/{id}",
      scope: "system",
      permission: "SpaceDelete",
      answer: "nothing",
      handler: async ({ tx, actor, params }) => {
        await store.lockSpaces(tx);
        const row = await requireSpace(tx, params.id, "FOR UPDATE");
        if (row.is_default)
          throw problem.invalid(`The space '${row.name}' is the default and cannot be deleted. Make another one the default first.`);
        if (!row.task_queue_stopped)
          throw problem.invalid(`The task queue of the space '${row.name}' must be stopped before it can be deleted.`);
        if ((await store.countUnfinishedTasks(tx, row.id)) > 0)
          throw problem.invalid(`The space '${row.name}' still has unfinished tasks. Wait for them or cancel them.`);
        await store.deleteSpace(tx, row.id);
        await recordEvent(tx, {
          spaceId: null,
          category: "Deleted",
          actor,
          message: `Space ${row.name} was deleted`,
          relatedDocumentIds: [row.id],
        });
        return nothing();
      },
    }),
  ];
}
