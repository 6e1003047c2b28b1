// A plain resource from a description: list, all, get, create, update, delete, with paging, filters, unique names, slugs, "in use"
// refusals and events. A resource that needs a rule of its own gives a hook; one that needs an exception here writes its own routes.

import { Type } from "typebox";
import type { TObject } from "typebox";
import { page as pageShape } from "@cuttle/contract/rest/shapes";
import type { PermissionName } from "@cuttle/contract/rest/permissions";
import { problem } from "../../base/problems.ts";
import type { Actor } from "../audit/audit.ts";
import { recordEvent } from "../audit/audit.ts";
import { nextId, violatedConstraint } from "../database/database.ts";
import type { Collection, Queryable, Transaction } from "../database/database.ts";
import { change, created, nothing, ok, read } from "../http/http.ts";
import type { Route } from "../http/http.ts";
import { pageOf, pageWanted } from "./paging.ts";
import type { Page } from "./paging.ts";
import * as store from "./resource-store.ts";
import type { Condition, StoredRow } from "./resource-store.ts";
import type { ResourceField, ResourceTable } from "./resource-table.ts";
import { freeSlug, slugOf } from "./slug.ts";

export { pageOf, pageSizeDefault, pageSizeMax, pageWanted } from "./paging.ts";
export type { Page, PageWanted } from "./paging.ts";
export { resolveIds } from "./resource-store.ts";
export type { Condition } from "./resource-store.ts";
export type { ResourceField } from "./resource-table.ts";
export { freeSlug, slugOf } from "./slug.ts";

/** A resource as clients see it; PascalCase members. */
export type Document = Record<string, unknown> & { Id: string; SpaceId: string; Links: Record<string, string> };

/** Most items of an answer without pages. More than this in one space wants paging, and one answer must stay bounded. */
const allItemsMax = 50_000;

/** Query members every list understands. */
export const listQuery = {
  skip: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
  take: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
  ids: Type.Optional(Type.Array(Type.String(), { maxItems: 10_000 })),
};

/** A save in progress, as hooks see it. `values` are the members that will be stored; a hook may change them. */
export interface Save {
  spaceId: string;
  actor: Actor;
  id: string;
  /** The stored document before an update; undefined on create. */
  current: Document | undefined;
  values: Record<string, unknown>;
  /** What the client sent, for members that are not stored as they are. */
  body: Readonly<Record<string, unknown>>;
}

