// The files of artifacts in the shared folder: taken in as a stream, given out in parts, removed when nothing has them any more. A file has
// its row before its first byte, so whatever dies when, the database knows what is left over.

import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { watchedContent } from "../../base/content.ts";
import type { Content } from "../../base/content.ts";
import { problem } from "../../base/problems.ts";
import type { Database, Transaction } from "../../platform/database/database.ts";
import { SharedFolderError } from "../../platform/files/files.ts";
import type { SharedFolder } from "../../platform/files/files.ts";
import * as store from "./artifact-store.ts";

export type ArtifactFolder = Pick<SharedFolder, "receive" | "readPart" | "remove" | "space">;

export interface ArtifactFilesParts {
  database: Database;
  folder: ArtifactFolder;
}

/** Held in memory for each download. */
const readBytes = 1024 * 1024;
const touchEveryMs = 30_000;
/** A node that has not touched its file for so long is dead, or its database away. */
const abandonedAfterSecondsDefault = 600;
const sweptMax = 200; // in one turn; the rest waits for the next

const placeOf = (fileId: string): string => `artifacts/${fileId.slice(0, 2)}/${fileId}`;

/** The content is larger than an artifact may be. */
export class ArtifactTooLarge extends Error {}
/** The artifact, or the row of its file, is gone: somebody deleted it meanwhile, or the writing stood still for too long. */
export class ArtifactGone extends Error {}

/**
 * Takes in the content of an artifact, which it has from then on in place of any earlier one. When it fails, nothing stays. `commit` runs the
 * work that makes it count in a transaction, perhaps a guarded one; the work answers whether it does.
 * @throws ArtifactTooLarge, ArtifactGone, SharedFolderError, and what the content throws
 */
export async function storeContent(
  { database, folder }: ArtifactFilesParts,
  artifactId: string,
  content: Content,
  bytesMax: number,
  commit: (work: (tx: Transaction) => Promise<boolean>) => Promise<void>,
): Promise<void> {
  const fileId = randomUUID();
  await store.insertFile(database, fileId);
  try {
    const written = await folder.receive(placeOf(fileId), watched(database, fileId, content, bytesMax));
    let counts = false;
    await commit(async (tx) => (counts = await store.attachFile(tx, artifactId, { id: fileId, ...written })));
    if (!counts) throw new ArtifactGone("The artifact is not there any more.");
  } catch (error) {
    // What of this fails now, the sweep of any node does later.
    await removeIfUnused({ database, folder }, fileId).catch(() => undefined);
    throw error;
  }
}

function watched(database: Database, fileId: string, content: Content, bytesMax: number): Content {
  let touchedAtMs = performance.now();
  let all = 0;
  return watchedContent(content, async (bytes) => {
    all += bytes;
    if (all > bytesMax) throw new ArtifactTooLarge(`An artifact has at most ${bytesMax} bytes.`);
    if (performance.now() - touchedAtMs <= touchEveryMs) return;
    if (!(await store.touchFile(database, fileId))) throw new ArtifactGone("The file was given up because it stood still for too long.");
    touchedAtMs = performance.now();
  });
}

/** Removes a file that no artifact has; harmless at any time. */
async function removeIfUnused({ database, folder }: ArtifactFilesParts, fileId: string): Promise<void> {
  await database.transaction(async (tx) => {
    if (!(await store.lockUnusedFile(tx, fileId))) return;
    // The row first: should an artifact have got this file by a commit that was under way, its reference refuses the delete.
    await store.deleteFile(tx, fileId);
    await folder.remove(placeOf(fileId));
  });
}

/** Clears away what dead nodes, deleted artifacts and deleted tasks left. */
export async function sweepArtifactFiles(parts: ArtifactFilesParts, abandonedAfterSeconds = abandonedAfterSecondsDefault): Promise<void> {
  for (const fileId of await store.listUnusedFiles(parts.database, abandonedAfterSeconds, sweptMax)) await removeIfUnused(parts, fileId);
}

/** The bytes [from, to) as a stream. The first piece is read before this resolves, so that a missing file is an answer and no cut. */
export async function readContent(folder: ArtifactFolder, fileId: string, from: number, to: number): Promise<Readable> {
  const piece = async (at: number): Promise<Uint8Array> => await folder.readPart(placeOf(fileId), at, Math.min(to, at + readBytes));
  const first = await piece(from).catch((error: unknown) => Promise.reject(storageProblem(error) as Error));
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield first;
    for (let at = from + first.length; at < to; at += readBytes) yield await piece(at);
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: readBytes });
}

/** What a failing shared folder means for a client. */
export function storageProblem(error: unknown): unknown {
  if (!(error instanceof SharedFolderError)) return error;
  if (error.kind === "full") return problem.storageFull("the artifact");
  return problem.unavailable(
    "The shared folder with the artifacts does not answer as it should; the server's log has the details. Nothing was changed; try again.",
    5,
    error,
  );
}
