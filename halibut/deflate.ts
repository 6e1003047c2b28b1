/**
 * Raw deflate, as messages travel in it: compressing so that every peer finds the end, and finding the end of what peers send. It knows that a
 * BSON document begins with its own length, and nothing else of what is inside.
 */
import { constants, createInflateRaw, deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from "node:zlib";
import { ProtocolError } from "./errors.ts";

/** From this inflated size on a .NET reader stops at the last BSON byte and would leave compressed bytes behind, see `compress`. */
const DOTNET_READ_AHEAD_BYTES = 65_536;
/** Above this size compression leaves the event loop for the thread pool: 256 KiB take about 3 ms. */
const SYNC_BYTES_MAX = 256 * 1024;

/**
 * Raw deflate. From 65,536 bytes on the last byte of the document is also the last byte of the deflate stream: everything else is sync-flushed
 * and one stored final block with that byte follows, so that a .NET reader cannot finish the document before it has consumed the whole stream.
 */
export async function compress(bson: Buffer): Promise<Buffer> {
  if (bson.length < DOTNET_READ_AHEAD_BYTES) return deflateRawSync(bson);
  const body = bson.subarray(0, -1);
  const options = { finishFlush: constants.Z_SYNC_FLUSH };
  const flushed =
    bson.length <= SYNC_BYTES_MAX
      ? deflateRawSync(body, options)
      : await new Promise<Buffer>((resolve, reject) => {
          deflateRaw(body, options, (error, result) => (error ? reject(error) : resolve(result)));
        });
  return Buffer.concat([flushed, Buffer.from([0x01, 0x01, 0x00, 0xfe, 0xff, bson[bson.length - 1]!])]);
}

export interface Inflated {
  content: Buffer;
  /** Compressed bytes that belong to it; what was given beyond them belongs to the next frame. */
  consumedBytes: number;
}

/** What zlib answers with the option `info`, which its types do not know. */
function inflated(result: unknown): Inflated {
  const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
  return { content: buffer, consumedBytes: engine.bytesWritten };
}

/** Inflates on the event loop. Undefined when the deflate stream is not complete, or has more than belongs on the event loop. */
export function inflateAtOnce(bytes: Buffer, bytesMax: number): Inflated | undefined {
  try {
    return inflated(inflateRawSync(bytes, { info: true, maxOutputLength: Math.min(bytesMax, SYNC_BYTES_MAX) }));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "Z_BUF_ERROR" || code === "ERR_BUFFER_TOO_LARGE") return undefined;
    throw new ProtocolError("A message is not a raw deflate stream.", { cause: error });
  }
}

/** Inflates in the thread pool; undefined while the deflate stream is not complete. */
export function inflateComplete(bytes: Buffer, bytesMax: number): Promise<Inflated | undefined> {
  return new Promise((resolve, reject) => {
    inflateRaw(bytes, { info: true, maxOutputLength: bytesMax }, (error, result) => {
      if (!error) resolve(inflated(result));
      else if ((error as NodeJS.ErrnoException).code === "Z_BUF_ERROR") resolve(undefined);
      else reject(new ProtocolError("A message is not a raw deflate stream within its limits.", { cause: error }));
    });
  });
}

export interface InflateProbe {
  /** Resolves when the piece has been worked off, which is also the case when the deflate stream ended within it. Rejects with ProtocolError. */
  feed(piece: Buffer): Promise<void>;
  /** Whether the last byte of the announced document has come out. */
  documentComplete(): boolean;
  close(): void;
}

/** Inflates without keeping the output: it only knows the announced length of the document and how much of it has come out. */
export function createInflateProbe(bytesMax: number): InflateProbe {
  const inflater = createInflateRaw({ chunkSize: 64 * 1024 });
  const announced = Buffer.alloc(4);
  let produced = 0;
  let ended = false;
  let failure: Error | null = null;
  let wake: () => void = () => {};

  inflater.on("data", (piece: Buffer) => {
    if (produced < 4) piece.copy(announced, produced, 0, 4 - produced);
    produced += piece.length;
    if (produced > bytesMax) failure ??= new ProtocolError(`A message has more than ${bytesMax} bytes.`);
    if (produced >= 4) {
      const length = announced.readInt32LE(0);
      if (length < 5 || length > bytesMax)
        failure ??= new ProtocolError(`A message announces ${length} bytes; allowed are 5 to ${bytesMax}.`);
      else if (produced > length) failure ??= new ProtocolError("A message has more bytes than it announces.");
    }
    if (failure !== null) inflater.destroy();
    wake();
  });
  inflater.on("end", () => {
    ended = true;
    wake();
  });
  inflater.on("error", (error) => {
    failure ??= new ProtocolError("A message is not a raw deflate stream.", { cause: error });
    wake();
  });

  return {
    async feed(piece: Buffer): Promise<void> {
      let taken = false;
      inflater.write(piece, () => {
        taken = true;
        wake();
      });
      while (!taken && !ended && failure === null) await new Promise<void>((resolve) => (wake = resolve));
      if (failure !== null) throw failure;
      if (ended && produced < 5) throw new ProtocolError("A message ends before its document does.");
    },
    documentComplete(): boolean {
      return ended || (produced >= 4 && produced === announced.readInt32LE(0));
    },
    close(): void {
      inflater.destroy();
    },
  };
}
