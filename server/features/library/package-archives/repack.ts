// Makes of any package the one form that targets need: a tar in blocks, each packed by gzip for itself, or left as it is when that gains
// nothing. Unpacked and behind each other they are the tar, so a target needs `cat`, `gzip` and `tar`; and of a new version of a package only the
// blocks that changed have to travel. The same package gives the same bytes: no times, no owners, names of a zip in order.

import { createHash } from "node:crypto";
import { createGunzip, gzip, gzipSync } from "node:zlib";
import { pipeline, Readable } from "node:stream";
import { promisify } from "node:util";
import { ArchiveRefused, endOfTar, inBlocks, paddingOf, readTar, readZip, tarHeader } from "../../../platform/archives/archives.ts";
import type { ArchiveEntry, ReadableFile } from "../../../platform/archives/archives.ts";
import { plainEntries } from "./plain-entries.ts";
import type { UnpackLimits } from "./plain-entries.ts";

const compress = promisify(gzip);
const readBytes = 1024 * 1024;
/** As zlib's own; said so that it never changes by itself. */
const compressionLevel = 6;

/** A block stays as it is unless gzip takes this share off. Pictures, archives and what is encrypted have nothing to give, and each target would unpack them. */
const gainShareMin = 1 / 16;
/** Whether a block is worth a try is seen in pieces of it, from its beginning, middle and end, packed quickly. */
const triedBytes = 16 * 1024;
const triedLevel = 1;

export interface Block {
  /** Of the bytes that travel, lower-case hex. */
  sha256: string;
  bytes: number;
  /** It is not packed. */
  isPlain: boolean;
}

/** The packed blocks in order. What `seen` is given is complete when the last has come out. Throws ArchiveRefused, and what the file throws. */
export async function* repack(
  file: ReadableFile,
  extension: string,
  limits: UnpackLimits,
  seen: { blocks: Block[]; unpackedBytes: number },
): AsyncGenerator<Uint8Array> {
  const entries = plainEntries(entriesOf(file, extension), { bytes: file.bytes, extension }, limits);
  for await (const block of inBlocks(asTar(entries, seen))) {
    const packed = isWorthPacking(block) ? await compress(block, { level: compressionLevel }) : block;
    const isPlain = !gains(packed.length, block.length);
    // Its memory is used again for the next one.
    const kept = isPlain ? Buffer.from(block) : packed;
    seen.blocks.push({ sha256: createHash("sha256").update(kept).digest("hex"), bytes: kept.length, isPlain });
    yield kept;
  }
}

function gains(packedBytes: number, bytes: number): boolean {
  return packedBytes <= bytes * (1 - gainShareMin);
}

function isWorthPacking(block: Buffer): boolean {
  const places = [0, (block.length - triedBytes) / 2, block.length - triedBytes].map((at) => Math.max(0, Math.floor(at)));
  return [...new Set(places)].some((at) => {
    const piece = block.subarray(at, at + triedBytes);
    return gains(gzipSync(piece, { level: triedLevel }).length, piece.length);
  });
}

function entriesOf(file: ReadableFile, extension: string): AsyncIterable<ArchiveEntry> {
  switch (extension) {
    case ".zip":
    case ".nupkg":
    case ".jar":
    case ".war":
    case ".ear":
      return readZip(file);
    case ".tar":
      return readTar(wholeFile(file));
    case ".tar.gz":
    case ".tgz":
      return readTar(unzipped(file));
    default:
      throw new ArchiveRefused(`a ${extension} file cannot be unpacked by this server; pack it as .zip or .tar.gz`);
  }
}

async function* asTar(entries: AsyncIterable<ArchiveEntry>, seen: { unpackedBytes: number }): AsyncGenerator<Uint8Array> {
  for await (const entry of entries) {
    const kind = entry.kind as Exclude<ArchiveEntry["kind"], "other">;
    yield tarHeader({ ...entry, kind });
    if (kind !== "file") continue;
    for await (const piece of entry.content()) {
      seen.unpackedBytes += piece.length;
      yield piece;
    }
    yield paddingOf(entry.bytes);
  }
  yield endOfTar();
}

async function* wholeFile(file: ReadableFile): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.bytes; at += readBytes) yield await file.read(at, Math.min(file.bytes, at + readBytes));
}

async function* unzipped(file: ReadableFile): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  // What goes wrong comes out of the loop below; the callback only keeps it from being thrown at nobody.
  pipeline(Readable.from(wholeFile(file), { objectMode: false }), gunzip, () => {});
  try {
    for await (const piece of gunzip) yield piece as Uint8Array;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith("Z_") === true) throw new ArchiveRefused("its compression is damaged");
    throw error;
  }
}
