// Which values a tenant may give, what is stored of what a client sends, and what of it holds for a deployment. Pure but for random ids.

import { randomUUID } from "node:crypto";
import type { FrozenVariable } from "../variables/variables.ts";
import { sensitiveValueBytesMax, valueBytesMax } from "../variables/variables.ts";
import { isSensitive } from "../variable-templates/variable-templates.ts";
import type { VariableTemplate } from "../variable-templates/variable-templates.ts";
import type { StoredTenantVariables, StoredValue, TemplateValues } from "./tenant-variable-store.ts";

/** A project or library set with its templates. */
export interface TemplateOwner {
  id: string;
  name: string;
  templates: readonly VariableTemplate[];
}

/** What a tenant is asked for: of projects in each environment that it is connected to, of the library sets that they include once. */
export interface TenantQuestions {
  projects: readonly (TemplateOwner & { environmentIds: readonly string[] })[];
  librarySets: readonly TemplateOwner[];
}

/** As a client sends them: a text, a sensitive value, or null for none. */
type SentValue = string | number | boolean | null | { HasValue?: boolean | null | undefined; NewValue?: string | null | undefined };
type SentValues = { readonly [templateId: string]: SentValue };
export interface SentTenantVariables {
  LibraryVariables?: { readonly [id: string]: { Variables?: SentValues | null | undefined } } | null | undefined;
  ProjectVariables?: { readonly [id: string]: { Variables?: { readonly [id: string]: SentValues } | null | undefined } } | null | undefined;
}

export interface ReadTenantVariables {
  variables: StoredTenantVariables;
  newSecrets: { id: string; text: string }[];
  dropped: string[];
  faults: string[];
}

const faultsMax = 20;

/** Projects, environments and library sets that are not sent stay as they are; what is sent of one replaces all of it. */
export function readTenantVariables(sent: SentTenantVariables, stored: StoredTenantVariables, asked: TenantQuestions): ReadTenantVariables {
  const faults: string[] = [];
  const fault = (sentence: string): void => {
    if (faults.length < faultsMax) faults.push(sentence);
  };
  const newSecrets: ReadTenantVariables["newSecrets"] = [];

  const readValue = (value: SentValue | undefined, template: VariableTemplate, old: StoredValue | undefined): StoredValue | undefined => {
    const given = typeof value === "object" && value !== null ? value : undefined;
    const text = plainText(typeof value === "object" ? given?.NewValue : value);
    const what = `The value of '${template.Label || template.Name}'`;
    if (!isSensitive(template)) {
      if (text === undefined || text === "") return undefined;
      if (Buffer.byteLength(text) > valueBytesMax) fault(`${what} is larger than the limit of ${valueBytesMax} bytes.`);
      return text;
    }
    // A plain text that was stored before the template became sensitive is not kept as one.
    const kept = typeof old === "object" ? old : undefined;
    if (text === undefined) return given?.HasValue === true ? kept : undefined;
    if (text === "") return undefined;
    if (Buffer.byteLength(text) > sensitiveValueBytesMax)
      fault(`${what} is larger than the limit of ${sensitiveValueBytesMax} bytes of a sensitive value.`);
    const id = randomUUID();
    newSecrets.push({ id, text });
    return { secretId: id };
  };

  const readValues = (values: SentValues, owner: TemplateOwner, old: TemplateValues): TemplateValues => {
    const known = new Map(owner.templates.map((one) => [one.Id, one]));
    for (const [id, value] of Object.entries(values))
      if (!known.has(id) && value !== null && !Object.hasOwn(old, id)) fault(`${owner.name} has no variable template '${id}'.`);
    return Object.fromEntries(
      owner.templates.flatMap((template): [string, StoredValue][] => {
        const value = Object.hasOwn(values, template.Id) ? values[template.Id] : undefined;
        const read = readValue(value, template, Object.hasOwn(old, template.Id) ? old[template.Id] : undefined);
        return read === undefined ? [] : [[template.Id, read]];
      }),
    );
  };

  const library = new Map(Object.entries(stored.library));
  for (const [id, one] of Object.entries(sent.LibraryVariables ?? {})) {
    const owner = asked.librarySets.find((each) => each.id.toLowerCase() === id.toLowerCase());
    if (owner === undefined) fault(`No project of the tenant includes a library variable set '${id}' with templates.`);
    else if (one.Variables) library.set(owner.id, readValues(one.Variables, owner, library.get(owner.id) ?? {}));
  }
  const projects = new Map(Object.entries(stored.projects));
  for (const [id, one] of Object.entries(sent.ProjectVariables ?? {})) {
    const owner = asked.projects.find((each) => each.id.toLowerCase() === id.toLowerCase());
    if (owner === undefined) {
      fault(`The tenant is not connected to a project '${id}'.`);
      continue;
    }
    const environments = new Map(Object.entries(projects.get(owner.id) ?? {}));
    for (const [environment, values] of Object.entries(one.Variables ?? {})) {
      const found = owner.environmentIds.find((each) => each.toLowerCase() === environment.toLowerCase());
      if (found === undefined) fault(`The tenant is not connected to an environment '${environment}' in the project ${owner.name}.`);
      else environments.set(found, readValues(values, owner, environments.get(found) ?? {}));
    }
    projects.set(owner.id, Object.fromEntries(environments));
  }
  const variables = { version: stored.version + 1, library: Object.fromEntries(library), projects: Object.fromEntries(projects) };
  const kept = new Set(secretsOf(variables));
  return { variables, newSecrets, dropped: secretsOf(stored).filter((id) => !kept.has(id)), faults };
}

