// Looks at an uploaded archive without unpacking it: of a zip the list of entries at its end, of others the first bytes. Refused are
// files that are not what their name says, lists that cannot be read, and names that lead out of a folder. Nothing is unpacked here but
// a nuspec, within its own limit, so an archive that would grow without end does no harm; links in it are judged where it is unpacked.

import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import { problem } from "../../../base/problems.ts";

/** More entries than the largest packages seen have; a list of this many is about 20 MB. */
const entriesMax = 200_000;
const directoryBytesMax = 64 * 1024 * 1024;
const windowBytes = 1024 * 1024;
/** The end of a zip: its last record, and the longest comment after it. */
const endBytesMax = 22 + 65_535;
export const nuspecBytesMax = 1024 * 1024;

/** A file that can be read at any place. */
export interface ReadableFile {
  bytes: number;
  read(from: number, to: number): Promise<Uint8Array>;
}

const inflate = promisify(inflateRaw);
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

interface Entry {
  method: number;
  compressedBytes: number;
  headerAt: number;
}

async function checkZip(file: ReadableFile): Promise<string | undefined> {
  const directory = await findDirectory(file);
  let nuspec: Entry | undefined;
  let window: Buffer = Buffer.alloc(0);
  let windowAt = directory.at;
  const end = directory.at + directory.bytes;
  let at = directory.at;
  /** The bytes [from, from + length) of the list, through a window that moves forward. */
  const take = async (from: number, length: number): Promise<Buffer> => {
    if (from + length > end) throw refused("the list of its entries is cut off");
    if (from < windowAt || from + length > windowAt + window.length) {
      windowAt = from;
      window = Buffer.from(await file.read(from, Math.min(end, from + Math.max(windowBytes, length))));
    }
    return window.subarray(from - windowAt, from - windowAt + length);
  };
  for (let n = 0; n < directory.entries; n++) {
    const head = await take(at, 46);
    if (head.readUInt32LE(0) !== 0x02014b50) throw refused("the list of its entries is damaged");
    const nameBytes = head.readUInt16LE(28);
    const extraBytes = head.readUInt16LE(30);
    const length = 46 + nameBytes + extraBytes + head.readUInt16LE(32);
    const whole = await take(at, length);
    const name = whole.toString((whole.readUInt16LE(8) & 0x800) === 0 ? "latin1" : "utf8", 46, 46 + nameBytes);
    checkEntryName(name);
    if (nuspec === undefined && /^[^/\\]+\.nuspec$/i.test(name)) {
      nuspec = {
        method: whole.readUInt16LE(10),
        compressedBytes: whole.readUInt32LE(20),
        headerAt: whole.readUInt32LE(42) + directory.shift,
      };
    }
    at += length;
  }
  return nuspec === undefined ? undefined : await readEntry(file, nuspec);
}

function checkEntryName(name: string): void {
  const parts = name.split(/[/\\]/);
  if (/^[/\\]|^[A-Za-z]:|\0/.test(name) || parts.includes("..")) {
    // oxlint-disable-next-line no-control-regex -- control characters are what must go
    const shown = name.slice(0, 60).replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
    throw refused(`its entry '${shown}' would be unpacked outside of the package's folder`);
  }
}

interface Directory {
  at: number;
  bytes: number;
  entries: number;
  /** What stands before the zip itself, as in one that unpacks itself: offsets count from there. */
  shift: number;
}

async function findDirectory(file: ReadableFile): Promise<Directory> {
  const tailAt = Math.max(0, file.bytes - endBytesMax);
  const tail = Buffer.from(await file.read(tailAt, file.bytes));
  let end = tail.length - 22;
  while (end >= 0 && !(tail.readUInt32LE(end) === 0x06054b50 && end + 22 + tail.readUInt16LE(end + 20) <= tail.length)) end -= 1;
  if (end < 0) throw refused("it is no complete zip file: the record at its end is missing");
  let entries = tail.readUInt16LE(end + 10);
  let bytes = tail.readUInt32LE(end + 12);
  let offset = tail.readUInt32LE(end + 16);
  let directoryEnd = tailAt + end;
  if (entries === 0xffff || bytes === 0xffffffff || offset === 0xffffffff) {
    const locator = directoryEnd >= 20 ? Buffer.from(await file.read(directoryEnd - 20, directoryEnd)) : Buffer.alloc(20);
    // Without the larger record these are the numbers themselves.
    if (locator.readUInt32LE(0) === 0x07064b50) {
      const largeAt = Number(locator.readBigUInt64LE(8));
      if (!Number.isSafeInteger(largeAt) || largeAt + 56 > directoryEnd) throw refused("the record at its end is damaged");
      const large = Buffer.from(await file.read(largeAt, largeAt + 56));
      if (large.readUInt32LE(0) !== 0x06064b50) throw refused("the record at its end is damaged");
      entries = Number(large.readBigUInt64LE(32));
      bytes = Number(large.readBigUInt64LE(40));
      offset = Number(large.readBigUInt64LE(48));
      directoryEnd = largeAt;
    }
  }
  if (entries > entriesMax) throw refused(`it has more than ${entriesMax} entries`);
  if (bytes > directoryBytesMax) throw refused(`the list of its entries is larger than ${directoryBytesMax} bytes`);
  const at = directoryEnd - bytes;
  if (at < 0 || offset > at || bytes < entries * 46) throw refused("the list of its entries is cut off");
  return { at, bytes, entries, shift: at - offset };
}

async function readEntry(file: ReadableFile, entry: Entry): Promise<string> {
  const damaged = () => refused("its nuspec cannot be read");
  if (entry.compressedBytes > nuspecBytesMax || entry.headerAt + 30 > file.bytes) throw damaged();
  const head = Buffer.from(await file.read(entry.headerAt, entry.headerAt + 30));
  if (head.readUInt32LE(0) !== 0x04034b50) throw damaged();
  const from = entry.headerAt + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
  if (from + entry.compressedBytes > file.bytes) throw damaged();
  const packed = await file.read(from, from + entry.compressedBytes);
  if (entry.method === 0) return Buffer.from(packed).toString("utf8");
  if (entry.method !== 8) throw damaged();
  try {
    return (await inflate(packed, { maxOutputLength: nuspecBytesMax })).toString("utf8");
  } catch {
    throw damaged();
  }
}

function isTarHeader(block: Buffer): boolean {
  if (block.length < 512) return false;
  const stated = Number.parseInt(block.toString("latin1", 148, 156).replace(/[\0 ]+/g, ""), 8);
  let sum = 8 * 32; // the checksum's own field counts as spaces
  for (const [n, byte] of block.entries()) if (n < 148 || n >= 156) sum += byte;
  return sum === stated;
}
