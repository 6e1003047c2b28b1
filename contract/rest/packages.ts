// Packages of the built-in feed as clients see them.

import { MappedBuildInformation } from "./build-information.ts";
import { id, links, object, orNull, text, time, whole } from "./shapes.ts";

export const Package = object({
  Id: id(),
  FeedId: id(),
  PackageId: text(),
  Version: text(),
  NuGetFeedId: id(),
  NuGetPackageId: text(),
  Title: text(),
  Summary: text(),
  Description: text(),
  /** Null where there are none, and in reads that did not ask to include them. */
  ReleaseNotes: orNull(text()),
  Published: time(),
  FileExtension: text(),
  /** SHA-1 in hex; what clients of this API compare files by. */
  Hash: text(),
  PackageSizeBytes: whole(),
  PackageVersionBuildInformation: orNull(MappedBuildInformation),
  Links: links(),
});

/** What a client needs to send only the difference to a version that is here. */
export const PackageSignature = object({ BaseVersion: text(), Signature: text() });