export interface ResourceDefinition {
  /** Type name for clients and messages: "Environment". */
  kind: string;
  collection: Collection;
  /** Last part of the collection's address: "environments". */
  path: string;
  table: ResourceTable;
  /** What clients read, and what they may send. */
  answer: TObject;
  body: TObject;
  permissions: { view: PermissionName; create: PermissionName; edit: PermissionName; delete: PermissionName };
  /** Names and slugs are unique within the space, or within the value of another member ("ProjectId"). */
  uniqueWithin?: { member: string };
  /** Exactly one row per space (or per `uniqueWithin`) carries IsDefault. */
  oneDefault?: boolean;
  /** Further query members and what they ask of a row; `$?` stands for the value. */
  filters?: Record<string, { type: TObject["properties"][string]; where: (value: never) => Condition }>;
  /** Links besides Self. `base` is "/api/Spaces-1". */
  links?: (document: Document, base: string) => Record<string, string>;
  /** Members that are computed rather than stored. */
  present?: (document: Document) => void;
  beforeSave?: (tx: Transaction, save: Save) => Promise<void>;
  afterSave?: (tx: Transaction, save: Save) => Promise<void>;
  beforeDelete?: (tx: Transaction, document: Document) => Promise<void>;
}

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

  function present(row: StoredRow): Document {
    const base = `/api/${row.space_id}`;
    const members = Object.entries(table.fields).map(([member, field]) => [member, stored(row, field) ?? field.empty ?? null]);
    const document: Document = { Id: row.id, SpaceId: row.space_id, ...(table.slug ? { Slug: row["slug"] } : {}), ...Object.fromEntries(members), Links: {} };
    document.Links = { Self: `${base}/${path}/${row.id}`, ...definition.links?.(document, base) };
    definition.present?.(document);
    return document;
  }

  function conditions(spaceId: string, wanted: Record<string, unknown>): Condition[] {
    const result: Condition[] = [{ sql: "r.space_id = $?", values: [spaceId] }];
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

  async function list(db: Queryable, spaceId: string, wanted: object, options?: { path?: string; where?: readonly Condition[] }): Promise<Page> {
    const window = pageWanted(wanted);
    const { rows, total } = await store.listRows(db, table, [...conditions(spaceId, wanted as Record<string, unknown>), ...(options?.where ?? [])], window);
    return pageOf({ itemType: kind, items: rows.map(present), total, wanted: window, path: options?.path ?? `/api/${spaceId}/${path}`, query: wanted });
  }

  async function all(db: Queryable, spaceId: string, wanted: object, where: readonly Condition[] = []): Promise<Document[]> {
    const found = await store.listRows(db, table, [...conditions(spaceId, wanted as Record<string, unknown>), ...where], { skip: 0, take: allItemsMax + 1 });
    if (found.rows.length > allItemsMax) throw problem.invalid(`There are more than ${allItemsMax} of these. Read them in pages with skip and take.`);
    return found.rows.map(present);
  }

  async function save(tx: Transaction, spaceId: string, actor: Actor, current: Document | undefined, body: Record<string, unknown>): Promise<Document> {
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
      throw savingProblem(error, noun, String(values["Name"] ?? id));
    }
    await definition.afterSave?.(tx, draft);
    const saved = await get(tx, spaceId, id);
    await recordEvent(tx, {
      spaceId,
      category: current === undefined ? "Created" : "Modified",
      actor,
      message: `${kind} ${String(values["Name"] ?? id)} was ${current === undefined ? "created" : "changed"}`,
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
    const title = String(document["Name"] ?? document.Id);
    if (definition.oneDefault && document["IsDefault"] === true) throw problem.invalid(`The ${noun} '${title}' is the default and cannot be deleted. Make another one the default first.`);
    await definition.beforeDelete?.(tx, document);
    try {
      await store.deleteRow(tx, table, document.Id);
    } catch (error) {
      throw deletingProblem(error, noun, title);
    }
    await recordEvent(tx, { spaceId, category: "Deleted", actor, message: `${kind} ${title} was deleted`, relatedDocumentIds: [document.Id, ...relatedIds(definition, document)] });
  }

  const one = `/${path}/{id}` as const;
  const routes: Route[] = [
    read({ path: `/${path}`, scope: "space", permission: permissions.view, query, answer: pageShape(definition.answer), handler: async ({ db, space, query: wanted }) => ok(await list(db, space.id, wanted)) }),
    read({ path: `/${path}/all`, scope: "space", permission: permissions.view, query, answer: Type.Array(definition.answer), handler: async ({ db, space, query: wanted }) => ok(await all(db, space.id, wanted)) }),
    read({ path: one, scope: "space", permission: permissions.view, answer: definition.answer, handler: async ({ db, space, params }) => ok(await get(db, space.id, params.id)) }),
    change({ method: "POST", path: `/${path}`, scope: "space", permission: permissions.create, body: definition.body, answer: definition.answer, handler: async ({ tx, space, actor, body }) => created(await create(tx, space.id, actor, body as object)) }),
    change({ method: "PUT", path: one, scope: "space", permission: permissions.edit, body: definition.body, answer: definition.answer, handler: async ({ tx, space, actor, params, body }) => ok(await update(tx, space.id, actor, params.id, body as object)) }),
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

/** What the save stores: sent members, else what is stored, else the empty value. @throws Problem 400 for missing members */
function wantedValues({ table, oneDefault }: ResourceDefinition, current: Document | undefined, body: Record<string, unknown>): Record<string, unknown> {
  const faults: string[] = [];
  const spaceId = body["SpaceId"];
  if (current !== undefined && typeof spaceId === "string" && spaceId !== "" && spaceId.toLowerCase() !== current.SpaceId.toLowerCase()) {
    faults.push("SpaceId cannot be changed.");
  }
  const values: Record<string, unknown> = {};
  for (const [member, field] of Object.entries(table.fields)) {
    const sent = field.readOnly ? undefined : body[member];
    const value = sent === undefined ? (current?.[member] ?? field.empty) : (sent ?? field.empty);
    const missing = value === undefined || (member === "Name" && (typeof value !== "string" || value.trim() === ""));
    if (missing && !("empty" in field)) faults.push(`${member} is required.`);
    else values[member] = member === "Name" && typeof value === "string" ? value.trim() : value;
  }
  // The default mark moves by being given to another row; it is never just taken away.
  if (oneDefault && current?.["IsDefault"] === true) values["IsDefault"] = true;
  if (faults.length > 0) throw problem.invalid(faults);
  return values;
}

function stored(row: StoredRow, field: ResourceField): unknown {
  const value = row[field.column];
  return field.key === undefined ? value : (value as Record<string, unknown> | null)?.[field.key];
}

function columnsOf(table: ResourceTable, values: Record<string, unknown>): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  const shared: Record<string, Record<string, unknown>> = {};
  for (const [member, field] of Object.entries(table.fields)) {
    if (field.select !== undefined || !(member in values)) continue;
    if (field.key !== undefined) (shared[field.column] ??= {})[field.key] = values[member];
    else row[field.column] = field.json ? JSON.stringify(values[member] ?? null) : values[member];
  }
  for (const [column, members] of Object.entries(shared)) row[column] = JSON.stringify(members);
  return row;
}

async function resolveReferences(tx: Transaction, { table }: ResourceDefinition, spaceId: string, values: Record<string, unknown>): Promise<void> {
  for (const [member, { references }] of Object.entries(table.fields)) {
    const value = values[member];
    if (references === undefined || value === null || value === undefined) continue;
    if (Array.isArray(value)) values[member] = await store.resolveIds(tx, references.table, references.kind, spaceId, value as string[]);
    else [values[member]] = await store.resolveIds(tx, references.table, references.kind, spaceId, [String(value)]);
  }
}

function relatedIds({ table }: ResourceDefinition, document: Document): string[] {
  return Object.entries(table.fields).flatMap(([member, field]) => (field.references ? ([document[member]].flat().filter(Boolean) as string[]) : []));
}

function nameTaken(noun: string, name: string) {
  return problem.invalid(`There is already a ${noun} named '${name}'. Names are unique, ignoring upper and lower case.`);
}

function savingProblem(error: unknown, noun: string, name: string): unknown {
  const violated = violatedConstraint(error);
  if (violated?.kind === "unique") return nameTaken(noun, name);
  if (violated?.kind === "foreign-key") return problem.invalid(`The ${noun} '${name}' refers to something that was deleted meanwhile. Read it again and repeat your change.`);
  return error;
}

/** Foreign keys are named "<users>_use_<used>", so the name says who still uses the row. */
function deletingProblem(error: unknown, noun: string, name: string): unknown {
  const violated = violatedConstraint(error);
  if (violated?.kind !== "foreign-key") return error;
  const users = (/^(.*)_use_/.exec(violated.constraint)?.[1] ?? "other items").replaceAll("_", " ");
  return problem.invalid(`The ${noun} '${name}' cannot be deleted because ${users} still use it.`);
}
