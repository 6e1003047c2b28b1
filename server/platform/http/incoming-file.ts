// A file on its way in, never held as a whole: the first file of a multipart form, or a body that is the file. What comes after it
// is read and dropped, so that the client can finish sending and read its answer.

import type { IncomingMessage } from "node:http";
import { problem, Problem } from "../../base/problems.ts";
import { giveBack } from "./give-back.ts";

/** Longer silence than this means that the client is gone or stuck. */
const uploadIdleTimeoutMs = 60_000;
/** After an answer that came before the end of the body, this long may the rest still come. */
const drainTimeoutMs = 60_000;
/** Headers of one part of a form; names of files are cut far earlier by file systems. */
const partHeaderBytesMax = 16 * 1024;
/** Parts of a form before the file. */
const partsBeforeFileMax = 20;
/** What boundaries, part headers and small fields add to a file. */
const formBytesMax = 1024 * 1024;
const boundaryCharactersMax = 70; // RFC 2046
/** So much of a delimiter is looked for first. Up to seven bytes, Node goes from one `\r` to the next, a fifth of the time that more bytes take. */
const searchedBytes = 7;

export interface IncomingFile {
  /** Without folders; undefined when the client named none. */
  fileName: string | undefined;
  /**
   * Can be read once. Throws Problem when the body ends early, is no form, or grows past the limit. The memory of a piece is taken back when the
   * next one is asked for: who needs it longer copies it.
   */
  content: AsyncIterable<Buffer>;
}

/**
 * Hands the file in the request's body to `use`. What is left of the body afterwards is read and dropped for a while and then cut off,
 * so that an early answer also reaches a client that reads none before it has sent all.
 * @throws Problem 413, 415 or 400, and what `use` throws
 */
export async function withIncomingFile<T>(
  request: IncomingMessage,
  fileBytesMax: number,
  use: (incoming: IncomingFile) => Promise<T>,
): Promise<T> {
  const source = bodyPieces(request, fileBytesMax);
  try {
    return await use(await openFile(request, fileBytesMax, source));
  } finally {
    // The iterator has to let go first: while it listens, nothing else can make the body flow.
    void source.return(undefined).then(() => drain(request));
  }
}

async function openFile(request: IncomingMessage, fileBytesMax: number, source: AsyncGenerator<Buffer>): Promise<IncomingFile> {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > fileBytesMax + formBytesMax) throw problem.tooLarge("The file", fileBytesMax, "bytes");
  const type = request.headers["content-type"] ?? "application/octet-stream";
  const media = type.split(";")[0]!.trim().toLowerCase();
  if (media === "multipart/form-data") {
    const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(type);
    const text = boundary?.[1] ?? boundary?.[2];
    if (text === undefined || text.length > boundaryCharactersMax)
      throw problem.invalid("The multipart form names no usable boundary in its Content-Type.");
    return firstFile(source, text);
  }
  if (media === "application/x-www-form-urlencoded" || media === "application/json" || media === "text/json")
    throw new Problem(415, `Content type '${media}' is not accepted here. Send multipart/form-data with a file, or the file itself.`);
  const disposition = request.headers["content-disposition"];
  return { fileName: disposition === undefined ? undefined : fileNameIn(disposition), content: { [Symbol.asyncIterator]: () => source } };
}

function drain(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return;
  const { socket } = request;
  const cut = setTimeout(() => socket.destroy(), drainTimeoutMs);
  const done = (): void => {
    clearTimeout(cut);
    socket.off("close", done);
  };
  // Once it is answered, a request is not told any more that its connection has gone.
  socket.once("close", done);
  request.once("close", done);
  request.once("end", done);
  request.on("error", () => undefined);
  request.resume();
}

async function* bodyPieces(request: IncomingMessage, fileBytesMax: number): AsyncGenerator<Buffer, undefined> {
  const { socket } = request;
  const cut = (): void => void socket.destroy();
  socket.setTimeout(uploadIdleTimeoutMs, cut);
  let bytes = 0;
  try {
    for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > fileBytesMax + formBytesMax) throw problem.tooLarge("The file", fileBytesMax, "bytes");
      yield piece;
      giveBack(piece);
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    // Nobody reads this answer; it only says in the log that the fault was not ours.
    throw new Problem(400, "The connection ended before the whole file had arrived. Nothing was stored.", undefined, { cause: error });
  } finally {
    socket.setTimeout(0);
    socket.off("timeout", cut);
  }
  return undefined;
}

