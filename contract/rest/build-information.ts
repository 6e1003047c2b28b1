// Build information: what a build server says about how a version of a package was built.

import { id, links, list, object, optional, orNull, text, time, written } from "./shapes.ts";

export const Commit = object({ Id: text(), Comment: text(), LinkUrl: orNull(text()) });
export const WorkItem = object({ Id: text(), LinkUrl: text(), Source: text(), Description: text() });

const build = { BuildEnvironment: text(), BuildNumber: text(), BuildUrl: text(), Branch: text() };
const source = { VcsType: text(), VcsRoot: text(), VcsCommitNumber: text() };

const mapped = {
  PackageId: text(),
  Version: text(),
  ...build,
  ...source,
  VcsCommitUrl: orNull(text()),
  IssueTrackerName: orNull(text()),
  Commits: list(Commit),
  WorkItems: list(WorkItem),
};

export const MappedBuildInformation = object({
  Id: id(),
  ...mapped,
  IncompleteDataWarning: orNull(text()),
  Created: time(),
  Links: links(),
});

/** How a package of a release was built. */
export const ReleaseBuildInformation = object(mapped);

export const BuildInformationBody = written({
  PackageId: text(),
  Version: text(),
  SpaceId: id(),
  OverwriteMode: text(),
  OctopusBuildInformation: written({
    ...build,
    ...source,
    Commits: list(object({ Id: text(), Comment: optional(orNull(text())) })),
  }),
});
