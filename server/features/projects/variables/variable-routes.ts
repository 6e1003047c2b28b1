// The addresses of variable sets and their snapshots. A save replaces all variables of a set.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import type { Static } from "@cuttle/contract/rest/shapes";
import { SinglyScopedVariables, VariableSet, VariableSetBody } from "@cuttle/contract/rest/variables";
import { createScopeResolver } from "@cuttle/templates";
import { problem } from "../../../base/problems.ts";
import { actorOf, requirePermission } from "../../../platform/access/access.ts";
import type { Caller } from "../../../platform/access/access.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { change, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { forgetSecrets, keepSecrets } from "../../../platform/kept-secrets/kept-secrets.ts";
import type { Secrets } from "../../../platform/secrets/secrets.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import { environments } from "../../infrastructure/infrastructure.ts";
import { namesOfScope, readScopeValues, readSpaceScopeValues } from "./scope-values.ts";
import type { ScopeValues } from "./scope-values.ts";
import { freeze } from "./variable.ts";
import type { FrozenVariable, StoredVariable } from "./variable.ts";
import { describeChange, readVariables, setBytesMax } from "./variable-rules.ts";
import * as store from "./variable-store.ts";
import type { StoredVariableSet, VariableOwner } from "./variable-store.ts";

/** Variables in one answer with several sets. */
const variablesOfAnswerMax = 50_000;

/** A project as the routes need it; `includedLibrarySets` in the order of its settings. */
export interface ProjectOfVariables {
  id: string;
  name: string;
  includedLibrarySets: readonly string[];
}
/** What a tenant brings along for a project in an environment. */
export interface ValuesOfTenant {
  id: string;
  tags: readonly string[];
  variables: readonly FrozenVariable[];
}
/** By id or slug of the tenant; without an environment, what holds in all of them. Undefined: there is no such tenant. */
export type FindValuesOfTenant = (
  db: Queryable,
  spaceId: string,
  of: { tenant: string; projectId: string; environmentId: string | undefined },
) => Promise<ValuesOfTenant | undefined>;

/** By id or slug. @throws Problem 404 */
export type GetProjectOfVariables = (db: Queryable, spaceId: string, idOrSlug: string) => Promise<ProjectOfVariables>;

function presentVariable(variable: StoredVariable, isEditable: boolean) {
  return {
    Id: variable.Id,
    Name: variable.Name,
    Value: variable.Value,
    Description: variable.Description,
    Scope: variable.Scope,
    IsEditable: isEditable,
    Prompt: variable.Prompt,
    Type: variable.Type,
    IsSensitive: variable.Type === "Sensitive",
  };
}

function present(set: StoredVariableSet, scopeValues: ScopeValues, isEditable: boolean) {
  const base = `/api/${set.spaceId}`;
  return {
    Id: set.id,
    SpaceId: set.spaceId,
    OwnerId: set.owner.id,
    Version: set.version,
    Variables: set.variables.map((one) => presentVariable(one, isEditable)),
    ScopeValues: scopeValues,
    Links: {
      Self: `${base}/variables/${set.id}`,
      ...(set.owner.kind === "project" ? { Project: `${base}/projects/${set.owner.id}` } : {}),
    },
  };
}

/** Sets of the library have permissions of their own besides those of variables. @throws Problem 403 */
function requireLibrary(caller: Caller, spaceId: string, owner: VariableOwner, what: "View" | "Edit"): void {
  if (owner.kind === "librarySet") requirePermission(caller, `LibraryVariableSet${what}`, { spaceId });
}

/** A set or one of its snapshots. @throws Problem 404 */
async function showSet(db: Queryable, spaceId: string, caller: Caller, id: string) {
  const set = await store.findSet(db, spaceId, id);
  const found = set ?? (await store.findSnapshot(db, spaceId, id));
  if (found === undefined) throw problem.notFound("variable set", id);
  requireLibrary(caller, spaceId, found.owner, "View");
  return present(found, await readScopeValues(db, spaceId, found.owner), set !== undefined);
}

