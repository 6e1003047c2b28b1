// Values of tenants for the variable templates of their projects and of the library sets that these include. They are not frozen with releases:
// what a deployment takes is what is there when it starts.

import { Type } from "typebox";
import { TenantMissingVariables, TenantVariables, TenantVariablesBody } from "@cuttle/contract/rest/tenants";
import type { Static } from "@cuttle/contract/rest/shapes";
import { problem } from "../../../base/problems.ts";
import { actorOf } from "../../../platform/access/access.ts";
import type { Caller } from "../../../platform/access/access.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { change, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { copyKeptSecrets, forgetSecrets, keepSecrets } from "../../../platform/kept-secrets/kept-secrets.ts";
import type { Secrets } from "../../../platform/secrets/secrets.ts";
import type { Document } from "../../../platform/resources/resources.ts";
import { libraryVariableSets } from "../library-variable-sets/library-variable-sets.ts";
import { projects } from "../projects/projects.ts";
import { tenants, tenantSecretsOwner } from "../tenants/tenants.ts";
import { presentTemplate, templatesOf } from "../variable-templates/variable-templates.ts";
import { setBytesMax } from "../variables/variables.ts";
import type { FindValuesOfTenant, FrozenVariable } from "../variables/variables.ts";
import { isMissing, listMissing, readTenantVariables, templatesAt, tenantVariables } from "./tenant-variable-rules.ts";
import type { TemplateOwner, TenantQuestions } from "./tenant-variable-rules.ts";
import * as store from "./tenant-variable-store.ts";
import type { StoredTenantVariables, StoredValue, TemplateValues } from "./tenant-variable-store.ts";

const ownerOf = (document: Document): TemplateOwner => ({
  id: document.Id,
  name: String(document["Name"]),
  templates: templatesOf(document),
});

async function librarySetsOf(db: Queryable, spaceId: string, of: readonly Document[]): Promise<TemplateOwner[]> {
  const ids = [...new Set(of.flatMap((project) => (project["IncludedLibraryVariableSetIds"] as string[] | null) ?? []))];
  const sets = ids.length === 0 ? [] : await libraryVariableSets.all(db, spaceId, { ids });
  return sets.map(ownerOf).filter((set) => set.templates.length > 0);
}

type Connections = { readonly [projectId: string]: readonly string[] };
const connectionsOf = (tenant: Document): Connections => tenant["ProjectEnvironments"] as Connections;

/** What several tenants are asked, with as many reads as for one. */
async function questionsOfAll(db: Queryable, spaceId: string, all: readonly Document[]): Promise<(tenant: Document) => TenantQuestions> {
  const ids = [...new Set(all.flatMap((tenant) => Object.keys(connectionsOf(tenant))))];
  const documents = ids.length === 0 ? [] : await projects.all(db, spaceId, { ids });
  const librarySets = await librarySetsOf(db, spaceId, documents);
  const owners = new Map(documents.map((document) => [document.Id, ownerOf(document)]));
  const included = new Map(documents.map((document) => [document.Id, new Set(document["IncludedLibraryVariableSetIds"] as string[])]));
  return (tenant) => {
    const connected = Object.entries(connectionsOf(tenant)).filter(([id]) => owners.has(id));
    return {
      projects: connected.map(([id, environmentIds]) => ({ ...owners.get(id)!, environmentIds })),
      librarySets: librarySets.filter((set) => connected.some(([id]) => included.get(id)!.has(set.id))),
    };
  };
}

async function questionsOf(db: Queryable, spaceId: string, tenant: Document): Promise<TenantQuestions> {
  return (await questionsOfAll(db, spaceId, [tenant]))(tenant);
}

const shown = (value: StoredValue) => (typeof value === "string" ? value : { HasValue: true, NewValue: null, Hint: null });
const shownAll = (values: TemplateValues | undefined, owner: TemplateOwner) =>
  Object.fromEntries(
    owner.templates.flatMap(({ Id }) => (values !== undefined && Object.hasOwn(values, Id) ? [[Id, shown(values[Id]!)] as const] : [])),
  );

