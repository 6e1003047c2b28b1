// Reads zips: the list of entries at the end, which is what counts, and the contents it names. What the list and the header of an entry
// say differently is refused, because two programs would unpack two different things.

import { createInflateRaw, crc32, inflateRawSync } from "node:zlib";
import { pipeline } from "node:stream";
import { Readable } from "node:stream";
import { ArchiveRefused, shownName } from "./archive-entry.ts";
import type { ArchiveEntry, ReadableFile } from "./archive-entry.ts";

/** More entries than the largest packages seen have; a list of this many is about 20 MB. */
const entriesMax = 200_000;
const directoryBytesMax = 64 * 1024 * 1024;
const windowBytes = 1024 * 1024;
/** Entries of at most these bytes, packed and unpacked, are inflated at once: a stream for each costs more than its content. */
const packedAtOnceMax = 64 * 1024;
const unpackedAtOnceMax = 256 * 1024;
/** The end of a zip: its last record, and the longest comment after it. */
const endBytesMax = 22 + 65_535;
const madeOnUnix = 3;

export interface ZipListEntry {
  name: string;
  rawName: Buffer;
  flags: number;
  method: number;
  crc: number;
  compressedBytes: number;
  bytes: number;
  /** Of Unix; 0 when it was made elsewhere. */
  mode: number;
  headerAt: number;
}

/** The list at the end, in its order. Throws ArchiveRefused. */
export async function* listZip(file: ReadableFile): AsyncGenerator<ZipListEntry> {
  const directory = await findDirectory(file);
  let window: Buffer = Buffer.alloc(0);
  let windowAt = directory.at;
  const end = directory.at + directory.bytes;
  let at = directory.at;
  /** The bytes [from, from + length) of the list, through a window that moves forward. */
  const take = async (from: number, length: number): Promise<Buffer> => {
    if (from + length > end) throw new ArchiveRefused("the list of its entries is cut off");
    if (from < windowAt || from + length > windowAt + window.length) {
      windowAt = from;
      window = Buffer.from(await file.read(from, Math.min(end, from + Math.max(windowBytes, length))));
    }
    return window.subarray(from - windowAt, from - windowAt + length);
  };
  for (let n = 0; n < directory.entries; n++) {
    const head = await take(at, 46);
    if (head.readUInt32LE(0) !== 0x02014b50) throw new ArchiveRefused("the list of its entries is damaged");
    const nameBytes = head.readUInt16LE(28);
    const extraBytes = head.readUInt16LE(30);
    const length = 46 + nameBytes + extraBytes + head.readUInt16LE(32);
    const whole = await take(at, length);
    const rawName = Buffer.from(whole.subarray(46, 46 + nameBytes));
    const flags = whole.readUInt16LE(8);
    const large = readLarge(whole, 46 + nameBytes, extraBytes);
    yield {
      name: decodeName(rawName, (flags & 0x800) !== 0),
      rawName,
      flags,
      method: whole.readUInt16LE(10),
      crc: whole.readUInt32LE(16),
      compressedBytes: large.compressedBytes,
      bytes: large.bytes,
      mode: whole[5] === madeOnUnix ? whole.readUInt16LE(40) : 0,
      headerAt: large.headerAt + directory.shift,
    };
    at += length;
  }
}

/** All entries with their contents, in the order of their names: the same for every zip of the same files. Throws ArchiveRefused. */
export async function* readZip(source: ReadableFile): AsyncGenerator<ArchiveEntry> {
  const file = throughWindow(source);
  const entries: ZipListEntry[] = [];
  for await (const entry of listZip(source)) entries.push(entry);
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  for (const entry of entries) {
    const type = entry.mode & 0o170000;
    const kind =
      type === 0o120000
        ? "symbolicLink"
        : /[/\\]$/.test(entry.name)
          ? "folder"
          : type === 0 || type === 0o100000
            ? "file"
            : type === 0o040000
              ? "folder"
              : "other";
    const linkTarget = kind === "symbolicLink" ? await readLink(file, entry) : "";
    yield {
      name: entry.name,
      kind,
      isExecutable: (entry.mode & 0o111) !== 0,
      bytes: kind === "file" ? entry.bytes : 0,
      linkTarget,
      content: () => readZipEntry(file, entry),
    };
  }
}

