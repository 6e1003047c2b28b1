// Feeds as clients see them: where packages come from. The built-in one is in every space.

import { anything, count, flag, id, links, list, name, object, optional, orNull, text, time, whole, written } from "./shapes.ts";

const settings = {
  DeleteUnreleasedPackagesAfterDays: orNull(count()),
  DeletePackagesAssociatedWithReleases: flag(),
  IsBuiltInRepoSyncEnabled: flag(),
};

export const Feed = object({
  Id: id(),
  SpaceId: id(),
  Name: name(),
  Slug: text(),
  FeedType: text(),
  PackageAcquisitionLocationOptions: list(text()),
  ...settings,
  Links: links(),
});
export const FeedBody = written({ ...settings, Name: name(), FeedType: text(), SpaceId: id() });

export const FeedStatistics = object({ TotalPackages: whole(), Links: links() });

export const PackageVersion = object({
  Id: id(),
  FeedId: id(),
  PackageId: text(),
  Title: text(),
  Version: text(),
  Published: time(),
  ReleaseNotes: text(),
  SizeBytes: whole(),
  Links: links(),
});

export const PackageDescription = object({
  Id: id(),
  Name: text(),
  Description: text(),
  LatestVersion: text(),
  Links: links(),
});

const Note = object({
  FeedId: id(),
  PackageId: text(),
  Version: text(),
  Notes: object({ Succeeded: flag(), Notes: text(), FailureReason: orNull(text()), DisplayMessage: orNull(text()) }),
});
export const PackageNotes = object({ Packages: list(Note), Links: optional(anything()) });