function present(spaceId: string, tenant: Document, stored: StoredTenantVariables, asked: TenantQuestions): Static<typeof TenantVariables> {
  const base = `/api/${spaceId}`;
  return {
    Id: tenant.Id,
    TenantId: tenant.Id,
    TenantName: String(tenant["Name"]),
    SpaceId: spaceId,
    ConcurrencyToken: String(stored.version),
    LibraryVariables: Object.fromEntries(
      asked.librarySets.map((set) => [
        set.id,
        {
          LibraryVariableSetId: set.id,
          LibraryVariableSetName: set.name,
          Templates: set.templates.map(presentTemplate),
          Variables: shownAll(stored.library[set.id], set),
          Links: { LibraryVariableSet: `${base}/libraryvariablesets/${set.id}` },
        },
      ]),
    ),
    ProjectVariables: Object.fromEntries(
      asked.projects.map((project) => [
        project.id,
        {
          ProjectId: project.id,
          ProjectName: project.name,
          Templates: project.templates.map(presentTemplate),
          Variables: Object.fromEntries(
            project.environmentIds.map((environmentId) => [environmentId, shownAll(stored.projects[project.id]?.[environmentId], project)]),
          ),
          Links: { Project: `${base}/projects/${project.id}` },
        },
      ]),
    ),
    Links: { Self: `${base}/tenants/${tenant.Id}/variables`, Tenant: `${base}/tenants/${tenant.Id}` },
  };
}

async function save(
  tx: Transaction,
  secrets: Secrets,
  spaceId: string,
  caller: Caller,
  idOrSlug: string,
  body: Static<typeof TenantVariablesBody>,
): Promise<Static<typeof TenantVariables>> {
  const tenant = await tenants.get(tx, spaceId, idOrSlug);
  const stored = await store.lockTenantVariables(tx, tenant.Id);
  if (body.TenantId && body.TenantId.toLowerCase() !== tenant.Id.toLowerCase()) throw problem.invalid("TenantId cannot be changed.");
  if (body.ConcurrencyToken && body.ConcurrencyToken !== String(stored.version)) throw problem.stale("variables of a tenant");
  const asked = await questionsOf(tx, spaceId, tenant);
  const wanted = readTenantVariables(body, stored, asked);
  if (wanted.faults.length > 0) throw problem.invalid(wanted.faults);
  if (Buffer.byteLength(JSON.stringify(wanted.variables)) > setBytesMax)
    throw problem.invalid(`The variables of a tenant may take ${setBytesMax} bytes together.`);
  await keepSecrets(tx, secrets, { spaceId, owner: tenantSecretsOwner(tenant.Id), texts: wanted.newSecrets });
  await forgetSecrets(tx, await store.updateTenantVariables(tx, tenant.Id, wanted.variables, wanted.dropped));
  await recordEvent(tx, {
    spaceId,
    category: "Modified",
    actor: actorOf(caller),
    message: `The variables of the tenant ${String(tenant["Name"])} were changed (version ${wanted.variables.version})`,
    relatedDocumentIds: [tenant.Id],
  });
  return present(spaceId, tenant, wanted.variables, asked);
}

/** Gives a new tenant the values of another one, with secrets of its own. */
export async function copyTenantVariables(
  tx: Transaction,
  secrets: Secrets,
  { spaceId, from, to }: { spaceId: string; from: string; to: string },
): Promise<void> {
  const source = await store.findTenantVariables(tx, from);
  if (source.version === 0) return;
  const sets = [...Object.values(source.library), ...Object.values(source.projects).flatMap((one) => Object.values(one))];
  const ids = sets.flatMap((set) => Object.values(set)).flatMap((value) => (typeof value === "string" ? [] : [value.secretId]));
  const newIds = await copyKeptSecrets(tx, secrets, { spaceId, owner: tenantSecretsOwner(to), ids });
  const own = (values: TemplateValues): TemplateValues =>
    Object.fromEntries(
      Object.entries(values).flatMap(([id, value]): [string, StoredValue][] => {
        if (typeof value === "string") return [[id, value]];
        const secretId = newIds.get(value.secretId);
        return secretId === undefined ? [] : [[id, { secretId }]];
      }),
    );
  const each = <T>(of: { readonly [id: string]: T }, copy: (one: T) => T) =>
    Object.fromEntries(Object.entries(of).map(([id, one]) => [id, copy(one)]));
  const { version } = await store.lockTenantVariables(tx, to);
  const copies = { version: version + 1, library: each(source.library, own), projects: each(source.projects, (one) => each(one, own)) };
  await store.updateTenantVariables(tx, to, copies, []);
}

/** What a deployment of one project to one environment takes from its tenant, and the names of templates that have neither value nor default. */
export async function loadTenantVariables(
  db: Queryable,
  of: { tenantId: string; project: Document; environmentId: string },
): Promise<{ variables: FrozenVariable[]; missing: string[] }> {
  const project = ownerOf(of.project);
  const librarySets = await librarySetsOf(db, of.project.SpaceId, [of.project]);
  if (project.templates.length === 0 && librarySets.length === 0) return { variables: [], missing: [] };
  const stored = await store.findTenantVariables(db, of.tenantId);
  const placed = templatesAt(stored, { project, librarySets, environmentId: of.environmentId });
  return {
    variables: tenantVariables(placed, of.tenantId),
    missing: placed
      .filter(isMissing)
      .map(({ template, owner }) => `'${template.Label || template.Name}' (${template.Name} of ${owner.name})`),
  };
}