function plainText(value: string | number | boolean | null | undefined): string | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === "boolean" ? (value ? "True" : "False") : String(value);
}

function secretsOf({ library, projects }: StoredTenantVariables): string[] {
  const all = [...Object.values(library), ...Object.values(projects).flatMap((one) => Object.values(one))];
  return all.flatMap((values) => Object.values(values)).flatMap((value) => (typeof value === "string" ? [] : [value.secretId]));
}

/** What is asked in one place, with what the tenant answered there. */
export interface PlacedTemplate {
  owner: TemplateOwner;
  origin: "project" | "librarySet";
  template: VariableTemplate;
  value: StoredValue | undefined;
}

/** The templates that count for a deployment of one project to one environment. */
export function templatesAt(
  stored: StoredTenantVariables,
  at: { project: TemplateOwner; librarySets: readonly TemplateOwner[]; environmentId: string },
): PlacedTemplate[] {
  const placed = (owner: TemplateOwner, origin: PlacedTemplate["origin"], values: TemplateValues | undefined): PlacedTemplate[] =>
    owner.templates
      .filter(({ Name }) => Name !== "")
      .map((template) => {
        const value = values !== undefined && Object.hasOwn(values, template.Id) ? values[template.Id] : undefined;
        // What was given before the template changed between plain and sensitive is asked for again.
        const fits = value !== undefined && isSensitive(template) === (typeof value === "object");
        return { owner, origin, template, value: fits ? value : undefined };
      });
  return [
    ...placed(at.project, "project", stored.projects[at.project.id]?.[at.environmentId]),
    ...at.librarySets.flatMap((set) => placed(set, "librarySet", stored.library[set.id])),
  ];
}

export function isMissing({ template, value }: PlacedTemplate): boolean {
  return value === undefined && template.DefaultValue === null;
}

/** A question that a tenant has not answered: of a project in an environment, or of a library set. */
export interface MissingValue {
  projectId: string | null;
  environmentId: string | null;
  librarySetId: string | null;
  template: VariableTemplate;
}

/** What a tenant has not answered, in all places or in those of one project or some environments. */
export function listMissing(
  stored: StoredTenantVariables,
  asked: TenantQuestions,
  where: { projectId: string | undefined; environmentIds: readonly string[] },
): MissingValue[] {
  const isAmong = (wanted: readonly string[], id: string): boolean =>
    wanted.length === 0 || wanted.some((one) => one.toLowerCase() === id.toLowerCase());
  const ofProjects = asked.projects
    .filter((project) => isAmong(where.projectId ? [where.projectId] : [], project.id))
    .flatMap((project) =>
      project.environmentIds
        .filter((id) => isAmong(where.environmentIds, id))
        .flatMap((environmentId) =>
          templatesAt(stored, { project, librarySets: [], environmentId })
            .filter(isMissing)
            .map(({ template }) => ({ projectId: project.id, environmentId, librarySetId: null, template })),
        ),
    );
  const nobody = { id: "", name: "", templates: [] };
  const ofSets = templatesAt(stored, { project: nobody, librarySets: asked.librarySets, environmentId: "" })
    .filter(isMissing)
    .map(({ owner, template }) => ({ projectId: null, environmentId: null, librarySetId: owner.id, template }));
  return [...ofProjects, ...ofSets];
}

/** As variables that hold for the tenant, with the rank of that. */
export function tenantVariables(placed: readonly PlacedTemplate[], tenantId: string): FrozenVariable[] {
  return placed
    .filter((one) => !isMissing(one))
    .map(({ template, value, origin }) => ({
      id: template.Id,
      name: template.Name,
      value: typeof value === "object" ? null : (value ?? template.DefaultValue),
      secretId: typeof value === "object" ? value.secretId : null,
      sensitive: isSensitive(template),
      scope: { Tenant: [tenantId] },
      origin,
      type: isSensitive(template) ? "Sensitive" : "String",
    }));
}
