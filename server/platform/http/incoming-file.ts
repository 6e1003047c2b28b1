// A file on its way in, never held as a whole: the first file of a multipart form, or a body that is the file. What comes after it
// is read and dropped, so that the client can finish sending and read its answer.

import type { IncomingMessage } from "node:http";
import { finished } from "node:stream";
import type { Content } from "../../base/content.ts";
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
/** Who reads into large memory hears of a slow client this often. */
const readWaitMs = 1_000;
/** Who takes pieces gets them up to this size. */
const pieceBytes = 64 * 1024;
const carriageReturn = 13;

export interface IncomingFile {
  /** Without folders; undefined when the client named none. */
  fileName: string | undefined;
  /**
   * Can be read once. Throws Problem when the body ends early, is no form, or grows past the limit. The memory of a piece is used again when the
   * next one is asked for: who needs it longer copies it.
   */
  content: Required<Content>;
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
  const body = openBody(request, fileBytesMax);
  try {
    return await use(await openFile(request, fileBytesMax, body));
  } finally {
    body.close();
    drain(request);
  }
}

async function openFile(request: IncomingMessage, fileBytesMax: number, body: Body): Promise<IncomingFile> {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > fileBytesMax + formBytesMax) throw problem.tooLarge("The file", fileBytesMax, "bytes");
  const type = request.headers["content-type"] ?? "application/octet-stream";
  const media = type.split(";")[0]!.trim().toLowerCase();
  if (media === "multipart/form-data") {
    const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(type);
    const text = boundary?.[1] ?? boundary?.[2];
    if (text === undefined || text.length > boundaryCharactersMax)
      throw problem.invalid("The multipart form names no usable boundary in its Content-Type.");
    return firstFile(body, text);
  }
  if (media === "application/x-www-form-urlencoded" || media === "application/json" || media === "text/json")
    throw new Problem(415, `Content type '${media}' is not accepted here. Send multipart/form-data with a file, or the file itself.`);
  const disposition = request.headers["content-disposition"];
  const wholeBody = createReader(
    body,
    undefined,
    (chunk) => ({ parts: [chunk], isLast: false }),
    () => undefined,
  );
  return { fileName: disposition === undefined ? undefined : fileNameIn(disposition), content: contentOf(wholeBody) };
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

interface Body {
  /**
   * Hands over the chunks that come until `take` answers that it has enough, all in the turn in which they come: a promise for each would
   * cost more than all else that is done with it. Answers false when the body ended before. One call at a time.
   * @throws Problem 400 when the connection is gone, 413 when more came than a file may have
   */
  each(take: (chunk: Buffer) => "more" | "enough"): Promise<boolean>;
  close(): void;
}

function openBody(request: IncomingMessage, fileBytesMax: number): Body {
  const { socket } = request;
  const cut = (): void => void socket.destroy();
  let bytes = 0;
  let end: { failed?: unknown } | undefined;
  let taker:
    | { take: (chunk: Buffer) => "more" | "enough"; resolve: (isMore: boolean) => void; reject: (error: unknown) => void }
    | undefined;

  function settle(how: (waiting: NonNullable<typeof taker>) => void): void {
    const waiting = taker;
    taker = undefined;
    if (waiting !== undefined) how(waiting);
  }
  function ended(failed?: unknown): void {
    const { failed: why } = (end ??= { failed });
    request.pause();
    settle(({ resolve, reject }) => (why === undefined ? resolve(false) : reject(why)));
  }
  function came(chunk: Buffer): void {
    bytes += chunk.length;
    if (bytes > fileBytesMax + formBytesMax) return ended(problem.tooLarge("The file", fileBytesMax, "bytes"));
    try {
      if (taker!.take(chunk) === "more") return;
      request.pause();
      settle(({ resolve }) => resolve(true));
    } catch (error) {
      ended(error);
    }
  }

  socket.setTimeout(uploadIdleTimeoutMs, cut);
  request.pause();
  request.on("data", came);
  const unwatch = finished(request, { writable: false }, (error) => {
    if (!error) return ended();
    // Nobody reads this answer; it only says in the log that the fault was not ours.
    ended(new Problem(400, "The connection ended before the whole file had arrived. Nothing was stored.", undefined, { cause: error }));
  });
  return {
    each: (take) =>
      new Promise((resolve, reject) => {
        taker = { take, resolve, reject };
        if (end === undefined) request.resume();
        else ended();
      }),
    close() {
      request.off("data", came);
      unwatch();
      socket.setTimeout(0);
      socket.off("timeout", cut);
    },
  };
}

/** Fills the memory from its beginning, unless the client is slow; answers 0 at the end. */
type Read = (memory: Uint8Array) => Promise<number>;

