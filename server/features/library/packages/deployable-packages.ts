// Packages as deployments ask for them: by feed, id and version, unpackable or as they were pushed, in the form that goes to targets; or a
// sentence why there is none.

import { createHash } from "node:crypto";
import { ArchiveRefused, createPackageArchives, PackageGone } from "../package-archives/package-archives.ts";
import type { OnArchiveProgress, ArchiveFolder, Block, PackageArchive } from "../package-archives/package-archives.ts";
import type { Database, Queryable } from "../../../platform/database/database.ts";
import { SharedFolderError } from "../../../platform/files/files.ts";
import { readVersion } from "../versions/versions.ts";
import type { ReadableFile } from "./archive-check.ts";
import { storedFile } from "./package-files.ts";
import type { PackageFolder } from "./package-files.ts";
import * as store from "./package-store.ts";
import type { PackageRow } from "./package-store.ts";

export interface WantedPackage {
  spaceId: string;
  feedId: string;
  packageId: string;
  version: string;
}

export type FoundPackage = { ok: true; archive: PackageArchive; packageId: string; extension: string } | { ok: false; message: string };

/** The package's own file, byte by byte, in blocks of which a target may have some already. */
export interface PackageFile {
  sha256: string;
  bytes: number;
  blocks: readonly Block[];
  read(from: number, to: number): Promise<Uint8Array>;
}

export type FoundFile = { ok: true; file: PackageFile; packageId: string; fileName: string } | { ok: false; message: string };

export interface DeployablePackages {
  /** To be unpacked at the target. */
  find(wanted: WantedPackage, onProgress?: OnArchiveProgress): Promise<FoundPackage>;
  /** To lie at the target as it was pushed. */
  findFile(wanted: WantedPackage): Promise<FoundFile>;
  /** Says that these will soon be wanted, to be unpacked. */
  prepare: PrepareArchives;
}

/**
 * Begins to make what is not there yet, one after the other beside everything else; nobody waits for it and nothing depends on it. What is
 * left over when the node dies, or does not fit into the queue, or fails, is made by the first deployment, which also says what was wrong.
 */
export type PrepareArchives = (packages: readonly WantedPackage[]) => void;

/** Waiting to be made beside everything else. A release with more packages has some of them ready. */
const preparedMax = 100;
const builtInFeedId = "feeds-builtin";
/** Of a file that goes out as it is. */
const fileBlockBytes = 1024 * 1024;
/** Files whose blocks this node remembers, so that they are not read once for each target. The largest has some thousand. */
const filesRememberedMax = 20;

export function createDeployablePackages(parts: { database: Database; folder: PackageFolder & ArchiveFolder }): DeployablePackages {
  const archives = createPackageArchives(parts);
  const remembered = new Map<string, Promise<Block[]>>();

  function blocksOf(sha256: string, file: ReadableFile): Promise<Block[]> {
    const known = remembered.get(sha256);
    const blocks = known ?? cutIntoBlocks(file);
    remembered.delete(sha256);
    remembered.set(sha256, blocks);
    if (remembered.size > filesRememberedMax) remembered.delete(remembered.keys().next().value!);
    // What failed is tried again by whoever asks next.
    if (known === undefined) blocks.catch(() => remembered.delete(sha256));
    return blocks;
  }

  async function findWith<T>(
    { spaceId, feedId, packageId, version }: WantedPackage,
    open: (row: PackageRow, file: ReadableFile) => Promise<T>,
  ): Promise<({ ok: true } & T) | { ok: false; message: string }> {
    const named = `The package ${packageId} ${version}`;
    if (feedId.toLowerCase() !== builtInFeedId)
      return { ok: false, message: `${named} is in the feed ${feedId}; this server deploys from its built-in feed only. Push it there.` };
    const key = readVersion(version)?.key;
    const row = key === undefined ? undefined : await store.findPackage(parts.database, spaceId, packageId, key);
    if (row === undefined) return { ok: false, message: `${named} is not in the built-in feed of this space. Push it, then deploy again.` };
    try {
      return { ok: true, ...(await open(row, storedFile(parts.folder, row))) };
    } catch (error) {
      if (error instanceof ArchiveRefused) return { ok: false, message: `${named} is not deployed because ${error.message}.` };
      if (error instanceof PackageGone)
        return { ok: false, message: `${named} was deleted from the feed just now. Push it, then deploy again.` };
      if (error instanceof SharedFolderError)
        return { ok: false, message: `${named} cannot be read from the shared folder: ${error.message} Deploy again when it is there.` };
      throw error;
    }
  }

  const find: DeployablePackages["find"] = (wanted, onProgress) =>
    findWith(wanted, async (row, file) => {
      const source = { sha256: row.sha256, extension: row.file_extension, file };
      return { archive: await archives.archiveOf(source, onProgress), packageId: row.package_id, extension: row.file_extension };
    });

  const soon: WantedPackage[] = [];
  let isPreparing = false;
  async function prepareSoon(): Promise<void> {
    isPreparing = true;
    for (let next = soon.shift(); next !== undefined; next = soon.shift()) await find(next).catch(() => undefined);
    isPreparing = false;
  }

  return {
    find,
    prepare(packages) {
      const known = new Set(soon.map(nameOf));
      const fresh = packages.filter((one) => one.feedId.toLowerCase() === builtInFeedId && !known.has(nameOf(one)));
      soon.push(...fresh.slice(0, Math.max(0, preparedMax - soon.length)));
      if (!isPreparing) void prepareSoon();
    },
    findFile: (wanted) =>
      findWith(wanted, async (row, file) => ({
        file: { sha256: row.sha256, bytes: file.bytes, blocks: await blocksOf(row.sha256, file), read: file.read },
        packageId: row.package_id,
        fileName: `${row.package_id}.${row.version}${row.file_extension}`,
      })),
  };
}

function nameOf({ spaceId, packageId, version }: WantedPackage): string {
  return [spaceId, packageId, version].join("/").toLowerCase();
}

async function cutIntoBlocks(file: ReadableFile): Promise<Block[]> {
  const blocks: Block[] = [];
  for (let at = 0; at < file.bytes; at += fileBlockBytes) {
    const piece = await file.read(at, Math.min(file.bytes, at + fileBlockBytes));
    blocks.push({ sha256: createHash("sha256").update(piece).digest("hex"), bytes: piece.length, isPlain: true });
  }
  return blocks;
}

/** The newest version of a package, when it is there. */
export async function newestVersion(db: Queryable, spaceId: string, packageId: string): Promise<string | undefined> {
  const [row] = await store.listPackages(db, spaceId, { packageId, latest: true }, { skip: 0, take: 1 });
  return row?.version;
}
