// Id and version of a package from the name of its file: `Acme.Web.1.2.3-beta.zip`. The shortest id counts after which all the rest is a
// version, so that `Acme.2.1.0.0.0.zip` is version 1.0.0.0 of Acme.2.

import { problem } from "../../../base/problems.ts";
import { readVersion } from "../versions/versions.ts";
import type { PackageVersion } from "../versions/versions.ts";

export interface PackageName {
  packageId: string;
  version: PackageVersion;
  /** With the dot, in lower case. */
  extension: string;
}

/** Longest first where one ends with another. */
export const packageExtensions = [".tar.gz", ".tar.bz2", ".tgz", ".tar", ".zip", ".nupkg", ".jar", ".war", ".ear"] as const;
export const packageIdCharactersMax = 150;
const idPattern = /^[\p{L}\p{N}_]+(?:[_.-]+[\p{L}\p{N}_]+)*$/u;

export function isPackageId(text: string): boolean {
  return text.length <= packageIdCharactersMax && idPattern.test(text);
}

/** @throws Problem 400 that says which part of the name is wrong */
export function readPackageFileName(fileName: string): PackageName {
  const lower = fileName.toLowerCase();
  const extension = packageExtensions.find((one) => lower.endsWith(one));
  if (extension === undefined)
    throw problem.invalid(
      `'${shown(fileName)}' is no package this server takes. Its name must end with one of ${packageExtensions.join(", ")}.`,
    );
  const stem = fileName.slice(0, -extension.length);
  for (let dot = stem.indexOf("."); dot > 0 && dot <= packageIdCharactersMax; dot = stem.indexOf(".", dot + 1)) {
    const version = readVersion(stem.slice(dot + 1));
    const packageId = stem.slice(0, dot);
    if (version !== undefined && isPackageId(packageId)) return { packageId, version, extension };
  }
  throw problem.invalid(
    `The file name '${shown(fileName)}' holds no package id and version. Name it like 'Acme.Web.1.2.3${extension}': ` +
      `an id of at most ${packageIdCharactersMax} characters, a dot, and a version of one to four numbers, which may end in '-beta.1' or '+build.5'.`,
  );
}

function shown(fileName: string): string {
  return fileName.length > 100 ? `${fileName.slice(0, 100)}…` : fileName;
}