async function firstFile(source: AsyncIterator<Buffer>, boundary: string): Promise<IncomingFile> {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const searched = delimiter.subarray(0, searchedBytes);
  let held: Buffer = Buffer.from("\r\n"); // so that the first delimiter looks like every other

  async function more(): Promise<void> {
    // The piece it lies in is gone when the next one is asked for.
    held = Buffer.from(held);
    const next = await source.next();
    if (next.done === true)
      throw problem.invalid("The multipart form ended before its closing boundary, so the file is not complete. Nothing was stored.");
    held = held.length === 0 ? next.value : Buffer.concat([held, next.value]);
  }

  /** The bytes up to the next delimiter, in the pieces they came in: a large file is not copied on its way through. */
  async function* untilDelimiter(): AsyncGenerator<Buffer> {
    const tailMax = delimiter.length - 1; // so much could be the beginning of a delimiter
    for (;;) {
      const near = held.indexOf(searched);
      const at = near < 0 ? near : held.indexOf(delimiter, near);
      if (at >= 0) {
        const last = held.subarray(0, at);
        held = held.subarray(at + delimiter.length);
        if (last.length > 0) yield last;
        return;
      }
      const tail = Buffer.from(held.subarray(Math.max(0, held.length - tailMax)));
      const safe = held.subarray(0, held.length - tail.length);
      held = Buffer.alloc(0);
      if (safe.length > 0) yield safe;
      await more();
      const joined = Buffer.concat([tail, held.subarray(0, tailMax)]);
      // Only where both together might hold a delimiter, or are too short to tell, do they become one piece.
      if (held.length < tailMax || joined.includes(delimiter)) held = Buffer.concat([tail, held]);
      else if (tail.length > 0) yield tail;
    }
  }

  async function partHeaders(): Promise<string | undefined> {
    while (held.length < 2) await more();
    if (held.toString("latin1", 0, 2) === "--") return undefined;
    for (;;) {
      const at = held.indexOf("\r\n\r\n");
      if (at > partHeaderBytesMax || (at < 0 && held.length > partHeaderBytesMax))
        throw problem.tooLarge("The header of a part of the form", partHeaderBytesMax, "bytes");
      if (at >= 0) {
        const headers = held.toString("utf8", 0, at);
        held = held.subarray(at + 4);
        return headers;
      }
      await more();
    }
  }

  async function* restOfFile(): AsyncGenerator<Buffer> {
    yield* untilDelimiter();
    while ((await source.next()).done !== true);
  }

  const none = () => problem.invalid("The multipart form holds no file: no part of it has a file name.");
  for (let parts = 0; parts <= partsBeforeFileMax; parts++) {
    for await (const piece of untilDelimiter()) void piece;
    const headers = await partHeaders();
    if (headers === undefined) throw none();
    const disposition = /^content-disposition:(.*)$/im.exec(headers)?.[1];
    const fileName = disposition === undefined ? undefined : fileNameIn(disposition);
    if (fileName !== undefined) return { fileName, content: restOfFile() };
  }
  throw none();
}

/** The name of the file in a Content-Disposition, without the folders some clients send with it. */
export function fileNameIn(disposition: string): string | undefined {
  const encoded = /;\s*filename\*\s*=\s*utf-8'[^']*'([^\s;]+)/i.exec(disposition)?.[1];
  const quoted = /;\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(disposition)?.[1];
  const bare = /;\s*filename\s*=\s*([^\s;"]+)/i.exec(disposition)?.[1];
  let name = quoted?.replace(/\\(["\\])/g, "$1") ?? bare;
  if (encoded !== undefined) {
    try {
      name = decodeURIComponent(encoded);
    } catch {
      // A broken encoding: the plain name counts.
    }
  }
  const last = name?.split(/[/\\]/).at(-1);
  return last === undefined || last === "" ? undefined : last;
}
