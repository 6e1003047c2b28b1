// Where the files of packages lie in the shared folder, and how one comes and goes. An upload has a row before it has a file; a file has
// a row before it has its lasting name; a row goes only after its file. So whatever dies when, the database knows what is left over.

import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { watchedContent } from "../../../base/content.ts";
import type { Content } from "../../../base/content.ts";
import type { Problem } from "../../../base/problems.ts";
import { problem } from "../../../base/problems.ts";
import type { Database } from "../../../platform/database/database.ts";
import { SharedFolderError } from "../../../platform/files/files.ts";
import type { SharedFolder } from "../../../platform/files/files.ts";
import { removePackageArchives } from "../package-archives/package-archives.ts";
import type { ReadableFile } from "./archive-check.ts";
import * as store from "./package-store.ts";
import type { StoredFile } from "./package-store.ts";

export type PackageFolder = Pick<SharedFolder, "receive" | "move" | "readPart" | "remove" | "space">;

export interface PackageFilesParts {
  database: Database;
  folder: PackageFolder;
}

/** Held in memory for each download. */
const readBytes = 1024 * 1024;
const touchEveryMs = 30_000;
/** A node that has not touched its upload for so long is dead, or its database away; it gives the upload up when it finds out. */
export const abandonedAfterSeconds = 600;
/** Each takes some megabytes of memory; more at once would only share the same disk. */
export const uploadsMax = 32;
const sweptMax = 100; // in one turn; the rest waits for the next

const fileOf = (sha256: string): string => `packages/${sha256.slice(0, 2)}/${sha256}`;
const incomingOf = (uploadId: string): string => `packageUploads/${uploadId}`;

let uploads = 0;

/**
 * Takes in a file: `check` looks at it before it counts, `commit` makes it count in the database. When one of them or the file itself
 * fails, nothing stays. `commit` must delete the upload's row in its transaction, and refuse when it is gone.
 */
export async function takeIn<T>(
  { database, folder }: PackageFilesParts,
  content: Content,
  work: {
    check: (file: ReadableFile) => Promise<void>;
    commit: (upload: { uploadId: string; file: StoredFile }) => Promise<T>;
  },
): Promise<T> {
  if (uploads >= uploadsMax)
    throw problem.unavailable(
      `This node takes in ${uploadsMax} packages already and takes no more at once. Nothing was stored; try again.`,
      5,
    );
  uploads += 1;
  const uploadId = randomUUID();
  const incoming = incomingOf(uploadId);
  let file: StoredFile | undefined;
  try {
    if ((await folder.space()).belowFloor) throw problem.storageFull("packages");
    await store.insertUpload(database, uploadId);
    const written = await folder.receive(incoming, watched(database, uploadId, content), ["sha1"]);
    await work.check({ bytes: written.bytes, read: (from, to) => folder.readPart(incoming, from, to) });
    // Clients of this API compare files by their SHA-1.
    const complete: StoredFile = { bytes: written.bytes, sha256: written.sha256, sha1: written.sha1! };
    file = complete;
    if (!(await database.transaction((tx) => store.claimFile(tx, uploadId, complete)))) throw takenForAbandoned();
    await folder.move(incoming, fileOf(complete.sha256));
    return await work.commit({ uploadId, file: complete });
  } catch (error) {
    // What of this fails now, the sweep of any node does later.
    await folder
      .remove(incoming)
      .then(() => store.deleteUpload(database, uploadId))
      .then(() => file && removeIfUnused({ database, folder }, file.sha256))
      .catch(() => undefined);
    throw storageProblem(error);
  } finally {
    uploads -= 1;
  }
}

export function takenForAbandoned(): Problem {
  return problem.unavailable("The upload stood still for too long and was given up. Nothing was stored; repeat it.");
}

function watched(database: Database, uploadId: string, content: Content): Content {
  let touchedAtMs = performance.now();
  return watchedContent(content, async () => {
    if (performance.now() - touchedAtMs <= touchEveryMs) return;
    if (!(await store.touchUpload(database, uploadId))) throw takenForAbandoned();
    touchedAtMs = performance.now();
  });
}

/** Removes a file that no package and no upload uses any more; harmless at any time. */
export async function removeIfUnused({ database, folder }: PackageFilesParts, sha256: string): Promise<void> {
  await database.transaction(async (tx) => {
    if (!(await store.lockUnusedFile(tx, sha256))) return;
    // In the transaction, so that who uploads the same content meanwhile waits, and then finds the place empty.
    await removePackageArchives(tx, folder, sha256);
    await folder.remove(fileOf(sha256));
    await store.deleteFile(tx, sha256);
  });
}

/** Clears away what dead nodes and deleted packages and spaces left. */
export async function sweepPackageFiles(parts: PackageFilesParts, afterSeconds = abandonedAfterSeconds): Promise<void> {
  for (const uploadId of await store.listAbandonedUploads(parts.database, afterSeconds, sweptMax)) {
    await parts.folder.remove(incomingOf(uploadId));
    await store.deleteUpload(parts.database, uploadId);
  }
  for (const sha256 of await store.listUnusedFiles(parts.database, sweptMax)) await removeIfUnused(parts, sha256);
}

/** The bytes [from, to) as a stream. The first piece is read before this resolves, so that a missing file is an answer and no cut. */
export async function readStored(folder: PackageFolder, file: StoredFile, from: number, to: number): Promise<Readable> {
  const name = fileOf(file.sha256);
  const piece = async (at: number): Promise<Uint8Array> => await folder.readPart(name, at, Math.min(to, at + readBytes));
  const first = await piece(from).catch((error: unknown) => Promise.reject(storageProblem(error) as Error));
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield first;
    for (let at = from + first.length; at < to; at += readBytes) yield await piece(at);
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: readBytes });
}

/** For looking into a stored archive. */
export function storedFile(folder: PackageFolder, file: StoredFile): ReadableFile {
  return { bytes: file.bytes, read: (from, to) => folder.readPart(fileOf(file.sha256), from, to) };
}

/** What a failing shared folder means for the caller. */
function storageProblem(error: unknown): unknown {
  if (!(error instanceof SharedFolderError)) return error;
  if (error.kind === "full") return problem.storageFull("the package");
  return problem.unavailable(
    "The shared folder with the packages does not answer as it should; the server's log has the details. Nothing was changed; try again.",
    5,
    error,
  );
}