async function saveSet(
  tx: Transaction,
  secrets: Secrets,
  spaceId: string,
  caller: Caller,
  id: string,
  body: Static<typeof VariableSetBody>,
): Promise<StoredVariableSet> {
  const known = await store.findSet(tx, spaceId, id);
  if (known === undefined) {
    if ((await store.findSnapshot(tx, spaceId, id)) === undefined) throw problem.notFound("variable set", id);
    throw problem.invalid(`${id} is a frozen copy of a variable set and cannot be changed. Change the set itself.`);
  }
  requireLibrary(caller, spaceId, known.owner, "Edit");
  await store.lockSet(tx, known);
  const current = (await store.findSet(tx, spaceId, id))!;
  if (typeof body.Version === "number" && body.Version !== current.version) throw problem.stale("variable set");
  if (body.OwnerId && body.OwnerId.toLowerCase() !== current.owner.id.toLowerCase()) throw problem.invalid("OwnerId cannot be changed.");
  if (body.SpaceId && body.SpaceId.toLowerCase() !== spaceId.toLowerCase()) throw problem.invalid("SpaceId cannot be changed.");
  const wanted = readVariables(body.Variables, {
    owner: current.owner,
    stored: current.variables,
    scopeValues: await readScopeValues(tx, spaceId, current.owner),
    nowMs: Date.now(),
  });
  if (wanted.faults.length > 0) throw problem.invalid(wanted.faults);
  const text = JSON.stringify(wanted.variables);
  if (Buffer.byteLength(text) > setBytesMax)
    throw problem.invalid(`The variables of a set may take ${setBytesMax} bytes together. Move some of them to library variable sets.`);
  await keepSecrets(tx, secrets, { spaceId, owner: current.id, texts: wanted.newSecrets });
  await store.updateSet(tx, current.id, current.version + 1, text);
  const kept = new Set(wanted.variables.map((one) => one.SecretId));
  const dropped = current.variables.flatMap(({ SecretId }) => (SecretId === null || kept.has(SecretId) ? [] : [SecretId]));
  await forgetSecrets(tx, await store.unfrozenSecrets(tx, current.id, dropped));
  await recordEvent(tx, {
    spaceId,
    category: "Modified",
    actor: actorOf(caller),
    message: `The variables of ${current.owner.name} were changed (version ${current.version + 1}: ${describeChange(current.variables, wanted.variables)})`,
    relatedDocumentIds: [current.id, current.owner.id],
  });
  return (await store.findSet(tx, spaceId, current.id))!;
}

/** @throws Problem 400 for more than one answer may hold */
async function listAll(
  db: Queryable,
  spaceId: string,
  caller: Caller,
  ids: readonly string[] | undefined,
  window: { skip: number; take: number },
) {
  const wanted = ids !== undefined && ids.length > 0 ? ids : undefined;
  if ((await store.countVariables(db, spaceId, wanted)) > variablesOfAnswerMax)
    throw problem.invalid(`These sets hold more than ${variablesOfAnswerMax} variables. Read them one by one, or name fewer in ids.`);
  const { sets, total } = await store.listSets(db, spaceId, wanted, window);
  const ofSpace = await readSpaceScopeValues(db, spaceId);
  const items: object[] = [];
  for (const set of sets) {
    requireLibrary(caller, spaceId, set.owner, "View");
    items.push(present(set, await readScopeValues(db, spaceId, set.owner, ofSpace), true));
  }
  return { items, total };
}

/** The set of a project, and those of the library that it includes. */
async function setsOfProject(db: Queryable, spaceId: string, project: ProjectOfVariables): Promise<StoredVariableSet[]> {
  const ids = [project.id, ...project.includedLibrarySets].map(store.variableSetIdOf);
  const { sets } = await store.listSets(db, spaceId, ids, { skip: 0, take: ids.length });
  return sets;
}

/** A value of a tenant as a set shows its own; its scope goes without saying. */
function thawed({ id, name, value, secretId, type }: FrozenVariable): StoredVariable {
  return { Id: id, Name: name, Description: "", Type: type, Value: value, SecretId: secretId, Scope: {}, Prompt: null };
}

const previewQuery = Type.Object({
  project: Type.String(),
  environment: Type.Optional(Type.String()),
  channel: Type.Optional(Type.String()),
  tenant: Type.Optional(Type.String()),
  action: Type.Optional(Type.String()),
  machine: Type.Optional(Type.String()),
  role: Type.Optional(Type.Array(Type.String(), { maxItems: 100 })),
  runbook: Type.Optional(Type.String()),
});

/** Which variables hold at a place, as they are stored: templates are not evaluated. */
async function preview(
  db: Queryable,
  spaceId: string,
  project: ProjectOfVariables,
  wanted: Static<typeof previewQuery>,
  findValuesOfTenant: FindValuesOfTenant,
) {
  const sets = await setsOfProject(db, spaceId, project);
  const own = sets.find((set) => set.owner.id === project.id)!;
  const scopeValues = await readScopeValues(db, spaceId, own.owner);
  const names = namesOfScope(scopeValues);
  const faults: string[] = [];
  const place = (kind: "Environment" | "Machine" | "Action" | "Channel", text: string | undefined): string | undefined => {
    const known = names.get(kind);
    const found = text === undefined || text === "" || known === "any" ? undefined : known?.get(text.toLowerCase());
    if (text && found === undefined) faults.push(`There is no ${kind.toLowerCase()} '${text}' here.`);
    return found;
  };
  const roles = wanted.role ?? [];
  const scope = {
    environment: place("Environment", wanted.environment),
    machine: place("Machine", wanted.machine),
    action: place("Action", wanted.action),
    channel: place("Channel", wanted.channel),
    machineRoles: roles,
    stepRoles: roles,
    processOwner: project.id,
    project: project.id,
  };
  const tenant = wanted.tenant
    ? await findValuesOfTenant(db, spaceId, { tenant: wanted.tenant, projectId: project.id, environmentId: scope.environment })
    : undefined;
  if (wanted.tenant && tenant === undefined) faults.push(`There is no tenant '${wanted.tenant}' here.`);
  if (wanted.runbook) faults.push("Runbooks are not supported yet: runbook must be empty.");
  if (faults.length > 0) throw problem.invalid(faults);
  const stored = new Map(sets.flatMap((set) => set.variables.map((one) => [`${set.owner.kind} ${one.Id}`, one])));
  for (const one of tenant?.variables ?? []) stored.set(`${one.origin} ${one.id}`, thawed(one));
  const frozen = [...sets.flatMap((set) => set.variables.map((one) => freeze(one, set.owner.kind))), ...(tenant?.variables ?? [])];
  const holding = createScopeResolver(frozen)
    .resolve(tenant === undefined ? scope : { ...scope, tenant: tenant.id, tenantTags: tenant.tags })
    .map(({ winner }) => stored.get(`${winner.origin} ${winner.id}`)!);
  return present({ ...own, variables: holding }, scopeValues, false);
}

