// Uploads of what changed: a signature of a package that is here, and a new version built from it and the difference a client sends.
// The formats are those of Octodiff, because clients speak nothing else. Little is held in memory, whatever the sizes.

import { createHash } from "node:crypto";
import { problem } from "../../../base/problems.ts";

/** A file that can be read at any place. */
export interface BaseFile {
  bytes: number;
  read(from: number, to: number): Promise<Uint8Array>;
}

const chunkBytesMin = 2_048;
/** The format's limit. */
const chunkBytesMax = 31 * 1024;
/** More chunks make a signature larger than what it saves; larger files get larger chunks. */
const chunksWanted = 40_000;
/** A larger base answers as if there were none: its signature would cost too much for one request. */
export const signedBytesMax = chunkBytesMax * chunksWanted;
const readBytes = 1024 * 1024;
const commandsMax = 4_000_000; // a command for each chunk of the largest base, many times over

const endOfHeader = Buffer.from(">>>");

/** The signature of a file, as clients compare their new file with it. */
export async function signatureOf(base: BaseFile): Promise<Buffer> {
  const chunkBytes = Math.min(chunkBytesMax, Math.max(chunkBytesMin, Math.ceil(base.bytes / chunksWanted)));
  const pieces = [Buffer.from("OCTOSIG\x01\x04SHA1\x07Adler32", "latin1"), endOfHeader];
  const windowBytes = Math.floor(readBytes / chunkBytes) * chunkBytes;
  for (let at = 0; at < base.bytes; at += windowBytes) {
    const window = await base.read(at, Math.min(base.bytes, at + windowBytes));
    for (let start = 0; start < window.length; start += chunkBytes) {
      const chunk = window.subarray(start, start + chunkBytes);
      const head = Buffer.alloc(6);
      head.writeUInt16LE(chunk.length, 0);
      head.writeUInt32LE(rollingChecksum(chunk), 2);
      pieces.push(head, createHash("sha1").update(chunk).digest());
    }
  }
  return Buffer.concat(pieces);
}

/** Two sums of 16 bits. Unlike Adler-32 itself it takes no prime as modulus; clients compute it like this. */
function rollingChecksum(chunk: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of chunk) {
    a = (a + byte) & 0xffff;
    b = (b + a) & 0xffff;
  }
  return ((b << 16) | a) >>> 0;
}

/**
 * The new file that a delta makes of its base. Throws Problem 400 at the end when it is not the file the client meant, so whoever reads
 * it must not let it count before it has ended.
 */
export async function* applyDelta(base: BaseFile, delta: AsyncIterable<Uint8Array>, fileBytesMax: number): AsyncGenerator<Uint8Array> {
  const source = delta[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);

  async function more(): Promise<boolean> {
    const next = await source.next();
    if (next.done === true) return false;
    held = held.length === 0 ? Buffer.from(next.value) : Buffer.concat([held, next.value]);
    return true;
  }
  async function take(bytes: number): Promise<Buffer> {
    while (held.length < bytes) if (!(await more())) throw broken("it ends in the middle");
    const taken = held.subarray(0, bytes);
    held = held.subarray(bytes);
    return taken;
  }
  async function takeLength(): Promise<number> {
    const value = (await take(8)).readBigInt64LE();
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw broken("it holds a length that cannot be");
    return Number(value);
  }

  if ((await take(10)).toString("latin1") !== "OCTODELTA\x01") throw broken("it is no delta of a kind that this server knows");
  const name = (await take((await take(1)).readUInt8())).toString("latin1");
  const hashBytes = (await take(4)).readInt32LE();
  if (name !== "SHA1" || hashBytes !== 20) throw broken("it names a hash other than SHA1");
  const expected = Buffer.from(await take(hashBytes));
  if (!(await take(endOfHeader.length)).equals(endOfHeader)) throw broken("its header does not end");

  const hash = createHash("sha1");
  let written = 0;
  const counted = (piece: Uint8Array): Uint8Array => {
    written += piece.length;
    if (written > fileBytesMax) throw problem.tooLarge("The file that the delta makes", fileBytesMax, "bytes");
    hash.update(piece);
    return piece;
  };
  for (let commands = 0; held.length > 0 || (await more()); commands++) {
    if (commands >= commandsMax) throw broken(`it has more than ${commandsMax} commands`);
    const command = (await take(1)).readUInt8();
    if (command === 0x60) {
      const from = await takeLength();
      const to = from + (await takeLength());
      if (to > base.bytes) throw broken("it copies from behind the end of its base");
      for (let at = from; at < to; at += readBytes) yield counted(await base.read(at, Math.min(to, at + readBytes)));
    } else if (command === 0x80) {
      for (let left = await takeLength(); left > 0;) {
        if (held.length === 0 && !(await more())) throw broken("it ends in the middle");
        const piece = held.subarray(0, Math.min(left, held.length));
        held = held.subarray(piece.length);
        left -= piece.length;
        yield counted(piece);
      }
    } else throw broken("it holds a command that this server does not know");
  }
  if (!hash.digest().equals(expected))
    throw broken("what it makes of the base has another hash than it says; perhaps the base was replaced meanwhile");
}

function broken(why: string) {
  return problem.invalid(`The delta is not accepted because ${why}. Nothing was stored. Upload the whole package instead.`);
}
