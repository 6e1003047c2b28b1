// The form in which packages go to targets: made once of each package's file when it is first deployed, kept beside it in the shared
// folder under its own hash, and gone with it. Two nodes that make one at once make the same; the first row counts.

import { randomUUID } from "node:crypto";
import type { ReadableFile } from "../../../platform/archives/archives.ts";
import type { Database, Transaction } from "../../../platform/database/database.ts";
import { violatedConstraint } from "../../../platform/database/database.ts";
import type { SharedFolder } from "../../../platform/files/files.ts";
import { SharedFolderError } from "../../../platform/files/files.ts";
import * as store from "./package-archive-store.ts";
import type { ArchiveRow } from "./package-archive-store.ts";
import { unpackLimits } from "./plain-entries.ts";
import type { UnpackLimits } from "./plain-entries.ts";
import { repack } from "./repack.ts";
import type { Block } from "./repack.ts";

export { ArchiveRefused } from "../../../platform/archives/archives.ts";
export type { Block } from "./repack.ts";

export type ArchiveFolder = Pick<SharedFolder, "receive" | "move" | "readPart" | "remove">;

/** What the bytes of an archive depend on: entries, their order, the cuts, the compression. In the second, blocks may be left unpacked. */
const formatVersion = 2;
/** What servers made before; it stays as good as it was. */
const formerFormatVersion = 1;
/** In a row each block has its hash and its length, whose highest bit says that it is not packed. */
const blockRowBytes = 36;
const plainBit = 0x80000000;
/** Node's threads for compression are four; more at once only share them and the memory. */
const repackingMax = 2;

/** Files in it are needed while they are written; an old one was left by a dead node. */
export const incomingArchiveFolder = "packageArchivesIncoming";
const archiveFile = (sha256: string): string => `packageArchives/${sha256.slice(0, 2)}/${sha256}`;

export interface PackageSource {
  /** Of the package's file. */
  sha256: string;
  extension: string;
  file: ReadableFile;
}

export interface PackageArchive {
  sha256: string;
  bytes: number;
  unpackedBytes: number;
  /** Unpacked, but for those that are plain, and behind each other they are a tar. */
  blocks: readonly Block[];
  /** The bytes [from, to) of it. */
  read(from: number, to: number): Promise<Uint8Array>;
}

/** The package's file is not there any more. */
export class PackageGone extends Error {
  constructor() {
    super("the package was deleted from the feed");
    this.name = "PackageGone";
  }
}

export interface PackageArchives {
  /** Throws ArchiveRefused for a package that must not be unpacked, PackageGone, and what the folder throws. */
  archiveOf(source: PackageSource, onProgress?: OnArchiveProgress): Promise<PackageArchive>;
}

/** While the archive is made, after each piece of the package's file; for everybody who waits for it. Not called when it is there already. */
export type OnArchiveProgress = (readBytes: number, ofBytes: number) => void;

