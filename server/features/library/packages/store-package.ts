// Puts an uploaded file into the built-in feed as a version of a package: who may, what happens to one that is there, and the event.

import type { Content } from "../../../base/content.ts";
import { Problem, problem } from "../../../base/problems.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import { readVersion } from "../versions/versions.ts";
import type { OverwriteMode } from "../versions/versions.ts";
import { checkArchive } from "./archive-check.ts";
import { readNuspec } from "./nuspec.ts";
import type { Nuspec } from "./nuspec.ts";
import { removeIfUnused, takeIn, takenForAbandoned } from "./package-files.ts";
import type { PackageFilesParts } from "./package-files.ts";
import { isPackageId, packageIdCharactersMax } from "./package-name.ts";
import type { PackageName } from "./package-name.ts";
import * as store from "./package-store.ts";
import type { PackageRow } from "./package-store.ts";

export interface PackageToStore {
  spaceId: string;
  actor: Actor;
  mode: OverwriteMode;
  /** Throws unless the caller may replace a version that is there. */
  requireReplace: () => void;
  /** From the file's name; undefined takes id and version from the nuspec in the file, which then must have one. */
  name: PackageName | undefined;
  content: Content;
}

export interface StoredPackage {
  row: PackageRow;
  outcome: "created" | "replaced" | "kept";
}

/** @throws Problem 400, 403, 409, 413, 503 or 507; then nothing was stored */
export async function storePackage(parts: PackageFilesParts, wanted: PackageToStore): Promise<StoredPackage> {
  const { spaceId, mode } = wanted;
  if (wanted.name !== undefined) {
    // Known before the first byte, most often by build servers that repeat themselves: no need to take the whole file in.
    const there = await store.findPackage(parts.database, spaceId, wanted.name.packageId, wanted.name.version.key);
    if (there !== undefined && mode === "IgnoreIfExists") return { row: there, outcome: "kept" };
    if (there !== undefined && mode === "FailIfExists") throw alreadyThere(there);
    if (there !== undefined) wanted.requireReplace();
  }
  let name = wanted.name;
  let nuspec: Nuspec | undefined;
  const stored = await takeIn(parts, wanted.content, {
    check: async (file) => {
      const extension = wanted.name?.extension ?? ".nupkg";
      const found = await checkArchive(extension, file);
      if (extension === ".nupkg" && found.nuspec !== undefined) nuspec = readNuspec(found.nuspec);
      name = agreedName(wanted.name, nuspec);
    },
    commit: ({ uploadId, file }) =>
      parts.database.transaction(
        async (tx) => {
          const { packageId, version, extension } = name!;
          await store.lockPackageId(tx, spaceId, packageId);
          if (!(await store.deleteUpload(tx, uploadId))) throw takenForAbandoned();
          const there = await store.findPackage(tx, spaceId, packageId, version.key);
          if (there !== undefined && mode === "FailIfExists") throw alreadyThere(there);
          if (there !== undefined && mode === "IgnoreIfExists") return { row: there, outcome: "kept" as const, unused: file.sha256 };
          if (there !== undefined) wanted.requireReplace();
          const { id: _id, version: _version, ...description } = nuspec ?? ({} as Nuspec);
          await store.putPackage(tx, {
            space_id: spaceId,
            package_id: packageId,
            version: version.text,
            version_key: version.key,
            is_prerelease: version.isPrerelease,
            file_extension: extension,
            sha256: file.sha256,
            description,
          });
          await recordEvent(tx, {
            spaceId,
            category: there === undefined ? "Created" : "Modified",
            actor: wanted.actor,
            message: `Package ${packageId} version ${version.text} was ${there === undefined ? "uploaded" : "replaced"}`,
            relatedDocumentIds: [idOfPackage(packageId, version.text), "feeds-builtin"],
          });
          const row = (await store.findPackage(tx, spaceId, packageId, version.key))!;
          const outcome = there === undefined ? ("created" as const) : ("replaced" as const);
          return { row, outcome, unused: there?.sha256 };
        },
        { readBack: true },
      ),
  });
  // When this fails, the sweep of any node comes back to it.
  if (stored.unused !== undefined) await removeIfUnused(parts, stored.unused).catch(() => undefined);
  return { row: stored.row, outcome: stored.outcome };
}

export function idOfPackage(packageId: string, version: string): string {
  return `packages-${packageId}.${version}`;
}

function alreadyThere(row: PackageRow): Problem {
  return new Problem(
    409,
    // Scripts around the official clients look for the first sentence.
    `A package with the same name and version already exists. The feed holds '${row.package_id}' with the version ${row.version}: ` +
      `give the new one another version, or send overwriteMode=OverwriteExisting to replace it, or overwriteMode=IgnoreIfExists to keep what is there.`,
  );
}

/** Id and version as file name and nuspec say; they must not contradict each other. */
function agreedName(fromFile: PackageName | undefined, nuspec: Nuspec | undefined): PackageName {
  if (nuspec === undefined) {
    if (fromFile !== undefined) return fromFile;
    throw problem.invalid("The package is not accepted because it holds no nuspec, so it has no id and version. Nothing was stored.");
  }
  const version = readVersion(nuspec.version);
  if (version === undefined || !isPackageId(nuspec.id)) {
    throw problem.invalid(
      `The package is not accepted because its nuspec names '${nuspec.id.slice(0, packageIdCharactersMax)}' with the version ` +
        `'${nuspec.version.slice(0, 100)}', which is no id and version of a package. Nothing was stored.`,
    );
  }
  if (fromFile === undefined) return { packageId: nuspec.id, version, extension: ".nupkg" };
  if (fromFile.packageId.toLowerCase() === nuspec.id.toLowerCase() && fromFile.version.key === version.key) return fromFile;
  throw problem.invalid(
    `The file name says ${fromFile.packageId} ${fromFile.version.text}, but the nuspec in it ${nuspec.id} ${nuspec.version.slice(0, 100)}. ` +
      `Nothing was stored. Name the file as its nuspec says.`,
  );
}
