/** Streams of bytes that travel behind a message: what a program hands in, and what was received and is kept in memory or a temporary file until disposed of. */
import { randomUUID } from "node:crypto";
import { open, unlink } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { HalibutLimits } from "./limits.ts";

/** What comes in records of some kilobytes goes to the disk, and from it, in parts of this size: each is a way to another thread and back. */
const SPOOL_BYTES = 512 * 1024;

/** A stream argument or result. `length` is exact; `open` may be called once or more and yields exactly that many bytes. */
export interface DataStream {
  readonly length: number;
  open(): AsyncIterable<Uint8Array>;
  /** Present on received streams: frees the memory or temporary file. A second call does nothing. */
  dispose?(): Promise<void>;
}

/** A stream on its way out, with the id under which the message mentions it. */
export interface OutgoingStream {
  id: string;
  stream: DataStream;
}

/** A stream that a received message mentions; `content` is usable once `fill` has run. */
export interface IncomingStream {
  readonly id: string;
  readonly content: DataStream;
  readonly filled: boolean;
  fill(length: number, pieces: AsyncIterable<Buffer>, where: SpoolPlace): Promise<void>;
  dispose(): Promise<void>;
}

export interface SpoolPlace {
  folder: string;
  limits: HalibutLimits;
}

/** Bytes in memory as a stream. */
export function streamFromBytes(bytes: Uint8Array): DataStream {
  return {
    length: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}

/** Windows cannot remove the name of an open file; elsewhere it goes at once, so that a killed process leaves nothing behind. */
const NAMELESS_FILES = process.platform !== "win32";

type Held = { kind: "nothing" } | { kind: "memory"; bytes: Buffer } | { kind: "file"; file: FileHandle; path: string };

/** A stream that was announced and whose frame is still to come. */
export function createIncomingStream(id: string): IncomingStream {
  let length = 0;
  let held: Held = { kind: "nothing" };

  async function dispose(): Promise<void> {
    const before = held;
    held = { kind: "nothing" };
    if (before.kind === "file") await discard(before.file, before.path);
  }

  return {
    id,
    get filled() {
      return held.kind !== "nothing";
    },
    content: {
      get length() {
        return length;
      },
      async *open(): AsyncGenerator<Uint8Array> {
        if (held.kind === "memory") yield held.bytes;
        else if (held.kind === "file")
          yield* held.file.createReadStream({ start: 0, autoClose: false, highWaterMark: SPOOL_BYTES }) as AsyncIterable<Buffer>;
        else throw new Error("This stream has been disposed of. Read it before the call that brought it is over.");
      },
      dispose,
    },
    async fill(size, pieces, where) {
      length = size;
      if (size <= where.limits.streamInMemoryBytesMax) {
        const parts: Buffer[] = [];
        for await (const piece of pieces) parts.push(piece);
        held = { kind: "memory", bytes: Buffer.concat(parts) };
        return;
      }
      // Owner-only and never an existing file: packages and scripts may hold secrets.
      const path = join(where.folder, `halibut-${randomUUID()}.stream`);
      const file = await open(path, "wx+", 0o600);
      try {
        if (NAMELESS_FILES) await unlink(path);
        for await (const part of gathered(pieces)) await file.writeFile(part);
      } catch (error) {
        await discard(file, path);
        throw error;
      }
      held = { kind: "file", file, path };
    },
    dispose,
  };
}

/** The same bytes in large parts; each is good until the next is asked for. */
async function* gathered(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  const part = Buffer.allocUnsafe(SPOOL_BYTES);
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const taken = piece.copy(part, filled, at);
      at += taken;
      filled += taken;
      if (filled < part.length) continue;
      yield part;
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}

async function discard(file: FileHandle, path: string): Promise<void> {
  await file.close().catch(() => {});
  if (!NAMELESS_FILES) await unlink(path).catch(() => {});
}
