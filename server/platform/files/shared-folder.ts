// Reads and writes files in the folder that all nodes share, or in a local one that stands for it. Everything written is durable when its
// call resolves. Every call has a deadline, because a file server that is gone does not answer at all.
//
// Others can write to a share. So names are checked, links are never followed to a file, and only regular files with one name are read.
// A folder swapped for a link between check and use is not defended against: that needs rights that could do worse.
import crypto from "node:crypto";
import fs from "node:fs/promises";
import { constants } from "node:fs";
import type { Dir } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Content } from "../../base/content.ts";
import { createCallGate } from "./call-gate.ts";
import { createHashThread, hashedPiecesMax } from "./hash-thread.ts";
import type { HashAlgorithm } from "./hash-thread.ts";
import { isUnsuited, openPastCache, pageMemory } from "./past-cache.ts";
import { describeFailure, SharedFolderError, systemCode } from "./shared-folder-error.ts";

const nameCharactersMax = 100;
const stagingCharactersMax = nameCharactersMax + 20;
const depthMax = 4;
const stagingEnd = ".tmp";
const readBytesMax = 16 * 1024 * 1024; // one call holds this much in memory; longer ranges are read in several
const placesMaxDefault = 3; // of the four threads Node has for files, names and passwords
const timeoutMsDefault = 10_000; // a busy disk takes a second or two for an fsync
const probeTimeoutMs = 2_000; // a node's health answer waits for it
/** How long a reader goes on looking for bytes another node says are there: attribute caches of file servers last up to a minute. */
const staleRetryMsDefault = 10_000;
const staleRetryPauseMsMin = 50;
const staleRetryPauseMsMax = 2_000;
const receivePieceBytes = 1024 * 1024;
const syncBytes = 32 * 1024 * 1024; // twice as much can wait for the disk, which must fit into one call's deadline on a slow one
const cachedBytes = 32 * 1024 * 1024; // what is read again soon is rarely larger, and stays in the page cache
const freeBytesFloor = 1024 ** 3;
const freeShareFloor = 0.05;
const listBatchMax = 200; // entries looked at in one call, so that a large folder keeps the others waiting for a moment only
const identityFolder = "cuttle-shared-folder";
const identityFile = `${identityFolder}/identity`;
const identityCharacters = 36; // a UUID

export interface SharedFolderOptions {
  /** Absolute path. Made when its parent exists. */
  root: string;
  timeoutMs?: number;
  staleRetryMs?: number;
  /** Calls to the file system at once. */
  placesMax?: number;
  /** The operating system's calls; tests put hanging ones here. */
  calls?: Pick<typeof fs, "open" | "rename" | "statfs">;
}