/** For the preview of variables. */
export const findValuesOfTenant: FindValuesOfTenant = async (db, spaceId, { tenant: idOrSlug, projectId, environmentId }) => {
  const tenant = await tenants.find(db, spaceId, idOrSlug);
  if (tenant === undefined) return undefined;
  const project = await projects.get(db, spaceId, projectId);
  const { variables } = await loadTenantVariables(db, { tenantId: tenant.Id, project, environmentId: environmentId ?? "" });
  return { id: tenant.Id, tags: tenant["TenantTags"] as string[], variables };
};

/** Templates named in one sentence; more are counted. */
const namedMax = 10;

/** Why a deployment for a tenant cannot be; undefined when nothing is missing. */
export function missingValuesSentence(tenantName: string, environmentName: string, missing: readonly string[]): string | undefined {
  if (missing.length === 0) return undefined;
  const more = missing.length > namedMax ? ` and ${missing.length - namedMax} more` : "";
  return (
    `The tenant '${tenantName}' has no value in ${environmentName} for ${missing.slice(0, namedMax).join(", ")}${more}. ` +
    "Give them among the variables of the tenant, or give the templates a default."
  );
}

const missingQuery = Type.Object({
  tenantId: Type.Optional(Type.String()),
  projectId: Type.Optional(Type.String()),
  environmentId: Type.Optional(Type.Array(Type.String())),
  includeDetails: Type.Optional(Type.Boolean()),
});

/** Tenants with something to answer, by name. */
async function findMissing(db: Queryable, spaceId: string, wanted: Static<typeof missingQuery>) {
  const { tenantId, projectId, environmentId = [], includeDetails } = wanted;
  const all = await tenants.all(db, spaceId, { ...(tenantId ? { ids: [tenantId] } : {}), ...(projectId ? { projectId } : {}) });
  const questions = await questionsOfAll(db, spaceId, all);
  const stored = await store.listTenantVariables(
    db,
    all.map((tenant) => tenant.Id),
  );
  return all.flatMap((tenant): Static<typeof TenantMissingVariables>[] => {
    const missing = listMissing(stored.get(tenant.Id) ?? store.nothing, questions(tenant), { projectId, environmentIds: environmentId });
    if (missing.length === 0) return [];
    const MissingVariables = missing.map((one) => ({
      ProjectId: one.projectId,
      EnvironmentId: one.environmentId,
      LibraryVariableSetId: one.librarySetId,
      VariableTemplateId: one.template.Id,
      VariableTemplateName: one.template.Name,
      Links: {},
    }));
    return [{ TenantId: tenant.Id, MissingVariables: includeDetails === true ? MissingVariables : [], Links: {} }];
  });
}

async function listAll(db: Queryable, spaceId: string, projectId: string | undefined): Promise<Static<typeof TenantVariables>[]> {
  const all = await tenants.all(db, spaceId, projectId ? { projectId } : {});
  const questions = await questionsOfAll(db, spaceId, all);
  const stored = await store.listTenantVariables(
    db,
    all.map((tenant) => tenant.Id),
  );
  return all.map((tenant) => present(spaceId, tenant, stored.get(tenant.Id) ?? store.nothing, questions(tenant)));
}

export function tenantVariableRoutes(secrets: Secrets): Route[] {
  const path = "/tenants/{id}/variables";
  return [
    read({
      path: "/tenants/variables-missing",
      scope: "space",
      permission: "TenantView",
      query: missingQuery,
      answer: Type.Array(TenantMissingVariables),
      handler: async ({ db, space, query }) => ok(await findMissing(db, space.id, query)),
    }),
    read({
      path: "/tenantvariables/all",
      scope: "space",
      permission: "TenantView",
      query: Type.Object({ projectId: Type.Optional(Type.String()) }),
      answer: Type.Array(TenantVariables),
      handler: async ({ db, space, query }) => ok(await listAll(db, space.id, query.projectId)),
    }),
    read({
      path,
      scope: "space",
      permission: "TenantView",
      answer: TenantVariables,
      handler: async ({ db, space, params }) => {
        const tenant = await tenants.get(db, space.id, params.id);
        return ok(present(space.id, tenant, await store.findTenantVariables(db, tenant.Id), await questionsOf(db, space.id, tenant)));
      },
    }),
    // Clients send the same with either word.
    ...(["POST", "PUT"] as const).map((method) =>
      change({
        method,
        path,
        scope: "space",
        permission: "TenantEdit",
        body: TenantVariablesBody,
        answer: TenantVariables,
        handler: async ({ tx, space, caller, params, body }) => ok(await save(tx, secrets, space.id, caller, params.id, body)),
      }),
    ),
  ];
}
