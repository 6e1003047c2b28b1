// Projects with the settings of their deployments. Creating one makes its process and its default channel in the same transaction.

import { Type } from "typebox";
import { anything, map, page } from "@cuttle/contract/rest/shapes";
import { DeploymentSettings, DeploymentSettingsBody, Project, ProjectBody, ProjectSummary } from "@cuttle/contract/rest/projects";
import { problem } from "../../../base/problems.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { change, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource, listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import type { Document, ResourceField } from "../../../platform/resources/resources.ts";
import { lifecycles } from "../../library/library.ts";
import { channelPage, channelQuery, channels, createDefaultChannel } from "../channels/channels.ts";
import { createProcess, getProcess, processIdOf } from "../processes/processes.ts";
import { projectGroups } from "../project-groups/project-groups.ts";
import { presentTemplate, readTemplates, templatesOf } from "../variable-templates/variable-templates.ts";
import { createVariableSet, forgetVariablesOf, variableSetIdOf } from "../variables/variables.ts";
import type { ProjectOfVariables } from "../variables/variables.ts";
import { countUnfinishedTasksOfProject, setIncludedLibrarySets } from "./project-store.ts";

export interface ConnectivityPolicy {
  SkipMachineBehavior: "None" | "SkipUnavailableMachines";
  TargetRoles: string[];
  AllowDeploymentsToNoTargets: boolean;
  ExcludeUnhealthyTargets: boolean;
}

const connectivityDefault: ConnectivityPolicy = {
  SkipMachineBehavior: "None",
  TargetRoles: [],
  AllowDeploymentsToNoTargets: false,
  ExcludeUnhealthyTargets: false,
};
export const versioningTemplateDefault = "#{Octopus.Version.LastMajor}.#{Octopus.Version.LastMinor}.#{Octopus.Version.NextPatch}";
const versioningDefault = { Template: versioningTemplateDefault, DonorPackage: null, DonorPackageStepId: null };

const keyed = (column: string, members: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(members).map(([member, empty]): [string, ResourceField] => [member, { column, key: member, empty }]));

