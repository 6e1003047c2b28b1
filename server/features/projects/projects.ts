// The area of what is deployed: project groups, projects, their processes, channels and variables, library variable sets, releases, tenants.

import type { Route } from "../../platform/http/http.ts";
import type { Secrets } from "../../platform/secrets/secrets.ts";
import type { SpaceFiller } from "../organization/organization.ts";
import { channels } from "./channels/channels.ts";
import { libraryVariableSets } from "./library-variable-sets/library-variable-sets.ts";
import { processRoutes } from "./processes/processes.ts";
import { fillProjectGroups, projectGroups } from "./project-groups/project-groups.ts";
import { getProjectId, projectOfVariables, projectRoutes, projects } from "./projects/projects.ts";
import { releaseRoutes } from "./releases/releases.ts";
import type { BeforeReleaseDelete } from "./releases/releases.ts";
import { tenantRoutes } from "./tenants/tenants.ts";
import { variableRoutes } from "./variables/variables.ts";

export { channels } from "./channels/channels.ts";
export { findSnapshotSteps, findSnapshotVersion, getProcess } from "./processes/processes.ts";
export type { ProcessAction, ProcessStep, StoredProperties, StoredProperty } from "./processes/processes.ts";
export { findProjectByText, projectOfVariables, projects } from "./projects/projects.ts";
export type { ConnectivityPolicy } from "./projects/projects.ts";
export { findRelease, findReleaseByVersion, getRelease, refreshVariables, variableSnapshotIds } from "./releases/releases.ts";
export type { ReleaseRow } from "./releases/releases.ts";
export {
  compareWithFrozen,
  forgetAnswers,
  keepAnswers,
  listPrompts,
  loadVariableSnapshot,
  loadVariableSnapshots,
  presentForm,
  presentFormValues,
  readFormValues,
  withFormValues,
} from "./variables/variables.ts";
export type { FormValues, FrozenVariable, Prompt, PromptPlace, VariablePrompt } from "./variables/variables.ts";

export interface ProjectsParts {
  secrets: Secrets;
  beforeReleaseDelete: BeforeReleaseDelete;
}

export function projectsRoutes(parts: ProjectsParts): Route[] {
  return [
    ...projectGroups.routes,
    ...projectRoutes,
    ...channels.routes,
    ...processRoutes(parts.secrets, getProjectId),
    ...releaseRoutes(parts.beforeReleaseDelete),
    ...tenantRoutes,
    ...libraryVariableSets.routes,
    ...variableRoutes({
      secrets: parts.secrets,
      getProject: async (db, spaceId, idOrSlug) => projectOfVariables(await projects.get(db, spaceId, idOrSlug)),
    }),
  ];
}

export const projectsFillers: readonly SpaceFiller[] = [fillProjectGroups];