/** A file that only grows, written by one process. */
export interface GrowingFile {
  /** Durable when it resolves; answers the file's length in bytes. After a rejection the file is not usable any more. */
  append(bytes: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

/** What the database keeps of a file written once. */
export interface WrittenFile {
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
}

export interface ReceivedFile extends WrittenFile {
  /** Where it was asked for. */
  sha1?: string;
}

/** What lies in a folder, as the file system says it. */
export interface FolderEntry {
  name: string;
  /** Links, pipes and the like are `other`; this server never makes them. */
  kind: "file" | "folder" | "other";
  changedAtMs: number;
}

/** Files are named by `/`-separated names of letters, digits, dots, hyphens and underscores. All calls throw SharedFolderError. */
export interface SharedFolder {
  readonly root: string;
  /** A new, empty file; kind exists when there is one of that name. */
  createPart(file: string): Promise<GrowingFile>;
  /** The bytes [from, to). Waits a while for a file that is still shorter on this node; then kind damaged or not-found. */
  readPart(file: string, from: number, to: number): Promise<Uint8Array>;
  /** Writes a whole file, which appears under its name only when complete. */
  writeOnce(file: string, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<WrittenFile>;
  /**
   * Takes a file that comes in pieces of any size, with little memory. It has its name from the beginning, so that whoever stored the
   * name can clean up after a process that died meanwhile; after a rejection it is gone. `move` it once it is complete. A piece of the
   * content is not needed any more when the next one is asked for. `also`: further hashes of it.
   */
  receive(file: string, content: Content, also?: readonly HashAlgorithm[]): Promise<ReceivedFile>;
  /** Gives a received file its lasting name, which says what is in it: a file of that name and length is kept, and the other dropped. */
  move(from: string, to: string): Promise<void>;
  /** Reads a file written once and checks it against what the database says. */
  readOnce(file: string, expected: WrittenFile): Promise<Uint8Array>;
  /** Removes a file; one that is gone already is fine. */
  remove(file: string): Promise<void>;
  /** What is in a folder (`""` is the whole one), in batches and no order. Nothing for one that is not there. */
  list(folder: string): AsyncGenerator<FolderEntry[]>;
  /** Removes an empty folder; one that is gone already is fine. Answers false, and leaves it, when something is in it. */
  removeFolder(folder: string): Promise<boolean>;
  /** Random text in a file of the folder, made by the first node: nodes with different ones do not share it. */
  identity(): Promise<string>;
  /** Whether this still is the folder of that identity, and not a mount point without its mount. Answers within two seconds or fails. */
  check(identity: string): Promise<void>;
  /** Whether there is room. Answers within two seconds or fails. */
  space(): Promise<{ freeBytes: number; floorBytes: number; belowFloor: boolean }>;
}

/** Opens the folder and proves that it can be written to. Throws SharedFolderError. */
export async function openSharedFolder(options: SharedFolderOptions): Promise<SharedFolder> {
  const calls = options.calls ?? fs;
  const timeoutMs = options.timeoutMs ?? timeoutMsDefault;
  const staleRetryMs = options.staleRetryMs ?? staleRetryMsDefault;
  const gate = createCallGate(options.placesMax ?? placesMaxDefault);
  const hashThread = createHashThread();
  const root = await gate.run({ doing: `open ${options.root}`, timeoutMs }, async () => {
    try {
      await fs.mkdir(options.root, { mode: 0o750 });
    } catch (error) {
      // Not made with its parents: a file server that is not mounted must not be replaced by an empty local folder.
      if (systemCode(error) !== "EEXIST") throw describeFailure(error, options.root, "make");
    }
    return await fs.realpath(options.root).catch((error: unknown) => {
      throw describeFailure(error, options.root, "open");
    });
  });

  /** Runs one operation on a file with the usual deadline; errors come out as SharedFolderError. */
  async function onFile<T>(
    file: string,
    doing: string,
    work: (place: string, state: { expired: boolean }) => Promise<T>,
    onLate?: (value: T) => void,
  ): Promise<T> {
    const place = path.join(root, checkName(file, file.endsWith(stagingEnd) ? stagingCharactersMax : nameCharactersMax));
    try {
      return await gate.run({ doing: `${doing} ${file}`, timeoutMs }, (state) => work(place, state), onLate);
    } catch (error) {
      throw describeFailure(error, file, doing);
    }
  }

  async function createPart(file: string): Promise<GrowingFile> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const handle = await onFile(
      file,
      "create",
      async (place) => {
        await makeFolders(root, place);
        const opened = await calls.open(place, flags, 0o640);
        await syncFolder(path.dirname(place));
        return opened;
      },
      (late) => void late.close().catch(() => undefined),
    );
    let length = 0;
    let state: "open" | "busy" | "broken" | "closed" = "open";
    return {
      async append(bytes) {
        if (state !== "open") throw new SharedFolderError("broken", `${file} in the shared folder cannot be appended to: it is ${state}.`);
        state = "busy";
        try {
          await onFile(file, "append to", async () => {
            await writeAll(handle, file, bytes, length);
            await handle.datasync();
          });
        } catch (error) {
          // After a failed fsync the system may have dropped the data and would call the next one a success: never go on in this file.
          state = "broken";
          throw error;
        }
        state = "open";
        length += bytes.length;
        return length;
      },
      async close() {
        if (state === "closed") return;
        state = "closed";
        await onFile(file, "close", () => handle.close());
      },
    };
  }

  /** Opens a regular file of ours for reading. */
  async function openToRead(place: string): Promise<fs.FileHandle> {
    await checkFolders(root, place);
    // Without blocking: a named pipe put there would wait for a writer for ever.
    const handle = await calls.open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (stat.isFile() && stat.nlink === 1) return handle;
    await handle.close();
    throw new SharedFolderError(
      "refused",
      `${path.relative(root, place)} in the shared folder is not a plain file with one name; it is not read.`,
    );
  }

  /** The bytes [from, to), or those that are there, when fewer. */
  async function readOpen(place: string, from: number, to: number): Promise<Uint8Array> {
    const handle = await openToRead(place);
    try {
      const bytes = Buffer.alloc(to - from);
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, from + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    } finally {
      await handle.close();
    }
  }

  /** Tries again, opening by name each time, while another node's writing may not be visible here yet. */
  async function whileStale<T>(attempt: () => Promise<T>): Promise<T> {
    const untilMs = performance.now() + staleRetryMs;
    for (let waitMs = staleRetryPauseMsMin; ; waitMs = Math.min(waitMs * 2, staleRetryPauseMsMax)) {
      try {
        return await attempt();
      } catch (error) {
        const perhapsStale =
          error instanceof SharedFolderError && (error.kind === "not-found" || error.kind === "damaged" || error.code === "ESTALE");
        if (!perhapsStale || performance.now() + waitMs > untilMs) throw error;
        await delay(waitMs);
      }
    }
  }

  async function readPart(file: string, from: number, to: number): Promise<Uint8Array> {
    checkRange(from, to);
    const pieces: Uint8Array[] = [];
    for (let at = from; at < to;) {
      const until = Math.min(to, at + readBytesMax);
      const start = at;
      pieces.push(
        await whileStale(async () => {
          const piece = await onFile(file, "read", (place) => readOpen(place, start, until));
          if (piece.length === until - start) return piece;
          throw new SharedFolderError(
            "damaged",
            `${file} in the shared folder ends at ${start + piece.length} bytes, but ${to} were committed. Check that every node has the same folder mounted.`,
          );
        }),
      );
      at = until;
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  async function writeOnce(file: string, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<WrittenFile> {
    const staging = `${file}.${crypto.randomBytes(6).toString("hex")}${stagingEnd}`;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const target = path.join(root, checkName(file));
    const hash = crypto.createHash("sha256");
    let bytes = 0;
    const handle = await onFile(
      staging,
      "create",
      async (place) => {
        await makeFolders(root, place);
        if (await isThere(target))
          throw new SharedFolderError("exists", `${file} is in the shared folder already; files are never written twice.`);
        return await calls.open(place, flags, 0o640);
      },
      (late) => void late.close().catch(() => undefined),
    );
    try {
      for await (const piece of content instanceof Uint8Array ? [content] : content) {
        hash.update(piece);
        await onFile(staging, "write", () => handle.writeFile(piece));
        bytes += piece.length;
      }
      await onFile(staging, "finish", async (place, state) => {
        await handle.sync();
        await handle.close();
        if (state.expired) return; // nobody waits for it any more: it must not appear
        await calls.rename(place, target);
        await syncFolder(path.dirname(target));
      });
    } catch (error) {
      // A full disk leaves a part behind. The close is not waited for: in a folder that hangs it hangs too.
      void handle.close().catch(() => undefined);
      await remove(staging).catch(() => undefined);
      throw error;
    }
    return { bytes, sha256: hash.digest("hex") };
  }

  async function receive(file: string, content: Content, also: readonly HashAlgorithm[] = []): Promise<ReceivedFile> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    let bytes = 0;
    let unsynced = 0;
    const handle = await onFile(
      file,
      "create",
      async (place) => {
        await makeFolders(root, place);
        return await calls.open(place, flags, 0o640);
      },
      (late) => void late.close().catch(() => undefined),
    );
    const hash = hashThread.begin(["sha256", ...also]);
    /** The same file once more, when it has become large and its file system takes writes past the cache. */
    let pastCache: fs.FileHandle | undefined;
    let isLarge = false;
    async function write(piece: Uint8Array, at: number): Promise<void> {
      if (at >= cachedBytes && !isLarge) {
        isLarge = true;
        pastCache = await onFile(
          file,
          "open",
          (place) => openPastCache(calls, place, handle),
          (late) => void late?.close().catch(() => undefined),
        );
      }
      if (pastCache !== undefined) {
        const direct = pastCache;
        try {
          return await onFile(file, "write", () => writeAll(direct, file, piece, at));
        } catch (error) {
          // The end of a file is, unless it happens to fill whole blocks.
          if (!isUnsuited(error)) throw error;
        }
      }
      await onFile(file, "write", () => writeAll(handle, file, piece, at));
    }
    /** When each piece in memory has been written and hashed; the oldest first. */
    const inUse: Promise<ArrayBuffer>[] = [];
    async function freeMemory(): Promise<ArrayBuffer> {
      return inUse.length < hashedPiecesMax ? pageMemory(receivePieceBytes) : await inUse.shift()!;
    }
    let writing = Promise.resolve();
    let syncing = Promise.resolve();
    try {
      for await (const { memory, length } of gathered(content, freeMemory)) {
        await writing;
        if (unsynced >= syncBytes) {
          unsynced = 0;
          await syncing;
          // The disk takes them while the next ones come in.
          syncing = onFile(file, "sync", () => handle.datasync());
          syncing.catch(() => undefined);
        }
        // Written while the next piece comes in, and then hashed. A later turn or the end sees how it went.
        const at = bytes;
        writing = write(new Uint8Array(memory, 0, length), at);
        bytes += length;
        unsynced += length;
        const free = writing.then(() => hash.update(memory, length));
        free.catch(() => undefined);
        inUse.push(free);
      }
      await Promise.all([writing, syncing]);
      const [{ sha256, sha1 }] = await Promise.all([
        hash.digest(),
        onFile(file, "finish", async (place) => {
          await handle.sync();
          await Promise.all([handle.close(), pastCache?.close()]);
          await syncFolder(path.dirname(place));
        }),
      ]);
      return { bytes, sha256: sha256!, ...(sha1 === undefined ? {} : { sha1 }) };
    } catch (error) {
      hash.drop();
      // Only then: the number of a closed file may be that of another when a write that was under way comes to it.
      void Promise.allSettled([writing, syncing])
        .then(() => Promise.all([handle.close(), pastCache?.close()]))
        .catch(() => undefined);
      await remove(file).catch(() => undefined);
      throw error;
    }
  }

  async function move(from: string, to: string): Promise<void> {
    const source = path.join(root, checkName(from));
    await onFile(to, "put in place", async (place, state) => {
      await makeFolders(root, place);
      await checkFolders(root, source);
      const found = await fs.lstat(source).catch((error: unknown) => {
        if (systemCode(error) === "ENOENT") return undefined;
        throw error;
      });
      const there = await fs.lstat(place).catch((error: unknown) => {
        if (systemCode(error) === "ENOENT") return undefined;
        throw error;
      });
      if (state.expired) return;
      // Done before, by a call whose answer was lost.
      if (found === undefined && there?.isFile() === true) return;
      if (there?.isFile() === true && there.size === found?.size) await fs.unlink(source);
      else await calls.rename(source, place);
      await syncFolder(path.dirname(place));
      await syncFolder(path.dirname(source));
    });
  }

  async function readOnce(file: string, expected: WrittenFile): Promise<Uint8Array> {
    const bytes = await readPart(file, 0, expected.bytes);
    if (crypto.createHash("sha256").update(bytes).digest("hex") === expected.sha256) return bytes;
    throw new SharedFolderError("damaged", `${file} in the shared folder is not what was written: its hash differs.`);
  }

  async function remove(file: string): Promise<void> {
    await onFile(file, "remove", async (place) => {
      await checkFolders(root, place);
      await fs.unlink(place);
    }).catch((error: unknown) => {
      if (!(error instanceof SharedFolderError && error.kind === "not-found")) throw error;
    });
  }

  async function* list(folder: string): AsyncGenerator<FolderEntry[]> {
    const place =
      folder === "" ? root : path.join(root, checkName(folder, folder.endsWith(stagingEnd) ? stagingCharactersMax : nameCharactersMax));
    const call = { doing: `list ${folder === "" ? "itself" : folder}`, timeoutMs };
    const open = async (): Promise<Dir | undefined> => {
      if (folder !== "" && (await fs.realpath(place)) !== place)
        throw new SharedFolderError("refused", `${folder} in the shared folder is a link, which this server never makes.`);
      return await fs.opendir(place);
    };
    const directory = await gate
      .run(call, open, (late) => void late?.close().catch(() => undefined))
      .catch((error: unknown) => {
        if (systemCode(error) === "ENOENT") return undefined;
        throw describeFailure(error, folder, "list");
      });
    if (directory === undefined) return;
    try {
      for (let isMore = true; isMore;) {
        const batch = await gate.run(call, async () => {
          const entries: FolderEntry[] = [];
          while (entries.length < listBatchMax) {
            const entry = await directory.read();
            if (entry === null) {
              isMore = false;
              break;
            }
            const seen = await lookAt(path.join(place, entry.name));
            if (seen !== undefined) entries.push({ name: entry.name, ...seen });
          }
          return entries;
        });
        if (batch.length > 0) yield batch;
      }
    } catch (error) {
      throw describeFailure(error, folder, "list");
    } finally {
      // Not waited for: in a folder that hangs it hangs too.
      void directory.close().catch(() => undefined);
    }
  }

  async function removeFolder(folder: string): Promise<boolean> {
    try {
      await onFile(folder, "remove", async (place) => {
        await checkFolders(root, place);
        await fs.rmdir(place);
      });
    } catch (error) {
      if (!(error instanceof SharedFolderError)) throw error;
      if (error.code === "ENOTEMPTY" || error.kind === "exists") return false;
      if (error.kind !== "not-found") throw error;
    }
    return true;
  }

  async function identity(): Promise<string> {
    if (!(await onFile(identityFile, "look for", (place) => isThere(place)))) {
      // A folder and not a file is put in place, because a folder never replaces one that has something in it, on any file system:
      // of two nodes that begin at the same moment one finds that the other was first.
      const staging = `${identityFolder}.${crypto.randomBytes(6).toString("hex")}${stagingEnd}`;
      await writeOnce(`${staging}/identity`, Buffer.from(crypto.randomUUID()));
      await onFile(staging, "put in place", async (place, state) => {
        if (!state.expired) await calls.rename(place, path.join(root, identityFolder));
        await syncFolder(root);
      }).catch(async (error: unknown) => {
        await onFile(staging, "remove", (place) => fs.rm(place, { recursive: true, force: true })).catch(() => undefined);
        if (!(await onFile(identityFile, "look for", (place) => isThere(place)))) throw error;
      });
    }
    return Buffer.from(await readPart(identityFile, 0, identityCharacters)).toString("utf8");
  }

  async function check(expected: string): Promise<void> {
    try {
      const found = await gate.run({ doing: "tell which folder it is", timeoutMs: probeTimeoutMs }, (state) =>
        readOpen(path.join(root, identityFile), 0, state.expired ? 0 : identityCharacters),
      );
      if (Buffer.from(found).toString("utf8") === expected) return;
    } catch (error) {
      throw describeFailure(error, root, "look at");
    }
    throw new SharedFolderError("refused", `${root} is not the shared folder that this node began with. Check what is mounted there.`);
  }

  async function space(): Promise<{ freeBytes: number; floorBytes: number; belowFloor: boolean }> {
    try {
      return await gate.run({ doing: "tell its free space", timeoutMs: probeTimeoutMs }, async () => {
        const { bavail, blocks, bsize } = await calls.statfs(root);
        const freeBytes = bavail * bsize;
        const floorBytes = Math.min(freeBytesFloor, Math.floor(blocks * bsize * freeShareFloor));
        return { freeBytes, floorBytes, belowFloor: freeBytes < floorBytes };
      });
    } catch (error) {
      throw describeFailure(error, root, "look at");
    }
  }

  return { root, createPart, readPart, writeOnce, receive, move, readOnce, remove, list, removeFolder, identity, check, space };
}

async function writeAll(handle: fs.FileHandle, file: string, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done);
    if (bytesWritten === 0) throw new SharedFolderError("failed", `Nothing of what should be written to ${file} is taken.`);
    done += bytesWritten;
  }
}

/** Pieces of one size, each in memory that is free again. */
async function* gathered(
  content: Content,
  freeMemory: () => Promise<ArrayBuffer>,
): AsyncGenerator<{ memory: ArrayBuffer; length: number }> {
  if (content.readInto !== undefined) {
    for (let isMore = true; isMore;) {
      const memory = await freeMemory();
      let length = 0;
      while (isMore && length < receivePieceBytes) {
        const bytes = await content.readInto(new Uint8Array(memory, length));
        length += bytes;
        isMore = bytes > 0;
      }
      if (length > 0) yield { memory, length };
    }
    return;
  }
  let memory: ArrayBuffer | undefined;
  let filling: Uint8Array = new Uint8Array();
  let filled = 0;
  for await (const piece of content) {
    for (let taken = 0; taken < piece.length;) {
      if (memory === undefined) {
        memory = await freeMemory();
        filling = new Uint8Array(memory);
      }
      const part = piece.subarray(taken, taken + receivePieceBytes - filled);
      filling.set(part, filled);
      filled += part.length;
      taken += part.length;
      if (filled < receivePieceBytes) continue;
      yield { memory, length: filled };
      memory = undefined;
      filled = 0;
    }
  }
  if (memory !== undefined && filled > 0) yield { memory, length: filled };
}

/** Answers the name again; throws kind refused for one that is not ours. */
function checkName(file: string, charactersMax = nameCharactersMax): string {
  const names = file.split("/");
  const good =
    names.length <= depthMax && names.every((name) => name.length <= charactersMax && /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name));
  if (good) return file;
  throw new SharedFolderError(
    "refused",
    `"${file.slice(0, 40).replace(/[^A-Za-z0-9._/-]/g, "?")}" is not a name for a file in the shared folder.`,
  );
}

function checkRange(from: number, to: number): void {
  if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && to >= from) return;
  throw new RangeError(`Not a range of bytes: ${from} to ${to}.`);
}