export const projects = defineResource({
  kind: "Project",
  collection: "Projects",
  path: "projects",
  table: {
    name: "projects",
    orderBy: "lower(r.name)",
    slug: true,
    fields: {
      Name: { column: "name" },
      Description: { column: "description", empty: "" },
      ProjectGroupId: { column: "project_group_id", references: { table: "project_groups", kind: "project group" } },
      LifecycleId: { column: "lifecycle_id", references: { table: "lifecycles", kind: "lifecycle" } },
      IsDisabled: { column: "is_disabled", empty: false },
      TenantedDeploymentMode: { column: "tenanted_deployment_mode", empty: "Untenanted" },
      ...keyed("settings", {
        AllowIgnoreChannelRules: true,
        AutoCreateRelease: false,
        AutoDeployReleaseOverrides: [],
        DiscreteChannelRelease: false,
        ExtensionSettings: [],
        ProjectTags: [],
        Templates: [],
        ReleaseCreationStrategy: {},
        ClonedFromProjectId: null,
      }),
      IncludedLibraryVariableSetIds: {
        column: "settings",
        key: "IncludedLibraryVariableSetIds",
        empty: [],
        references: { table: "library_variable_sets", kind: "library variable set" },
      },
      ...keyed("deployment_settings", {
        ProjectConnectivityPolicy: connectivityDefault,
        DefaultGuidedFailureMode: "EnvironmentDefault",
        DefaultToSkipIfAlreadyInstalled: false,
        DeploymentChangesTemplate: null,
        ReleaseNotesTemplate: null,
        ForcePackageDownload: false,
        VersioningStrategy: versioningDefault,
      }),
    },
  },
  answer: Project,
  body: ProjectBody,
  ownCreate: true,
  filters: {
    clonedFromProjectId: {
      type: Type.String(),
      where: (value: string) => ({ sql: "lower(r.settings ->> 'ClonedFromProjectId') = lower($?)", values: [value] }),
    },
  },
  permissions: { view: "ProjectView", create: "ProjectCreate", edit: "ProjectEdit", delete: "ProjectDelete" },
  links: ({ Id }, base) => ({
    Releases: `${base}/projects/${Id}/releases{/version}{?skip,take,searchByVersion}`,
    Channels: `${base}/projects/${Id}/channels{?skip,take,partialName}`,
    Progression: `${base}/projects/${Id}/progression{?aggregate,releaseHistoryCount}`,
    DeploymentProcess: `${base}/projects/${Id}/deploymentprocesses`,
    DeploymentSettings: `${base}/projects/${Id}/deploymentsettings`,
    Variables: `${base}/variables/${variableSetIdOf(Id)}`,
    Runbooks: `${base}/projects/${Id}/runbooks{?skip,take,partialName}`,
    RunbookSnapshots: `${base}/projects/${Id}/runbookSnapshots{/name}{?skip,take,searchByName}`,
    Summary: `${base}/projects/${Id}/summary`,
    Triggers: `${base}/projects/${Id}/triggers{?skip,take,partialName,triggerActionType,triggerActionCategory,runbooks}`,
    Web: `/app#/${base.slice("/api/".length)}/projects/${Id}`,
  }),
  present: (document) =>
    Object.assign(document, {
      Templates: templatesOf(document).map(presentTemplate),
      DeploymentProcessId: processIdOf(document.Id),
      VariableSetId: variableSetIdOf(document.Id),
      IsVersionControlled: false,
      PersistenceSettings: { Type: "Database" },
      VersionControlSettings: null,
    }),
  beforeSave: async (_tx, { values }) => {
    values["ProjectConnectivityPolicy"] = filled(connectivityDefault, values["ProjectConnectivityPolicy"]);
    values["VersioningStrategy"] = filled(versioningDefault, values["VersioningStrategy"]);
    values["Templates"] = readTemplates(values["Templates"]);
  },
  afterSave: async (tx, { current, spaceId, id, actor, values }) => {
    await setIncludedLibrarySets(tx, id, values["IncludedLibraryVariableSetIds"] as string[]);
    if (current !== undefined) return;
    await createProcess(tx, spaceId, id);
    await createVariableSet(tx, spaceId, { kind: "project", id, name: String(values["Name"]) });
    await createDefaultChannel(tx, spaceId, actor, id);
  },
  beforeDelete: async (tx, project) => {
    if ((await countUnfinishedTasksOfProject(tx, project.Id)) > 0) {
      throw problem.invalid(`The project '${String(project["Name"])}' has unfinished tasks. Wait for them or cancel them first.`);
    }
    await forgetVariablesOf(tx, project.SpaceId, { kind: "project", id: project.Id, name: String(project["Name"]) });
  },
});

/** The members a client left out or sent as null get their defaults. */
function filled<T extends object>(defaults: T, sent: unknown): T {
  const given = Object.entries((sent ?? {}) as object).filter(([, value]) => value !== null && value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) };
}

export async function getProjectId(db: Queryable, spaceId: string, idOrSlug: string): Promise<string> {
  return (await projects.get(db, spaceId, idOrSlug)).Id;
}

/** What variables have to know of a project. */
export function projectOfVariables(project: Document): ProjectOfVariables {
  return {
    id: project.Id,
    name: String(project["Name"]),
    includedLibrarySets: (project["IncludedLibraryVariableSetIds"] as string[] | null) ?? [],
  };
}

/** The project a command names by name, id or slug. @throws Problem 400 */
export async function findProjectByText(db: Queryable, spaceId: string, text: string): Promise<Document> {
  const found = (await projects.all(db, spaceId, { name: text.trim() }))[0] ?? (await projects.find(db, spaceId, text.trim()));
  if (found === undefined) throw problem.invalid(`There is no project '${text}' in this space.`);
  return found;
}

function presentSettings(project: Document) {
  return {
    ...project,
    Id: `deploymentsettings-${project.Id}`,
    ProjectId: project.Id,
    ConnectivityPolicy: project["ProjectConnectivityPolicy"],
    FailTargetDiscovery: false,
    Links: { Self: `/api/${project.SpaceId}/projects/${project.Id}/deploymentsettings`, Project: project.Links["Self"]! },
  };
}

