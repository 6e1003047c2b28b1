// The area of what is deployed: project groups, projects, their processes, channels and variables, library variable sets, releases, tenants.

import type { Route } from "../../platform/http/http.ts";
import type { Secrets } from "../../platform/secrets/secrets.ts";
import type { SpaceFiller } from "../organization/organization.ts";
import { channelRoutes } from "./channels/channels.ts";
import { creationRoutes } from "./cloning/cloning.ts";
import { defectRoutes } from "./defects/defects.ts";
import { libraryVariableSetRoutes } from "./library-variable-sets/library-variable-sets.ts";
import { processRoutes } from "./processes/processes.ts";
import { fillProjectGroups, projectGroups } from "./project-groups/project-groups.ts";
import { getProjectId, projectOfVariables, projectRoutes, projects } from "./projects/projects.ts";
import { releaseRoutes } from "./releases/releases.ts";
import type { PrepareArchives } from "../library/library.ts";
import type { AfterReleaseCreate, BeforeReleaseDelete } from "./releases/releases.ts";
import { findValuesOfTenant, tenantVariableRoutes } from "./tenant-variables/tenant-variables.ts";
import { tenantRoutes } from "./tenants/tenants.ts";
import { variableRoutes } from "./variables/variables.ts";

export { channels, channelsOfProject } from "./channels/channels.ts";
export { findSnapshotSteps, findSnapshotVersion, getProcess } from "./processes/processes.ts";
export type { ProcessAction, ProcessStep, StoredProperties, StoredProperty } from "./processes/processes.ts";
export { findProjectByText, projectOfVariables, projects } from "./projects/projects.ts";
export type { ConnectivityPolicy } from "./projects/projects.ts";
export { findUnresolvedDefects } from "./defects/defects.ts";
export {
  findRelease,
  findReleaseByVersion,
  getRelease,
  listReleases,
  packagesOf,
  presentRelease,
  refreshVariables,
  selectedVersion,
  variableSnapshotIds,
} from "./releases/releases.ts";
export type { PackageUse, ReleaseRow } from "./releases/releases.ts";
export { listReleasesBetween } from "./releases/releases.ts";
export {
  compareWithFrozen,
  forgetAnswers,
  keepAnswers,
  listPrompts,
  loadPromptedVariables,
  loadVariableSnapshot,
  loadVariableSnapshots,
  needsAnswers,
  presentForm,
  presentFormValues,
  readAnswers,
  readFormValues,
  withFormValues,
} from "./variables/variables.ts";
export type { FormValues, FrozenVariable, Prompt, PromptPlace, VariablePrompt } from "./variables/variables.ts";

export { loadTenantVariables, missingValuesSentence } from "./tenant-variables/tenant-variables.ts";
export { tenants, tenantsOfProject } from "./tenants/tenants.ts";
export type { ConnectedTenant } from "./tenants/tenants.ts";

export interface ProjectsParts {
  secrets: Secrets;
  beforeReleaseDelete: BeforeReleaseDelete;
  afterReleaseCreate: AfterReleaseCreate;
  prepareArchives: PrepareArchives;
}

export function projectsRoutes(parts: ProjectsParts): Route[] {
  return [
    ...projectGroups.routes,
    ...creationRoutes(parts.secrets),
    ...projectRoutes,
    ...channelRoutes,
    ...defectRoutes,
    ...processRoutes(parts.secrets, getProjectId),
    ...releaseRoutes(parts),
    ...tenantRoutes,
    ...tenantVariableRoutes(parts.secrets),
    ...libraryVariableSetRoutes,
    ...variableRoutes({
      secrets: parts.secrets,
      getProject: async (db, spaceId, idOrSlug) => projectOfVariables(await projects.get(db, spaceId, idOrSlug)),
      findValuesOfTenant,
    }),
  ];
}

export const projectsFillers: readonly SpaceFiller[] = [fillProjectGroups];
