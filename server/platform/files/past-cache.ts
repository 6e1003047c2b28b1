// Writes large files past the page cache where that is known to be cheaper. Through it each byte is copied once more, into memory that the
// database and other files lose for it, or that has to be fetched from the host of a virtual machine first.

import { constants } from "node:fs";
import type fs from "node:fs/promises";
import { systemCode } from "./shared-folder-error.ts";

/**
 * Local file systems only (`f_type` of statfs(2)): ext2 to ext4, and XFS. A file server would have to bring each piece to its disk before
 * it answers; in a file system that lives in memory nothing is saved.
 */
const fileSystems = new Set([0xef53, 0x58465342]);

/**
 * Memory that can be written from past the cache: it has to begin where a page of the processor does, and of the memory that Node gives
 * only the kind that can change its size does.
 */
export function pageMemory(bytes: number): ArrayBuffer {
  return new ArrayBuffer(bytes, { maxByteLength: bytes });
}

/** The file that is open already, opened once more for such writes; undefined where they are not possible or not worth it. */
export async function openPastCache(
  calls: Pick<typeof fs, "open" | "statfs">,
  place: string,
  opened: fs.FileHandle,
): Promise<fs.FileHandle | undefined> {
  // Node knows the flag on Linux only.
  const flag = constants.O_DIRECT as number | undefined;
  if (flag === undefined || !fileSystems.has((await calls.statfs(place)).type)) return undefined;
  // Whatever is wrong with the folder, the usual writes will meet it and say it.
  const handle = await calls.open(place, constants.O_WRONLY | constants.O_NOFOLLOW | flag).catch(() => undefined);
  if (handle === undefined) return undefined;
  const isSame = await Promise.all([opened.stat(), handle.stat()]).then(
    ([one, other]) => one.ino === other.ino && one.dev === other.dev,
    () => false,
  );
  if (isSame) return handle;
  await handle.close();
  return undefined;
}

/** Whether such a write was not taken because of where its bytes lie, or how many they are; it can be done in the usual way then. */
export function isUnsuited(error: unknown): boolean {
  return systemCode(error) === "EINVAL";
}
