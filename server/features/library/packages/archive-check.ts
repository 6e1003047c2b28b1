// Looks at an uploaded archive without unpacking it: of a zip the list of entries at its end, of others the first bytes. Refused are
// files that are not what their name says, lists that cannot be read, and names that lead out of a folder. Nothing is unpacked here but
// a nuspec, within its own limit, so an archive that would grow without end does no harm; links in it are judged where it is unpacked.

import { problem } from "../../../base/problems.ts";
import { ArchiveRefused, listZip, readZipEntry, shownName } from "../../../platform/archives/archives.ts";
import type { ReadableFile, ZipListEntry } from "../../../platform/archives/archives.ts";

export type { ReadableFile } from "../../../platform/archives/archives.ts";
export const nuspecBytesMax = 1024 * 1024;
const zipExtensions: readonly string[] = [".zip", ".nupkg", ".jar", ".war", ".ear"];

/** The text of the nuspec, where the archive has one. @throws Problem 400 when the archive is refused */
export async function checkArchive(extension: string, file: ReadableFile): Promise<{ nuspec: string | undefined }> {
  if (file.bytes === 0) throw refused("it is empty");
  if (zipExtensions.includes(extension)) return { nuspec: await checkZip(file) };
  const first = Buffer.from(await file.read(0, Math.min(512, file.bytes)));
  const good =
    extension === ".tar"
      ? isTarHeader(first)
      : extension === ".tar.bz2"
        ? first.toString("latin1", 0, 3) === "BZh"
        : first[0] === 0x1f && first[1] === 0x8b && first[2] === 8;
  if (!good) throw refused(`it does not begin as a ${extension.slice(1)} file does`);
  return { nuspec: undefined };
}

function refused(why: string) {
  return problem.invalid(`The package is not accepted because ${why}. Nothing was stored. Build the package again and repeat the upload.`);
}

async function checkZip(file: ReadableFile): Promise<string | undefined> {
  let nuspec: ZipListEntry | undefined;
  try {
    for await (const entry of listZip(file)) {
      checkEntryName(entry.name);
      if (nuspec === undefined && /^[^/\\]+\.nuspec$/i.test(entry.name)) nuspec = entry;
    }
    return nuspec === undefined ? undefined : await readNuspecText(file, nuspec);
  } catch (error) {
    throw error instanceof ArchiveRefused ? refused(error.message) : error;
  }
}

function checkEntryName(name: string): void {
  const parts = name.split(/[/\\]/);
  if (/^[/\\]|^[A-Za-z]:|\0/.test(name) || parts.includes("..")) {
    throw refused(`its entry '${shownName(name)}' would be unpacked outside of the package's folder`);
  }
}

async function readNuspecText(file: ReadableFile, entry: ZipListEntry): Promise<string> {
  if (entry.bytes > nuspecBytesMax) throw refused("its nuspec cannot be read");
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of readZipEntry(file, entry)) pieces.push(piece);
  } catch (error) {
    throw error instanceof ArchiveRefused ? refused("its nuspec cannot be read") : error;
  }
  return Buffer.concat(pieces).toString("utf8");
}

function isTarHeader(block: Buffer): boolean {
  if (block.length < 512) return false;
  const stated = Number.parseInt(block.toString("latin1", 148, 156).replace(/[\0 ]+/g, ""), 8);
  let sum = 8 * 32; // the checksum's own field counts as spaces
  for (const [n, byte] of block.entries()) if (n < 148 || n >= 156) sum += byte;
  return sum === stated;
}