/**
 * The same file, small parts of it from a window that was read at once: what stands in a zip one after the other mostly comes in that order, and each
 * look into a shared folder costs as much as hundreds of kilobytes.
 */
function throughWindow(file: ReadableFile): ReadableFile {
  let at = 0;
  let window: Uint8Array = new Uint8Array(0);
  return {
    bytes: file.bytes,
    async read(from, to) {
      if (to - from > windowBytes) return await file.read(from, to);
      if (from < at || to > at + window.length) {
        window = await file.read(from, Math.min(file.bytes, Math.max(to, from + windowBytes)));
        at = from;
      }
      return window.subarray(from - at, to - at);
    },
  };
}

const linkBytesMax = 4_096;

async function readLink(file: ReadableFile, entry: ZipListEntry): Promise<string> {
  if (entry.bytes > linkBytesMax) throw new ArchiveRefused(`its link '${shownName(entry.name)}' is longer than ${linkBytesMax} bytes`);
  const parts: Uint8Array[] = [];
  for await (const piece of readZipEntry(file, entry)) parts.push(piece);
  return Buffer.concat(parts).toString("utf8");
}

/** The content of one entry, checked against the length and the checksum that the list states. Throws ArchiveRefused. */
export async function* readZipEntry(file: ReadableFile, entry: ZipListEntry): AsyncGenerator<Uint8Array> {
  const named = `its entry '${shownName(entry.name)}'`;
  if ((entry.flags & 1) !== 0) throw new ArchiveRefused(`${named} is encrypted`);
  if (entry.method !== 0 && entry.method !== 8)
    throw new ArchiveRefused(`${named} is compressed by the method ${entry.method}, which this server does not read; use Deflate`);
  const damaged = () => new ArchiveRefused(`${named} is damaged`);
  const wrongLength = () => new ArchiveRefused(`${named} does not have the length that the list of entries states`);
  if (entry.headerAt + 30 > file.bytes) throw damaged();
  const head = Buffer.from(await file.read(entry.headerAt, entry.headerAt + 30));
  if (head.readUInt32LE(0) !== 0x04034b50) throw damaged();
  const nameBytes = head.readUInt16LE(26);
  const from = entry.headerAt + 30 + nameBytes + head.readUInt16LE(28);
  if (from + entry.compressedBytes > file.bytes) throw damaged();
  const localName = Buffer.from(await file.read(entry.headerAt + 30, entry.headerAt + 30 + nameBytes));
  if (!localName.equals(entry.rawName) || head.readUInt16LE(8) !== entry.method)
    throw new ArchiveRefused(`${named} is called otherwise in the list of entries than where it stands`);
  const to = from + entry.compressedBytes;
  let checksum = 0;
  let bytes = 0;
  try {
    for await (const piece of entry.method === 0 ? pieces(file, from, to) : inflated(file, from, to, entry.bytes)) {
      bytes += piece.length;
      if (bytes > entry.bytes) break;
      checksum = crc32(piece, checksum);
      yield piece;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ERR_BUFFER_TOO_LARGE") throw wrongLength();
    throw code?.startsWith("Z_") === true ? damaged() : error;
  }
  if (bytes !== entry.bytes) throw wrongLength();
  if (checksum !== entry.crc) throw damaged();
}

async function* pieces(file: ReadableFile, from: number, to: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to; at += windowBytes) yield await file.read(at, Math.min(to, at + windowBytes));
}

