// Reads a task's log piece by piece from any position: whole entries, each with the position after it. What lies beyond the committed
// length of a part does not exist.

import { pause } from "../../base/clock.ts";
import type { LogEntry } from "./log-entry.ts";
import { decodeEntry, isLine } from "./log-entry.ts";
import { nextPart } from "./task-log-position.ts";
import type { LogPosition } from "./task-log-position.ts";
import type { LogPart } from "./task-log-store.ts";
import type { LogFolder } from "./task-log.ts";

/** Bytes read from a part at once. */
export const pieceBytesDefault = 256 * 1024;
/** An entry is one line of text of a million characters at most, each of which may take six bytes in JSON. */
const entryBytesMax = 8 * 1024 * 1024;
/** Attribute caches of network shares may show a file shorter than it is for a while. */
const staleRetries = 20;
const staleRetryPauseMs = 250;
const lineFeed = 10;

/** A committed part of the log is missing or shorter than what was committed. */
export class LogPartMissing extends Error {
  constructor(file: string, cause: unknown) {
    super(
      `A part of the task log (${file}) cannot be read from the shared folder. Check that this node sees the same folder as the others.`,
      { cause },
    );
    this.name = "LogPartMissing";
  }
}

export interface PlacedEntry {
  entry: LogEntry;
  /** Behind it: whoever has this entry and all before it goes on there. `lines` counts it, when it is a line. */
  after: LogPosition;
}

export interface LogPiece {
  entries: readonly PlacedEntry[];
  after: LogPosition;
}

/** The bytes of whole entries that come next, or undefined when all was read. */
export async function readPieceBytes(
  folder: LogFolder,
  parts: readonly LogPart[],
  from: LogPosition,
  pieceBytes: number = pieceBytesDefault,
): Promise<{ part: LogPart; offset: number; bytes: Buffer } | undefined> {
  const next = nextPart(parts, from);
  if (next === undefined) return undefined;
  const { part, offset } = next;
  for (let size = pieceBytes; ; size *= 2) {
    const to = Math.min(offset + size, part.committedBytes);
    const read = await readPart(folder, part, offset, to);
    const bytes = Buffer.from(read.buffer, read.byteOffset, read.byteLength);
    const end = bytes.lastIndexOf(lineFeed) + 1;
    if (end > 0) return { part, offset, bytes: bytes.subarray(0, end) };
    // Entries are committed whole, so a part without an end of one is damaged; what it holds is passed over.
    if (to === part.committedBytes || size >= entryBytesMax) return { part, offset, bytes };
  }
}

/**
 * The entries that come next, or undefined when all was read. Those that cannot be decoded are left out, and those that `mayFit` denies, of
 * which lines are counted all the same.
 */
export async function readPiece(
  folder: LogFolder,
  parts: readonly LogPart[],
  from: LogPosition,
  pieceBytes: number = pieceBytesDefault,
  mayFit?: (bytes: Buffer) => boolean,
): Promise<LogPiece | undefined> {
  const found = await readPieceBytes(folder, parts, from, pieceBytes);
  if (found === undefined) return undefined;
  const { part, offset, bytes } = found;
  const place = { epoch: part.epoch, ordinal: part.ordinal };
  const entries: PlacedEntry[] = [];
  let { lines } = from;
  let start = 0;
  const isHere = mayFit === undefined || mayFit(bytes);
  for (let end = bytes.indexOf(lineFeed); end !== -1; end = bytes.indexOf(lineFeed, start)) {
    if (isLine(bytes, start)) lines += 1;
    const isWanted = isHere && (mayFit === undefined || mayFit(bytes.subarray(start, end)));
    const entry = isWanted ? decodeEntry(bytes.toString("utf8", start, end), part.formatVersion) : undefined;
    start = end + 1;
    if (entry !== undefined) entries.push({ entry, after: { ...place, offset: offset + start, lines } });
  }
  return { entries, after: { ...place, offset: offset + bytes.length, lines } };
}

/** Whether a position that came from outside lies between two entries of this log. */
export async function isBorder(folder: LogFolder, parts: readonly LogPart[], position: LogPosition): Promise<boolean> {
  if (position.offset === 0) return true;
  const part = parts.find((one) => one.epoch === position.epoch && one.ordinal === position.ordinal);
  if (part === undefined || position.offset > part.committedBytes) return false;
  return (await readPart(folder, part, position.offset - 1, position.offset))[0] === lineFeed;
}

async function readPart(folder: LogFolder, part: LogPart, from: number, to: number): Promise<Uint8Array> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await folder.readPart(part.file, from, to);
    } catch (error) {
      if (attempt >= staleRetries) throw new LogPartMissing(part.file, error);
      await pause(staleRetryPauseMs);
    }
  }
}