function contentOf(read: Read): Required<Content> {
  return {
    readInto: read,
    async *[Symbol.asyncIterator]() {
      const memory = Buffer.allocUnsafeSlow(pieceBytes);
      for (let bytes = await read(memory); bytes > 0; bytes = await read(memory)) yield memory.subarray(0, bytes);
    },
  };
}

/**
 * Reads what `look` finds in each chunk, from `first` on; nothing comes after the last one. The chunk's memory is given back as soon as all of it
 * has been read. `atEnd` says by throwing that the body may not end before.
 */
function createReader(
  body: Body,
  first: Buffer | undefined,
  look: (chunk: Buffer) => { parts: Buffer[]; isLast: boolean },
  atEnd: () => void,
): Read {
  let chunk: Buffer | undefined;
  let found: { parts: Buffer[]; isLast: boolean } = { parts: [], isLast: false };
  return async (memory) => {
    const untilMs = performance.now() + readWaitMs;
    let filled = 0;
    const isEnough = (): boolean => {
      const { parts, isLast } = found;
      for (let part = parts[0]; part !== undefined && filled < memory.length; part = parts[0]) {
        const bytes = part.copy(memory, filled);
        filled += bytes;
        if (bytes < part.length) parts[0] = part.subarray(bytes);
        else parts.shift();
      }
      // What follows the last one is still needed.
      if (parts.length === 0 && chunk !== undefined && !isLast) giveBack(chunk);
      return isLast || filled === memory.length || (filled > 0 && performance.now() > untilMs);
    };
    const take = (next: Buffer): "more" | "enough" => {
      chunk = next;
      found = look(next);
      return isEnough() ? "enough" : "more";
    };
    if (isEnough()) return filled;
    const begun = first;
    first = undefined;
    if (begun !== undefined && take(begun) === "enough") return filled;
    if (!(await body.each(take))) atEnd();
    return filled;
  };
}

async function firstFile(body: Body, boundary: string): Promise<IncomingFile> {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const searched = delimiter.subarray(0, searchedBytes);
  const tailMax = delimiter.length - 1; // so much could be the beginning of a delimiter
  const none = Buffer.alloc(0);
  let held: Buffer = Buffer.from("\r\n"); // so that the first delimiter looks like every other

  function throwEndedEarly(): never {
    throw problem.invalid("The multipart form ended before its closing boundary, so the file is not complete. Nothing was stored.");
  }

  async function more(): Promise<void> {
    const isMore = await body.each((chunk) => {
      held = Buffer.concat([held, chunk]);
      giveBack(chunk);
      return "enough";
    });
    if (!isMore) throwEndedEarly();
  }

  /** Reads up to the next delimiter. What has come after that is held. */
  function untilDelimiter(): Read {
    const first = held;
    held = none;
    let tail = none;
    return createReader(
      body,
      first,
      (chunk) => {
        const parts: Buffer[] = [];
        let looked = chunk;
        if (tail.length > 0) {
          const joined = Buffer.concat([tail, chunk.subarray(0, tailMax)]);
          // Only where both together might hold a delimiter, or are too short to tell, do they become one piece.
          if (chunk.length < tailMax || joined.includes(delimiter)) looked = Buffer.concat([tail, chunk]);
          else parts.push(tail);
          tail = none;
        }
        const near = looked.indexOf(searched);
        const at = near < 0 ? near : looked.indexOf(delimiter, near);
        if (at >= 0) {
          held = looked.subarray(at + delimiter.length);
          if (at > 0) parts.push(looked.subarray(0, at));
          return { parts, isLast: true };
        }
        const begin = looked.indexOf(carriageReturn, Math.max(0, looked.length - tailMax));
        const safe = begin < 0 ? looked.length : begin;
        // The chunk's memory is gone when the next one comes.
        if (begin >= 0) tail = Buffer.from(looked.subarray(begin));
        if (safe > 0) parts.push(looked.subarray(0, safe));
        return { parts, isLast: false };
      },
      throwEndedEarly,
    );
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

  function restOfFile(): Read {
    const read = untilDelimiter();
    return async (memory) => {
      const bytes = await read(memory);
      // The file counts once all has come that was sent with it.
      if (bytes === 0) await body.each(() => "more");
      return bytes;
    };
  }

  const noFile = () => problem.invalid("The multipart form holds no file: no part of it has a file name.");
  const dropped = Buffer.allocUnsafeSlow(pieceBytes);
  for (let count = 0; count <= partsBeforeFileMax; count++) {
    const part = untilDelimiter();
    while ((await part(dropped)) > 0);
    const headers = await partHeaders();
    if (headers === undefined) throw noFile();
    const disposition = /^content-disposition:(.*)$/im.exec(headers)?.[1];
    const fileName = disposition === undefined ? undefined : fileNameIn(disposition);
    if (fileName !== undefined) return { fileName, content: contentOf(restOfFile()) };
  }
  throw noFile();
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
