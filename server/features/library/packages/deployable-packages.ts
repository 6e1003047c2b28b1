// Packages as deployments ask for them: by feed, id and version, in the form that goes to targets, or a sentence why there is none.

import { ArchiveRefused, createPackageArchives, PackageGone } from "../package-archives/package-archives.ts";
import type { ArchiveFolder, PackageArchive } from "../package-archives/package-archives.ts";
import type { Database, Queryable } from "../../../platform/database/database.ts";
import { SharedFolderError } from "../../../platform/files/files.ts";
import { readVersion } from "../versions/versions.ts";
import { storedFile } from "./package-files.ts";
import type { PackageFolder } from "./package-files.ts";
import * as store from "./package-store.ts";

export interface WantedPackage {
  spaceId: string;
  feedId: string;
  packageId: string;
  version: string;
}

export type FoundPackage = { ok: true; archive: PackageArchive; packageId: string; extension: string } | { ok: false; message: string };

export interface DeployablePackages {
  find(wanted: WantedPackage): Promise<FoundPackage>;
}

const builtInFeedId = "feeds-builtin";

export function createDeployablePackages(parts: { database: Database; folder: PackageFolder & ArchiveFolder }): DeployablePackages {
  const archives = createPackageArchives(parts);
  return {
    async find({ spaceId, feedId, packageId, version }) {
      const named = `The package ${packageId} ${version}`;
      if (feedId.toLowerCase() !== builtInFeedId)
        return { ok: false, message: `${named} is in the feed ${feedId}; this server deploys from its built-in feed only. Push it there.` };
      const key = readVersion(version)?.key;
      const row = key === undefined ? undefined : await store.findPackage(parts.database, spaceId, packageId, key);
      if (row === undefined)
        return { ok: false, message: `${named} is not in the built-in feed of this space. Push it, then deploy again.` };
      try {
        const source = { sha256: row.sha256, extension: row.file_extension, file: storedFile(parts.folder, row) };
        return { ok: true, archive: await archives.archiveOf(source), packageId: row.package_id, extension: row.file_extension };
      } catch (error) {
        if (error instanceof ArchiveRefused) return { ok: false, message: `${named} is not deployed because ${error.message}.` };
        if (error instanceof PackageGone)
          return { ok: false, message: `${named} was deleted from the feed just now. Push it, then deploy again.` };
        if (error instanceof SharedFolderError)
          return { ok: false, message: `${named} cannot be read from the shared folder: ${error.message} Deploy again when it is there.` };
        throw error;
      }
    },
  };
}

/** The newest version of a package, when it is there. */
export async function newestVersion(db: Queryable, spaceId: string, packageId: string): Promise<string | undefined> {
  const [row] = await store.listPackages(db, spaceId, { packageId, latest: true }, { skip: 0, take: 1 });
  return row?.version;
}
