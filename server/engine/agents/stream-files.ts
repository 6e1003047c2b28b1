// Data streams of calls that pass between nodes: they lie in the shared folder, encrypted piece by piece and bound to their request, while the
// request row only names them with length and hash. Whoever wrote a file removes it; what a dead node leaves, the daily sweep takes.

import { createHash } from "node:crypto";
import type { DataStream, Shape } from "@cuttle/halibut";
import type { SecretContext, Secrets } from "../../platform/secrets/secrets.ts";

/** The part of the shared folder where streams lie. Files are written once. */
export interface StreamFolder {
  writeOnce(file: string, content: AsyncIterable<Uint8Array>): Promise<{ bytes: number; sha256: string }>;
  readPart(file: string, from: number, to: number): Promise<Uint8Array>;
  remove(file: string): Promise<void>;
}

/** A stream as the request row holds it. `length` is that of the content, `bytes` and `sha256` are of the file. */
export interface StreamReference {
  file: string;
  length: number;
  bytes: number;
  sha256: string;
}

/** A file in the shared folder is not what its request says. */
export class StreamDamaged extends Error {
  constructor(file: string, why: string) {
    super(`The stream ${file} that was passed between nodes ${why}. Check that every node has the same shared folder mounted.`);
    this.name = "StreamDamaged";
  }
}

/** A stream is larger than what is passed between nodes. */
export class StreamTooLarge extends Error {
  constructor(length: number) {
    super(`A data stream has ${length} bytes; between nodes ${streamBytesMax} is the limit.`);
    this.name = "StreamTooLarge";
  }
}

/** As much as the largest package. */
const streamBytesMax = 5 * 1024 ** 3;
/** Encrypted as one value; in base64 it stays below what one value may have. */
const pieceBytes = 128 * 1024;
const readBytes = 4 * 1024 * 1024;
/** A piece with its key id, nonce, tag and base64 is not larger. */
const storedPieceBytesMax = 2 * pieceBytes;

export interface StreamFiles {
  /** Writes every stream in `values` to a file of its own; answers them with references in place, and the files. Removes all when one fails. */
  lend(id: string, side: "request" | "response", shapes: readonly Shape[], values: readonly unknown[]): Promise<Lent>;
  /** The stream that a reference names. Reading it throws StreamDamaged, or what the folder throws. `dispose` removes the file. */
  open(id: string, reference: StreamReference): DataStream;
  /** Never rejects: a file that cannot be removed is the sweep's. */
  remove(files: readonly string[]): Promise<void>;
}

export interface Lent {
  values: unknown[];
  files: string[];
}

/** Whether values of this shape may hold streams. */
export function holdsStream(shape: Shape): boolean {
  if (shape.kind === "list" || shape.kind === "dictionary") return holdsStream(shape.of);
  return shape.kind === "object" ? Object.values(shape.members).some(holdsStream) : shape.kind === "stream";
}

export function createStreamFiles(folder: StreamFolder, secrets: Secrets): StreamFiles {
  async function put(id: string, file: string, stream: DataStream): Promise<StreamReference> {
    if (stream.length > streamBytesMax) throw new StreamTooLarge(stream.length);
    const { bytes, sha256 } = await folder.writeOnce(
      file,
      sealed(stream, (n) => place(id, file, n, stream.length)),
    );
    return { file, length: stream.length, bytes, sha256 };
  }

  async function* sealed(stream: DataStream, at: (n: number) => SecretContext): AsyncGenerator<Uint8Array> {
    let n = 0;
    for await (const piece of inPieces(stream.open())) {
      const stored = secrets.encrypt(piece.toString("base64"), at(n++));
      const head = Buffer.alloc(4);
      head.writeUInt32BE(stored.length);
      yield Buffer.concat([head, stored]);
    }
  }

  async function* unsealed(id: string, { file, length, bytes, sha256 }: StreamReference): AsyncGenerator<Uint8Array> {
    const hash = createHash("sha256");
    let rest: Buffer = Buffer.alloc(0);
    let [given, n] = [0, 0];
    for (let at = 0; at < bytes; at += readBytes) {
      const read = Buffer.from(await folder.readPart(file, at, Math.min(bytes, at + readBytes)));
      hash.update(read);
      rest = rest.length === 0 ? read : Buffer.concat([rest, read]);
      for (;;) {
        if (rest.length < 4) break;
        const size = rest.readUInt32BE(0);
        if (size > storedPieceBytesMax) throw new StreamDamaged(file, "holds a piece of an impossible size");
        if (rest.length < 4 + size) break;
        const piece = Buffer.from(secrets.decrypt(rest.subarray(4, 4 + size), place(id, file, n++, length)), "base64");
        rest = rest.subarray(4 + size);
        given += piece.length;
        yield piece;
      }
    }
    if (rest.length > 0 || given !== length) throw new StreamDamaged(file, `has ${given} bytes instead of ${length}`);
    if (hash.digest("hex") !== sha256) throw new StreamDamaged(file, "has another hash than was stored");
  }

  async function remove(files: readonly string[]): Promise<void> {
    await Promise.all(files.map((file) => folder.remove(file).catch(() => {})));
  }

  return {
    remove,
    open: (id, reference) => ({
      length: reference.length,
      open: () => unsealed(id, reference),
      dispose: () => remove([reference.file]),
    }),
    async lend(id, side, shapes, values) {
      const files: string[] = [];
      const lendOne = async (stream: DataStream): Promise<StreamReference> => {
        const file = `${id}-${side}-${files.length + 1}`;
        files.push(file);
        return await put(id, file, stream);
      };
      try {
        const lent: unknown[] = [];
        for (const [index, shape] of shapes.entries()) lent.push(await replaceStreams(shape, values[index], lendOne));
        return { values: lent, files };
      } catch (error) {
        await remove(files);
        throw error;
      }
    },
  };
}

function place(id: string, file: string, n: number, length: number): SecretContext {
  return { table: "agent_requests", column: "stream", row: `${id} ${file} ${n} of ${length} bytes`, space: null };
}

/** The same bytes in pieces of one size, the last one smaller. */
async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of source) {
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes < pieceBytes) continue;
    const all = Buffer.concat(held);
    let at = 0;
    for (; all.length - at >= pieceBytes; at += pieceBytes) yield all.subarray(at, at + pieceBytes);
    held = [all.subarray(at)];
    heldBytes = all.length - at;
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

async function replaceStreams(shape: Shape, value: unknown, replace: (stream: DataStream) => Promise<unknown>): Promise<unknown> {
  if (value === null || value === undefined || !holdsStream(shape)) return value;
  switch (shape.kind) {
    case "stream":
      return await replace(value as DataStream);
    case "list": {
      const items: unknown[] = [];
      for (const item of value as unknown[]) items.push(await replaceStreams(shape.of, item, replace));
      return items;
    }
    case "dictionary": {
      const pairs: [string, unknown][] = [];
      for (const [key, item] of Object.entries(value)) pairs.push([key, await replaceStreams(shape.of, item, replace)]);
      return Object.fromEntries(pairs);
    }
    case "object": {
      const members: Record<string, unknown> = { ...(value as Record<string, unknown>) };
      for (const [name, member] of Object.entries(shape.members)) members[name] = await replaceStreams(member, members[name], replace);
      return members;
    }
    default:
      return value;
  }
}
