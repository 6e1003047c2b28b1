// Reads a tar from a stream, entry by entry: the forms of POSIX (ustar, pax) and GNU. Nothing is held but headers and long names.

import { ArchiveRefused } from "./archive-entry.ts";
import type { ArchiveEntry } from "./archive-entry.ts";

const blockBytes = 512;
/** Of a long name or a list of extended attributes. */
const extensionBytesMax = 1024 * 1024;

/** Throws ArchiveRefused, and what the source throws. */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<ArchiveEntry> {
  const bytes = createTaker(source);
  /** What a header before says of the next entry. */
  let next: { name?: string; target?: string; size?: number } = {};
  let seen = 0;
  for (;;) {
    const header = await bytes.takeAtMost(blockBytes);
    // Without the two empty blocks at its end a tar is still whole, as every tar program takes it.
    if (header.length === 0 && seen > 0) return;
    if (header.length < blockBytes) throw new ArchiveRefused("it ends in the middle of an entry");
    if (header.every((byte) => byte === 0)) return;
    checkSum(header);
    seen += 1;
    const flag = String.fromCharCode(header[156]!);
    const size = next.size !== undefined && !"LKxg".includes(flag) ? next.size : readNumber(header.subarray(124, 136));
    if (flag === "L" || flag === "K" || flag === "x" || flag === "g") {
      if (size > extensionBytesMax) throw new ArchiveRefused(`a name or its attributes in it are longer than ${extensionBytesMax} bytes`);
      const content = await bytes.take(size);
      await bytes.skip(padding(size));
      if (flag === "L") next.name = readText(content);
      else if (flag === "K") next.target = readText(content);
      else if (flag === "x") next = { ...next, ...readPax(content) };
      continue;
    }
    const kind = kindOf(flag);
    const prefix = readText(header.subarray(345, 500));
    const isPosix = header.toString("latin1", 257, 263) === "ustar\0";
    const shortName = readText(header.subarray(0, 100));
    const stored = kind === "file" || kind === "other" ? size : 0;
    const content = bytes.part(stored);
    yield {
      name: next.name ?? (isPosix && prefix !== "" ? `${prefix}/${shortName}` : shortName),
      kind: kind === "file" && (next.name ?? shortName).endsWith("/") ? "folder" : kind,
      isExecutable: (readNumber(header.subarray(100, 108)) & 0o111) !== 0,
      bytes: stored,
      linkTarget: kind === "symbolicLink" || kind === "hardLink" ? (next.target ?? readText(header.subarray(157, 257))) : "",
      content: () => content.read(),
    };
    await content.skipRest();
    await bytes.skip(padding(stored));
    next = {};
  }
}

function kindOf(flag: string): ArchiveEntry["kind"] {
  switch (flag) {
    case "0":
    case "\0":
    case "7":
      return "file";
    case "1":
      return "hardLink";
    case "2":
      return "symbolicLink";
    case "5":
      return "folder";
    case "S":
      throw new ArchiveRefused("it holds a file with holes, stored in a form that this server does not read; pack it without --sparse");
    default:
      return "other";
  }
}

function padding(bytes: number): number {
  return (blockBytes - (bytes % blockBytes)) % blockBytes;
}

function checkSum(header: Buffer): void {
  let sum = 8 * 32; // the checksum's own field counts as spaces
  for (const [n, byte] of header.entries()) if (n < 148 || n >= 156) sum += byte;
  if (sum !== readNumber(header.subarray(148, 156))) throw new ArchiveRefused("a header in it is damaged");
}

/** Octal digits, or for large numbers GNU's form: a set first bit and the number. */
function readNumber(field: Buffer): number {
  if ((field[0]! & 0x80) !== 0) {
    let value = field[0]! & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw new ArchiveRefused("it states an impossible number");
    return value;
  }
  const text = field
    .toString("latin1")
    .replace(/[\0 ].*$/s, (end) => (end.trim().replaceAll("\0", "") === "" ? "" : end))
    .trim();
  if (text === "") return 0;
  if (!/^[0-7]+$/.test(text)) throw new ArchiveRefused("it states a size that is no number");
  return Number.parseInt(text, 8);
}

function readText(field: Buffer): string {
  const end = field.indexOf(0);
  return decode(end < 0 ? field : field.subarray(0, end));
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ArchiveRefused("it holds a name that is not in UTF-8");
  }
}

/** Lines of the form `<length> <key>=<value>\n`, where the length counts the whole line. */
function readPax(content: Buffer): { name?: string; target?: string; size?: number } {
  const found: { name?: string; target?: string; size?: number } = {};
  for (let at = 0; at < content.length;) {
    const blank = content.indexOf(0x20, at);
    const length = blank < 0 ? Number.NaN : Number(content.toString("latin1", at, blank));
    if (!Number.isSafeInteger(length) || length < blank - at + 3 || at + length > content.length)
      throw new ArchiveRefused("its extended attributes are damaged");
    const line = content.subarray(blank + 1, at + length - 1);
    at += length;
    const equals = line.indexOf(0x3d);
    if (equals < 0) throw new ArchiveRefused("its extended attributes are damaged");
    const key = line.toString("latin1", 0, equals);
    const value = line.subarray(equals + 1);
    if (key.startsWith("GNU.sparse"))
      throw new ArchiveRefused("it holds a file with holes, stored in a form that this server does not read; pack it without --sparse");
    if (key === "path") found.name = decode(value);
    if (key === "linkpath") found.target = decode(value);
    if (key === "size") {
      const size = Number(value.toString("latin1"));
      if (!Number.isSafeInteger(size) || size < 0) throw new ArchiveRefused("it states a size that is no number");
      found.size = size;
    }
  }
  return found;
}

interface Part {
  read(): AsyncGenerator<Uint8Array>;
  skipRest(): Promise<void>;
}

function createTaker(source: AsyncIterable<Uint8Array>) {
  const pieces = source[Symbol.asyncIterator]();
  let held: Uint8Array = new Uint8Array(0);

  /** The next bytes, at least one and at most so many; empty at the end. */
  async function some(most: number): Promise<Uint8Array> {
    while (held.length === 0) {
      const piece = await pieces.next();
      if (piece.done === true) return held;
      held = piece.value;
    }
    const taken = held.subarray(0, most);
    held = held.subarray(taken.length);
    return taken;
  }
  async function takeAtMost(bytes: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (let left = bytes; left > 0;) {
      const piece = await some(left);
      if (piece.length === 0) break;
      parts.push(piece);
      left -= piece.length;
    }
    return Buffer.concat(parts);
  }
  async function take(bytes: number): Promise<Buffer> {
    const taken = await takeAtMost(bytes);
    if (taken.length < bytes) throw new ArchiveRefused("it ends in the middle of an entry");
    return taken;
  }
  async function skip(bytes: number): Promise<void> {
    for (let left = bytes; left > 0;) {
      const piece = await some(left);
      if (piece.length === 0) throw new ArchiveRefused("it ends in the middle of an entry");
      left -= piece.length;
    }
  }
  function part(bytes: number): Part {
    let left = bytes;
    return {
      async *read() {
        while (left > 0) {
          const piece = await some(left);
          if (piece.length === 0) throw new ArchiveRefused("it ends in the middle of an entry");
          left -= piece.length;
          yield piece;
        }
      },
      async skipRest() {
        await skip(left);
        left = 0;
      },
    };
  }
  return { take, takeAtMost, skip, part };
}