export function createPackageArchives(parts: { database: Database; folder: ArchiveFolder; limits?: UnpackLimits }): PackageArchives {
  const { database, folder } = parts;
  /** What this node makes just now, for all who wait for it. */
  const making = new Map<string, { made: Promise<PackageArchive>; followers: Set<OnArchiveProgress> }>();
  let places = repackingMax;
  const queue: (() => void)[] = [];

  async function inPlace<T>(work: () => Promise<T>): Promise<T> {
    if (places > 0) places -= 1;
    else await new Promise<void>((resolve) => queue.push(resolve));
    try {
      return await work();
    } finally {
      const next = queue.shift();
      if (next === undefined) places += 1;
      else next();
    }
  }

  function opened(row: ArchiveRow): PackageArchive {
    const file = archiveFile(row.sha256);
    return {
      sha256: row.sha256,
      bytes: row.bytes,
      unpackedBytes: row.unpacked_bytes,
      blocks: readBlocks(row.blocks),
      read: (from, to) => folder.readPart(file, from, to),
    };
  }

  async function archiveOf(source: PackageSource, onProgress: OnArchiveProgress): Promise<PackageArchive> {
    const row =
      (await store.findArchive(database, source.sha256, formatVersion)) ??
      (await store.findArchive(database, source.sha256, formerFormatVersion));
    if (row !== undefined) {
      const archive = opened(row);
      try {
        // The last byte: whether the file is there, whole.
        await archive.read(row.bytes - 1, row.bytes);
        return archive;
      } catch (error) {
        if (!(error instanceof SharedFolderError) || (error.kind !== "not-found" && error.kind !== "damaged")) throw error;
        // Restored from a backup of the database alone, for instance. It can be made again.
        await store.deleteArchive(database, source.sha256, row.sha256);
      }
    }
    return await inPlace(() => make({ ...source, file: followed(source.file, onProgress) }));
  }

  async function make(source: PackageSource): Promise<PackageArchive> {
    const incoming = `${incomingArchiveFolder}/${randomUUID()}`;
    const seen: { blocks: Block[]; unpackedBytes: number } = { blocks: [], unpackedBytes: 0 };
    const { bytes, sha256 } = await folder.receive(incoming, repack(source.file, source.extension, parts.limits ?? unpackLimits, seen));
    try {
      const made: ArchiveRow = { sha256, bytes, unpacked_bytes: seen.unpackedBytes, blocks: writeBlocks(seen.blocks) };
      const kept = await database.transaction(async (tx) => {
        const row = await store.insertArchive(tx, source.sha256, formatVersion, made);
        // In the transaction, which holds the package's row: nobody removes the package between its archive's row and its file.
        if (row.sha256 === sha256) await folder.move(incoming, archiveFile(sha256));
        return row;
      });
      return opened(kept);
    } catch (error) {
      throw violatedConstraint(error)?.kind === "foreign-key" ? new PackageGone() : error;
    } finally {
      await folder.remove(incoming).catch(() => undefined); // what of this fails, the daily sweep does
    }
  }

  return {
    archiveOf(source, onProgress) {
      const under = making.get(source.sha256);
      if (under !== undefined) {
        if (onProgress !== undefined) under.followers.add(onProgress);
        return under.made;
      }
      const followers = new Set(onProgress === undefined ? [] : [onProgress]);
      const tellAll: OnArchiveProgress = (done, of) => followers.forEach((follower) => follower(done, of));
      const made = archiveOf(source, tellAll).finally(() => making.delete(source.sha256));
      making.set(source.sha256, { made, followers });
      return made;
    },
  };
}

/** The same file, telling how much of it was read. The list at the end of a zip is read besides, so it never tells more than all. */
function followed(file: ReadableFile, onProgress: OnArchiveProgress): ReadableFile {
  let readBytes = 0;
  return {
    bytes: file.bytes,
    async read(from, to) {
      const piece = await file.read(from, to);
      readBytes += piece.length;
      onProgress(Math.min(readBytes, file.bytes), file.bytes);
      return piece;
    },
  };
}

/** Removes what was made of a package's file. In the transaction that holds the file's row and will delete it, which deletes the archives' rows. */
export async function removePackageArchives(tx: Transaction, folder: Pick<SharedFolder, "remove">, sourceSha256: string): Promise<void> {
  for (const sha256 of await store.listArchives(tx, sourceSha256))
    if (!(await store.isArchiveShared(tx, sha256, sourceSha256))) await folder.remove(archiveFile(sha256));
}

function writeBlocks(blocks: readonly Block[]): Buffer {
  const rows = Buffer.alloc(blocks.length * blockRowBytes);
  for (const [n, block] of blocks.entries()) {
    rows.write(block.sha256, n * blockRowBytes, "hex");
    rows.writeUInt32LE(block.bytes + (block.isPlain ? plainBit : 0), n * blockRowBytes + 32);
  }
  return rows;
}

function readBlocks(rows: Buffer): Block[] {
  return Array.from({ length: rows.length / blockRowBytes }, (_, n) => {
    const length = rows.readUInt32LE(n * blockRowBytes + 32);
    const isPlain = length >= plainBit;
    return {
      sha256: rows.toString("hex", n * blockRowBytes, n * blockRowBytes + 32),
      bytes: isPlain ? length - plainBit : length,
      isPlain,
    };
  });
}
