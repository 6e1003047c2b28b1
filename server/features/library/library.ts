// The area of what projects share: lifecycles, tag sets, feeds with their packages, build information.

import type { Database } from "../../platform/database/database.ts";
import type { Route } from "../../platform/http/http.ts";
import type { SpaceFiller } from "../organization/organization.ts";
import { buildInformationRoutes } from "./build-information/build-information.ts";
import { feedRoutes, fillFeeds } from "./feeds/feeds.ts";
import { fillLifecycles, lifecycleRoutes } from "./lifecycles/lifecycles.ts";
import { nugetRoutes } from "./nuget/nuget.ts";
import { packageRoutes } from "./packages/packages.ts";
import type { PackageFolder } from "./packages/packages.ts";
import { tagSetRoutes } from "./tag-sets/tag-sets.ts";

export { ensureBuiltInFeeds } from "./feeds/feeds.ts";
export {
  lifecycleProgress,
  lifecycles,
  mayDeploy,
  phasesFor,
  phasesInForce,
  phasesOfLifecycles,
  targetRetentionOf,
} from "./lifecycles/lifecycles.ts";
export type { LifecyclePhase, LifecycleProgress, PhaseProgress, Verdict } from "./lifecycles/lifecycles.ts";
export { incomingArchiveFolder } from "./package-archives/package-archives.ts";
export { findBuildInformation } from "./build-information/build-information.ts";
export { nameOfFeed } from "./feeds/feeds.ts";
export { createDeployablePackages, listMissingVersions, newestVersion, sweepPackageFiles } from "./packages/packages.ts";
export { readVersion } from "./versions/versions.ts";
export type { DeployablePackages, FoundPackage, PackageFolder, PrepareArchives } from "./packages/packages.ts";

export interface LibraryParts {
  database: Database;
  /** The shared folder, where packages lie. */
  packageFolder: PackageFolder;
}

export function libraryRoutes(parts: LibraryParts): Route[] {
  return [
    ...lifecycleRoutes,
    ...tagSetRoutes,
    ...feedRoutes,
    ...packageRoutes({ database: parts.database, folder: parts.packageFolder }),
    ...nugetRoutes({ database: parts.database, folder: parts.packageFolder }),
    ...buildInformationRoutes,
  ];
}

export const libraryFillers: readonly SpaceFiller[] = [fillLifecycles, fillFeeds];