/** Kind and time of the last change; undefined for what is gone meanwhile. */
async function lookAt(place: string): Promise<Pick<FolderEntry, "kind" | "changedAtMs"> | undefined> {
  try {
    const stat = await fs.lstat(place);
    return { kind: stat.isFile() ? "file" : stat.isDirectory() ? "folder" : "other", changedAtMs: stat.mtimeMs };
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function isThere(place: string): Promise<boolean> {
  return await fs.lstat(place).then(
    () => true,
    (error: unknown) => {
      if (systemCode(error) === "ENOENT") return false;
      throw error;
    },
  );
}

/** Makes the folders between root and file, each durable in its parent. */
async function makeFolders(root: string, place: string): Promise<void> {
  const names = path.relative(root, path.dirname(place)).split(path.sep);
  let folder = root;
  for (const name of names) {
    if (name === "") continue;
    const parent = folder;
    folder = path.join(folder, name);
    try {
      await fs.mkdir(folder, { mode: 0o750 });
      await syncFolder(parent);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
  }
  await checkFolders(root, place);
}

/** Refuses a path on which a folder was replaced by a link. */
async function checkFolders(root: string, place: string): Promise<void> {
  const folder = path.dirname(place);
  if ((await fs.realpath(folder)) !== folder) {
    throw new SharedFolderError(
      "refused",
      `${path.relative(root, folder)} in the shared folder is a link, which this server never makes. Find out who put it there.`,
    );
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // folders cannot be synced there
  const handle = await fs.open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