export function variableRoutes(parts: {
  secrets: Secrets;
  getProject: GetProjectOfVariables;
  findValuesOfTenant: FindValuesOfTenant;
}): Route[] {
  const { secrets, getProject, findValuesOfTenant } = parts;
  return [
    read({
      path: "/variables",
      scope: "space",
      permission: "VariableView",
      query: Type.Object(listQuery),
      answer: page(VariableSet),
      handler: async ({ db, space, caller, query }) => {
        const window = pageWanted(query);
        const { items, total } = await listAll(db, space.id, caller, query.ids, window);
        return ok(pageOf({ itemType: "VariableSet", items, total, wanted: window, path: `/api/${space.id}/variables`, query }));
      },
    }),
    read({
      path: "/variables/all",
      scope: "space",
      permission: "VariableView",
      query: Type.Object({ ids: listQuery.ids }),
      answer: Type.Array(VariableSet),
      handler: async ({ db, space, caller, query }) =>
        ok((await listAll(db, space.id, caller, query.ids, { skip: 0, take: variablesOfAnswerMax })).items),
    }),
    read({
      path: "/variables/names",
      scope: "space",
      permission: "VariableView",
      query: Type.Object({
        project: Type.String(),
        runbook: Type.Optional(Type.String()),
        projectEnvironmentsFilter: Type.Optional(Type.Array(Type.String())),
      }),
      answer: Type.Array(Type.String()),
      handler: async ({ db, space, query }) => {
        const sets = await setsOfProject(db, space.id, await getProject(db, space.id, query.project));
        const names = new Map(sets.flatMap((set) => set.variables.map((one) => [one.Name.toLowerCase(), one.Name])));
        return ok([...names.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, name]) => name));
      },
    }),
    read({
      path: "/variables/preview",
      scope: "space",
      permission: "VariableView",
      query: previewQuery,
      answer: VariableSet,
      handler: async ({ db, space, query }) =>
        ok(await preview(db, space.id, await getProject(db, space.id, query.project), query, findValuesOfTenant)),
    }),
    read({
      path: "/variables/{id}",
      scope: "space",
      permission: "VariableView",
      answer: VariableSet,
      handler: async ({ db, space, caller, params }) => ok(await showSet(db, space.id, caller, params.id)),
    }),
    read({
      path: "/environments/{id}/singlyScopedVariableDetails",
      scope: "space",
      permission: "VariableView",
      answer: SinglyScopedVariables,
      handler: async ({ db, space, params }) => {
        const { Id } = await environments.get(db, space.id, params.id);
        const counts = await store.countSinglyScoped(db, space.id, Id);
        const of = (kind: VariableOwner["kind"]) =>
          Object.fromEntries(counts.filter((one) => one.kind === kind).map(({ name, count }) => [name, count]));
        return ok({
          HasUnauthorizedProjectVariables: false,
          HasUnauthorizedLibraryVariableSetVariables: false,
          VariableMap: { Projects: of("project"), LibraryVariableSets: of("librarySet") },
        });
      },
    }),
    read({
      path: "/projects/{id}/variables",
      scope: "space",
      permission: "VariableView",
      answer: VariableSet,
      handler: async ({ db, space, caller, params }) => {
        const { id } = await getProject(db, space.id, params.id);
        return ok(await showSet(db, space.id, caller, store.variableSetIdOf(id)));
      },
    }),
    change({
      method: "PUT",
      path: "/variables/{id}",
      scope: "space",
      permission: "VariableEdit",
      body: VariableSetBody,
      answer: VariableSet,
      handler: async ({ tx, space, caller, params, body }) => {
        const set = await saveSet(tx, secrets, space.id, caller, params.id, body);
        return ok(present(set, await readScopeValues(tx, space.id, set.owner), true));
      },
    }),
  ];
}
