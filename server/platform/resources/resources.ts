// A plain resource from a description: list, all, get, create, update, delete, with paging, filters, unique names, slugs, "in use"
// refusals and events. A resource that needs a rule of its own gives a hook; one that needs an exception here writes its own routes.

import { Type } from "typebox";
import { page as pageShape } from "@cuttle/contract/rest/shapes";
import { problem } from "../../base/problems.ts";
import type { Actor } from "../audit/audit.ts";
import { recordEvent } from "../audit/audit.ts";
import { nextId } from "../database/database.ts";
import type { Queryable, Transaction } from "../database/database.ts";
import { change, created, nothing, ok, read } from "../http/http.ts";
import type { Route } from "../http/http.ts";
import { pageOf, pageWanted } from "./paging.ts";
import type { Page } from "./paging.ts";
import type { Document, ResourceDefinition, Save } from "./resource-definition.ts";
import * as store from "./resource-store.ts";
import type { Condition, StoredRow } from "./resource-store.ts";
import {
  columnsOf,
  deletingProblem,
  nameTaken,
  relatedIds,
  resolveReferences,
  savingProblem,
  storedValue,
  titleOf,
  wantedValues,
} from "./resource-values.ts";
import { freeSlug, slugOf } from "./slug.ts";

export { acrossSpacesQuery, readSpacesAsked } from "./across-spaces.ts";
export type { SpacesAsked } from "./across-spaces.ts";
export { pageOf, pageSizeDefault, pageSizeMax, pageWanted } from "./paging.ts";
export type { Page, PageWanted } from "./paging.ts";
export type { Document, ResourceDefinition, Save } from "./resource-definition.ts";
export { resolveIds } from "./resource-store.ts";
export type { Condition } from "./resource-store.ts";
export type { ResourceField } from "./resource-table.ts";
export { freeSlug, slugOf } from "./slug.ts";

/** Most items of an answer without pages. More than this in one space wants paging, and one answer must stay bounded. */
const allItemsMax = 50_000;

/** Query members every list understands. */
export const listQuery = {
  skip: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
  take: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
  ids: Type.Optional(Type.Array(Type.String(), { maxItems: 10_000 })),
};

export interface Resource {
  routes: Route[];
  find(db: Queryable, spaceId: string, idOrSlug: string): Promise<Document | undefined>;
  /** @throws Problem 404 */
  get(db: Queryable, spaceId: string, idOrSlug: string): Promise<Document>;
  list(db: Queryable, spaceId: string, query: object, options?: { path?: string; where?: readonly Condition[] }): Promise<Page>;
  all(db: Queryable, spaceId: string, query: object, where?: readonly Condition[]): Promise<Document[]>;
  create(tx: Transaction, spaceId: string, actor: Actor, body: object): Promise<Document>;
  update(tx: Transaction, spaceId: string, actor: Actor, idOrSlug: string, body: object): Promise<Document>;
}