/** A list of the projects that belong to something else. */
function projectsBelow(path: string, find: (db: Queryable, spaceId: string, id: string) => Promise<Document>, column: string): Route {
  return read({
    path: `/${path}/{id}/projects`,
    scope: "space",
    permission: "ProjectView",
    query: Type.Object({ ...listQuery, partialName: Type.Optional(Type.String()) }),
    answer: page(Project),
    handler: async ({ db, space, params, query }) => {
      const owner = await find(db, space.id, (params as { id: string }).id);
      const where = [{ sql: `r.${column} = $?`, values: [owner.Id] }];
      return ok(await projects.list(db, space.id, query, { path: `/api/${space.id}/${path}/${owner.Id}/projects`, where }));
    },
  });
}

/** What no project can have yet: an empty page, so that a client which goes through all there is of a project comes to its end. */
function noneBelow(last: string, itemType: string, permission: "RunbookView" | "TriggerView"): Route {
  return read({
    path: `/projects/{id}/${last}`,
    scope: "space",
    permission,
    query: Type.Object(listQuery),
    answer: page(map(anything())),
    handler: async ({ db, space, params, query }) => {
      const path = `/api/${space.id}/projects/${await getProjectId(db, space.id, (params as { id: string }).id)}/${last}`;
      return ok(pageOf({ itemType, items: [], total: 0, wanted: pageWanted(query), path, query }));
    },
  });
}

export const projectRoutes: Route[] = [
  noneBelow("runbooks", "Runbook", "RunbookView"),
  noneBelow("runbookSnapshots", "RunbookSnapshot", "RunbookView"),
  noneBelow("triggers", "ProjectTrigger", "TriggerView"),
  ...projects.routes,
  projectsBelow("projectgroups", projectGroups.get, "project_group_id"),
  read({
    path: "/lifecycles/{id}/projects",
    scope: "space",
    permission: "ProjectView",
    answer: Type.Array(Project),
    handler: async ({ db, space, params }) => {
      const { Id } = await lifecycles.get(db, space.id, params.id);
      return ok(await projects.all(db, space.id, {}, [{ sql: "r.lifecycle_id = $?", values: [Id] }]));
    },
  }),
  read({
    path: "/projects/{id}/channels",
    scope: "space",
    permission: "ProcessView",
    query: channelQuery,
    answer: channelPage,
    handler: async ({ db, space, params, query }) => {
      const id = await getProjectId(db, space.id, params.id);
      return ok(
        await channels.list(db, space.id, query, {
          path: `/api/${space.id}/projects/${id}/channels`,
          where: [{ sql: "r.project_id = $?", values: [id] }],
        }),
      );
    },
  }),
  read({
    path: "/projects/{id}/deploymentsettings",
    scope: "space",
    permission: "ProjectView",
    answer: DeploymentSettings,
    handler: async ({ db, space, params }) => ok(presentSettings(await projects.get(db, space.id, params.id))),
  }),
  change({
    method: "PUT",
    path: "/projects/{id}/deploymentsettings",
    scope: "space",
    permission: "ProjectEdit",
    body: DeploymentSettingsBody,
    answer: DeploymentSettings,
    handler: async ({ tx, space, actor, params, body }) => {
      const { ConnectivityPolicy, ...rest } = body;
      const sent = ConnectivityPolicy === undefined ? rest : { ...rest, ProjectConnectivityPolicy: ConnectivityPolicy };
      return ok(presentSettings(await projects.update(tx, space.id, actor, params.id, sent)));
    },
  }),
  read({
    path: "/projects/{id}/summary",
    scope: "space",
    permission: "ProjectView",
    answer: ProjectSummary,
    handler: async ({ db, space, params }) => {
      const process = await getProcess(db, space.id, await getProjectId(db, space.id, params.id));
      return ok({ HasDeploymentProcess: process.steps.length > 0, HasRunbooks: false, StepCount: process.steps.length });
    },
  }),
];