async function* inflated(file: ReadableFile, from: number, to: number, bytes: number): AsyncGenerator<Uint8Array> {
  if (to - from <= packedAtOnceMax && bytes <= unpackedAtOnceMax) {
    yield inflateRawSync(await file.read(from, to), { maxOutputLength: bytes + 1 });
    return;
  }
  const inflate = createInflateRaw();
  // What goes wrong comes out of the loop below; the callback only keeps it from being thrown at nobody.
  pipeline(Readable.from(pieces(file, from, to), { objectMode: false }), inflate, () => {});
  for await (const piece of inflate) yield piece as Uint8Array;
}

function decodeName(bytes: Buffer, isUtf8: boolean): string {
  const text = bytes.toString("utf8");
  // Without the flag most are UTF-8 all the same.
  if (Buffer.from(text, "utf8").equals(bytes)) return text;
  if (isUtf8) throw new ArchiveRefused("it holds a name that is said to be in UTF-8 and is not");
  return bytes.toString("latin1");
}

/** Lengths and place, from the further fields where the usual ones are too small. */
function readLarge(whole: Buffer, extraAt: number, extraBytes: number): { compressedBytes: number; bytes: number; headerAt: number } {
  let bytes = whole.readUInt32LE(24);
  let compressedBytes = whole.readUInt32LE(20);
  let headerAt = whole.readUInt32LE(42);
  for (let at = extraAt; at + 4 <= extraAt + extraBytes;) {
    const length = whole.readUInt16LE(at + 2);
    if (whole.readUInt16LE(at) === 1) {
      let field = at + 4;
      const next = (): number => {
        if (field + 8 > at + 4 + length || field + 8 > whole.length) throw new ArchiveRefused("the list of its entries is damaged");
        const value = Number(whole.readBigUInt64LE(field));
        field += 8;
        if (!Number.isSafeInteger(value)) throw new ArchiveRefused("the list of its entries is damaged");
        return value;
      };
      if (bytes === 0xffffffff) bytes = next();
      if (compressedBytes === 0xffffffff) compressedBytes = next();
      if (headerAt === 0xffffffff) headerAt = next();
    }
    at += 4 + length;
  }
  return { bytes, compressedBytes, headerAt };
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
  if (end < 0) throw new ArchiveRefused("it is no complete zip file: the record at its end is missing");
  let entries = tail.readUInt16LE(end + 10);
  let bytes = tail.readUInt32LE(end + 12);
  let offset = tail.readUInt32LE(end + 16);
  let directoryEnd = tailAt + end;
  if (entries === 0xffff || bytes === 0xffffffff || offset === 0xffffffff) {
    const locator = directoryEnd >= 20 ? Buffer.from(await file.read(directoryEnd - 20, directoryEnd)) : Buffer.alloc(20);
    // Without the larger record these are the numbers themselves.
    if (locator.readUInt32LE(0) === 0x07064b50) {
      const largeAt = Number(locator.readBigUInt64LE(8));
      if (!Number.isSafeInteger(largeAt) || largeAt + 56 > directoryEnd) throw new ArchiveRefused("the record at its end is damaged");
      const large = Buffer.from(await file.read(largeAt, largeAt + 56));
      if (large.readUInt32LE(0) !== 0x06064b50) throw new ArchiveRefused("the record at its end is damaged");
      entries = Number(large.readBigUInt64LE(32));
      bytes = Number(large.readBigUInt64LE(40));
      offset = Number(large.readBigUInt64LE(48));
      directoryEnd = largeAt;
    }
  }
  if (entries > entriesMax) throw new ArchiveRefused(`it has more than ${entriesMax} entries`);
  if (bytes > directoryBytesMax) throw new ArchiveRefused(`the list of its entries is larger than ${directoryBytesMax} bytes`);
  const at = directoryEnd - bytes;
  if (at < 0 || offset > at || bytes < entries * 46) throw new ArchiveRefused("the list of its entries is cut off");
  return { at, bytes, entries, shift: at - offset };
}