export function defineResource(definition: ResourceDefinition): Resource {
  const { kind, path, table, permissions } = definition;
  const noun = kind.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
  const named = "Name" in table.fields;
  const query = Type.Object({
    ...listQuery,
    ...(named ? { name: Type.Optional(Type.String()), partialName: Type.Optional(Type.String()) } : {}),
    ...(table.slug ? { slug: Type.Optional(Type.String()) } : {}),
    ...Object.fromEntries(Object.entries(definition.filters ?? {}).map(([name, filter]) => [name, Type.Optional(filter.type)])),
  });

  const fields = Object.entries(table.fields);

  function present(row: StoredRow): Document {
    const base = `/api/${row.space_id}`;
    const document: Document = { Id: row.id, SpaceId: row.space_id, Links: {} };
    if (table.slug) document["Slug"] = row["slug"];
    for (const [member, field] of fields) document[member] = storedValue(row, field) ?? field.empty ?? null;
    document.Links = { Self: `${base}/${path}/${row.id}`, ...definition.links?.(document, base) };
    definition.present?.(document);
    return document;
  }

  const inSpace = (spaceId: string): Condition => ({ sql: "r.space_id = $?", values: [spaceId] });

  function conditions(wanted: Record<string, unknown>): Condition[] {
    const result: Condition[] = [];
    const ids = wanted["ids"] as string[] | undefined;
    if (ids && ids.length > 0) result.push({ sql: "lower(r.id) = ANY (SELECT lower(unnest($?::text[])))", values: [ids] });
    if (named && wanted["name"]) result.push({ sql: "lower(r.name) = lower($?)", values: [wanted["name"]] });
    if (table.slug && wanted["slug"]) result.push({ sql: "lower(r.slug) = lower($?)", values: [wanted["slug"]] });
    if (named && wanted["partialName"]) result.push({ sql: "strpos(lower(r.name), lower($?)) > 0", values: [wanted["partialName"]] });
    for (const [name, filter] of Object.entries(definition.filters ?? {})) {
      const value = wanted[name];
      if (value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0)) result.push(filter.where(value as never));
    }
    return result;
  }

  async function find(db: Queryable, spaceId: string, idOrSlug: string): Promise<Document | undefined> {
    const row = await store.findRow(db, table, spaceId, idOrSlug);
    return row && present(row);
  }

  async function get(db: Queryable, spaceId: string, idOrSlug: string): Promise<Document> {
    const document = await find(db, spaceId, idOrSlug);
    if (document === undefined) throw problem.notFound(noun, idOrSlug);
    return document;
  }

  async function list(
    db: Queryable,
    spaceId: string,
    wanted: object,
    options?: { path?: string; where?: readonly Condition[] },
  ): Promise<Page> {
    const window = pageWanted(wanted);
    const { rows, total } = await store.listRows(
      db,
      table,
      [inSpace(spaceId), ...conditions(wanted as Record<string, unknown>), ...(options?.where ?? [])],
      window,
    );
    return presentPage(spaceId, rows, total, wanted, options?.path);
  }

  function presentPage(spaceId: string, rows: readonly StoredRow[], total: number, wanted: object, at?: string): Page {
    return pageOf({
      itemType: kind,
      items: rows.map(present),
      total,
      wanted: pageWanted(wanted),
      path: at ?? `/api/${spaceId}/${path}`,
      query: wanted,
    });
  }

  async function all(db: Queryable, spaceId: string, wanted: object, where: readonly Condition[] = []): Promise<Document[]> {
    const found = await store.listRows(db, table, [inSpace(spaceId), ...conditions(wanted as Record<string, unknown>), ...where], {
      skip: 0,
      take: allItemsMax + 1,
    });
    if (found.rows.length > allItemsMax)
      throw problem.invalid(`There are more than ${allItemsMax} of these. Read them in pages with skip and take.`);
    return found.rows.map(present);
  }

  async function save(
    tx: Transaction,
    spaceId: string,
    actor: Actor,
    current: Document | undefined,
    body: Record<string, unknown>,
  ): Promise<Document> {
    const id = current?.Id ?? (await nextId(tx, definition.collection)).id;
    const values = { ...wantedValues(definition, current, body) };
    const draft: Save = { spaceId, actor, id, current, values, body };
    await store.lockSaves(tx, table, spaceId);
    await resolveReferences(tx, definition, spaceId, values);
    await definition.beforeSave?.(tx, draft);
    const within = definition.uniqueWithin
      ? { column: table.fields[definition.uniqueWithin.member]!.column, value: values[definition.uniqueWithin.member] }
      : { column: "space_id", value: spaceId };
    if (named && (await store.nameIsTaken(tx, table, within, String(values["Name"]), id))) throw nameTaken(noun, String(values["Name"]));
    const row: Record<string, unknown> = {};
    if (table.slug) {
      const slug = slugOf(String(body["Slug"] || current?.["Slug"] || values["Name"]), noun.replaceAll(" ", "-"));
      row["slug"] = freeSlug(slug, await store.takenSlugs(tx, table, within, slug, id));
    }
    Object.assign(row, columnsOf(table, values));
    if (definition.oneDefault && values["IsDefault"] === true) await store.clearOtherDefaults(tx, table, within, id);
    try {
      if (current === undefined) await store.insertRow(tx, table, { id, space_id: spaceId, ...row });
      else await store.updateRow(tx, table, id, row);
    } catch (error) {
      throw savingProblem(error, noun, titleOf(values, id));
    }
    await definition.afterSave?.(tx, draft);
    const saved = await get(tx, spaceId, id);
    await recordEvent(tx, {
      spaceId,
      category: current === undefined ? "Created" : "Modified",
      actor,
      message: `${kind} ${titleOf(values, id)} was ${current === undefined ? "created" : "changed"}`,
      relatedDocumentIds: [id, ...relatedIds(definition, saved)],
    });
    return saved;
  }

  async function create(tx: Transaction, spaceId: string, actor: Actor, body: object): Promise<Document> {
    return save(tx, spaceId, actor, undefined, body as Record<string, unknown>);
  }

  async function update(tx: Transaction, spaceId: string, actor: Actor, idOrSlug: string, body: object): Promise<Document> {
    const row = await store.findRow(tx, table, spaceId, idOrSlug, "FOR UPDATE");
    if (row === undefined) throw problem.notFound(noun, idOrSlug);
    return save(tx, spaceId, actor, present(row), body as Record<string, unknown>);
  }

  async function remove(tx: Transaction, spaceId: string, actor: Actor, idOrSlug: string): Promise<void> {
    const row = await store.findRow(tx, table, spaceId, idOrSlug, "FOR UPDATE");
    if (row === undefined) throw problem.notFound(noun, idOrSlug);
    const document = present(row);
    const title = titleOf(document, document.Id);
    if (definition.oneDefault && document["IsDefault"] === true)
      throw problem.invalid(`The ${noun} '${title}' is the default and cannot be deleted. Make another one the default first.`);
    await definition.beforeDelete?.(tx, document);
    try {
      await store.deleteRow(tx, table, document.Id);
    } catch (error) {
      throw deletingProblem(error, noun, title);
    }
    await recordEvent(tx, {
      spaceId,
      category: "Deleted",
      actor,
      message: `${kind} ${title} was deleted`,
      relatedDocumentIds: [document.Id, ...relatedIds(definition, document)],
    });
  }

  const one = `/${path}/{id}` as const;
  const routes: Route[] = [
    read({
      path: `/${path}`,
      scope: "space",
      permission: permissions.view,
      query,
      answer: pageShape(definition.answer),
      alongside: ({ query: wanted }) => store.pageAlongside(table, conditions(wanted), pageWanted(wanted)),
      answerFromRows: ({ rows, space, query: wanted }) => {
        const found = rows as readonly (StoredRow & { total: number })[];
        return presentPage(space.id, found, found[0]!.total, wanted);
      },
      // An empty page does not say how many there are.
      handler: async ({ db, space, query: wanted }) => ok(await list(db, space.id, wanted)),
    }),
    read({
      path: `/${path}/all`,
      scope: "space",
      permission: permissions.view,
      query,
      answer: Type.Array(definition.answer),
      handler: async ({ db, space, query: wanted }) => ok(await all(db, space.id, wanted)),
    }),
    read({
      path: one,
      scope: "space",
      permission: permissions.view,
      answer: definition.answer,
      alongside: ({ params }) => store.rowAlongside(table, params.id),
      answerFromRows: ({ rows }) => present(rows[0] as StoredRow),
      // A slug, or an id in other letters, or nothing.
      handler: async ({ db, space, params }) => ok(await get(db, space.id, params.id)),
    }),
    ...(definition.ownCreate
      ? []
      : [
          change({
            method: "POST",
            path: `/${path}`,
            scope: "space",
            permission: permissions.create,
            body: definition.body,
            answer: definition.answer,
            handler: async ({ tx, space, actor, body }) => created(await create(tx, space.id, actor, body as object)),
          }),
        ]),
    change({
      method: "PUT",
      path: one,
      scope: "space",
      permission: permissions.edit,
      body: definition.body,
      answer: definition.answer,
      handler: async ({ tx, space, actor, params, body }) => ok(await update(tx, space.id, actor, params.id, body as object)),
    }),
    change({
      method: "DELETE",
      path: one,
      scope: "space",
      permission: permissions.delete,
      answer: "nothing",
      handler: async ({ tx, space, actor, params }) => {
        await remove(tx, space.id, actor, params.id);
        return nothing();
      },
    }),
  ];
  return { routes, find, get, list, all, create, update };
}
