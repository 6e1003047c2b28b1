/**
 * Bytes ↔ frames: hello block, identity lines, control words, compressed messages and stream frames. It knows the form of a frame and nothing
 * of whose turn it is; bytes come from a `ByteSource`, so that a socket, a recording or a test can stand behind it.
 */
import { decodeBson, encodeBson, guidFromBytes, guidToBytes } from "./bson.ts";
import type { BsonDocument } from "./bson.ts";
import { compress, createInflateProbe, inflateAtOnce, inflateComplete } from "./deflate.ts";
import { ConnectionError, ProtocolError } from "./errors.ts";
import type { HalibutLimits } from "./limits.ts";

/** One wait for bytes: `what` is named in the error, `totalMs` bounds the whole frame, `stallMs` each silence within it. */
export interface Wait {
  what: string;
  totalMs: number;
  stallMs?: number;
}

/** Where a reader gets its bytes. `read` answers the next piece (never empty), or null at the end; it may throw ConnectionError. */
export interface ByteSource {
  beginWait(wait: Wait): void;
  read(): Promise<Buffer | null>;
}

export type Hello = "halibut" | "other" | "nothing";

export type Identity = { kind: "client-identity" } | { kind: "subscriber-identity"; subscription: string } | { kind: "server-identity" };

export type ControlWord = "NEXT" | "PROCEED" | "END";

export interface StreamHeader {
  id: string;
  length: number;
}

export interface FrameReader {
  /** Bytes taken out of the source and used by a frame so far. */
  readonly consumedBytes: number;
  /** Whether bytes were taken out of the source that no frame has used yet. */
  readonly hasUnread: boolean;
  readHello(wait: Wait): Promise<Hello>;
  readIdentity(wait: Wait): Promise<Identity>;
  readControlWord(wait: Wait): Promise<ControlWord>;
  /** The BSON of one message. `first` bounds the wait for its first byte, `rest` what follows. */
  readMessage(first: Wait, rest: Wait): Promise<BsonDocument>;
  readStreamHeader(wait: Wait): Promise<StreamHeader>;
  /** The content of a stream in pieces, then its trailer. */
  readStreamContent(length: number, wait: Wait): AsyncGenerator<Buffer, void, void>;
}

export const helloBlock = Buffer.from("MX\r\n\r\n");
export const serverIdentity = Buffer.from("MX-SERVER 1.0\r\n\r\n");
export const clientIdentity = Buffer.from("MX-CLIENT 1.0\r\n\r\n");

export function subscriberIdentity(subscription: string): Buffer {
  if (!/^[\x21-\x7e]+$/.test(subscription)) throw new TypeError("A subscription is one word of visible characters.");
  return Buffer.from(`MX-SUBSCRIBER 1.0 ${subscription}\r\n\r\n`);
}

export function controlWord(word: ControlWord): Buffer {
  return Buffer.from(`${word}\r\n`);
}

/** Bytes a sender's deflate stream may need after the last byte of the document, tried one by one at worst. */
const TAIL_ATTEMPTS_MAX = 64;

/** One message as it goes over the wire, without its streams. */
export async function encodeMessage(document: BsonDocument): Promise<Buffer> {
  return compress(encodeBson(document));
}

/** Header of a stream frame: id and length. */
export function streamHeader(id: string, length: number): Buffer {
  const header = Buffer.allocUnsafe(24);
  guidToBytes(id).copy(header);
  header.writeBigInt64LE(BigInt(length), 16);
  return header;
}

/** Trailer of a stream frame: the length again. */
export function streamTrailer(length: number): Buffer {
  const trailer = Buffer.allocUnsafe(8);
  trailer.writeBigInt64LE(BigInt(length), 0);
  return trailer;
}

/** Reads frames one after the other; what a frame does not need stays for the next one. */
export function createFrameReader(source: ByteSource, limits: HalibutLimits): FrameReader {
  let unread: Buffer | null = null;
  let consumed = 0;

  /** The next piece, or null at the end. Whoever takes from it says so with `consume`. */
  async function peek(): Promise<Buffer | null> {
    return unread ?? (unread = await source.read());
  }

  function consume(piece: Buffer, bytes: number): void {
    consumed += bytes;
    unread = bytes < piece.length ? piece.subarray(bytes) : null;
  }

  async function peekOrFail(what: string): Promise<Buffer> {
    const piece = await peek();
    if (piece === null) throw new ConnectionError("ended", `The peer closed the connection before ${what} was complete.`);
    return piece;
  }

  async function readHello(wait: Wait): Promise<Hello> {
    source.beginWait(wait);
    let start = "";
    let characters = 0;
    let afterLineFeed = false;
    for (;;) {
      const piece = await peek();
      if (piece === null) return characters === 0 ? "nothing" : start === "MX" ? "halibut" : "other";
      for (let i = 0; i < piece.length; i++) {
        const byte = piece[i]!;
        if (byte === 13) continue;
        if (characters++ < 2) start += String.fromCharCode(byte);
        const ended = byte === 10 && afterLineFeed;
        afterLineFeed = byte === 10;
        if (!ended && characters < limits.helloCharactersMax) continue;
        consume(piece, i + 1);
        return start === "MX" ? "halibut" : "other";
      }
      consume(piece, piece.length);
    }
  }

  async function readLine(what: string, bytesMax: number): Promise<string> {
    const line: number[] = [];
    let afterCarriageReturn = false;
    for (;;) {
      const piece = await peekOrFail(what);
      for (let i = 0; i < piece.length; i++) {
        const byte = piece[i]!;
        if (afterCarriageReturn) {
          if (byte !== 10) throw new ProtocolError(`${what} has a carriage return without a line feed.`);
          consume(piece, i + 1);
          return Buffer.from(line).toString("utf8");
        }
        if (byte === 13) afterCarriageReturn = true;
        else if (byte === 10) throw new ProtocolError(`${what} has a line feed without a carriage return.`);
        else if (line.push(byte) > bytesMax) throw new ProtocolError(`${what} is longer than ${bytesMax} bytes.`);
      }
      consume(piece, piece.length);
    }
  }

  async function readIdentity(wait: Wait): Promise<Identity> {
    source.beginWait(wait);
    const line = await readLine("The identity line", limits.identityLineBytesMax);
    const words = line.split(" ").filter((word) => word !== "");
    let identity: Identity;
    if (words[0] === "MX-CLIENT") identity = { kind: "client-identity" };
    else if (words[0] === "MX-SERVER") identity = { kind: "server-identity" };
    else if (words[0] === "MX-SUBSCRIBER" && words[2] !== undefined) identity = { kind: "subscriber-identity", subscription: words[2] };
    else throw new ProtocolError("The identity line names no known kind of peer.");
    if ((await readLine("The line after the identity", limits.identityLineBytesMax)) !== "")
      throw new ProtocolError("The identity line is not followed by an empty line.");
    return identity;
  }

  async function readControlWord(wait: Wait): Promise<ControlWord> {
    source.beginWait(wait);
    for (let empty = 0; empty <= limits.controlEmptyLinesMax; empty++) {
      const word = await readLine("The control word", 16);
      if (word === "NEXT" || word === "PROCEED" || word === "END") return word;
      if (word !== "") throw new ProtocolError("The peer sent something else where a control word was due.");
    }
    throw new ProtocolError("The peer sent only empty lines where a control word was due.");
  }

  async function readMessage(first: Wait, rest: Wait): Promise<BsonDocument> {
    source.beginWait(first);
    const piece = await peekOrFail("a message");
    source.beginWait(rest);
    // The usual case: the whole message has arrived in one piece.
    const whole = inflateAtOnce(piece, limits.messageBytesMax);
    if (whole !== undefined) consume(piece, whole.consumedBytes);
    return decodeBson(whole?.content ?? (await inflateInPieces()), limits);
  }

  /**
   * A message in several pieces. A probe inflates them as they come and only counts: it tells how long the document is and when all of it is
   * there. zlib reports the end of a deflate stream only when bytes follow it, so from the document's last byte on the whole is inflated again
   * after each piece until it proves complete; an ordinary sender is done with the first try.
   */
  async function inflateInPieces(): Promise<Buffer> {
    const probe = createInflateProbe(limits.messageBytesMax);
    const pieces: Buffer[] = [];
    let compressedBytes = 0;
    let tailAttempts = 0;
    try {
      for (;;) {
        const piece = await peekOrFail("a message");
        compressedBytes += piece.length;
        if (compressedBytes > limits.messageCompressedBytesMax)
          throw new ProtocolError(`A message has more than ${limits.messageCompressedBytesMax} compressed bytes.`);
        pieces.push(piece);
        const before = compressedBytes - piece.length;
        await probe.feed(piece);
        if (!probe.documentComplete()) {
          consume(piece, piece.length);
          continue;
        }
        if (++tailAttempts > TAIL_ATTEMPTS_MAX) throw new ProtocolError("A message's deflate stream does not end where its document does.");
        const done = await inflateComplete(Buffer.concat(pieces), limits.messageBytesMax);
        if (done === undefined) {
          consume(piece, piece.length);
          continue;
        }
        consume(piece, done.consumedBytes - before);
        return done.content;
      }
    } finally {
      probe.close();
    }
  }

  async function readExactly(count: number, what: string): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(count);
    let have = 0;
    while (have < count) {
      const piece = await peekOrFail(what);
      const take = Math.min(piece.length, count - have);
      piece.copy(bytes, have, 0, take);
      have += take;
      consume(piece, take);
    }
    return bytes;
  }

  async function readStreamHeader(wait: Wait): Promise<StreamHeader> {
    source.beginWait(wait);
    const header = await readExactly(24, "a stream header");
    const length = header.readBigInt64LE(16);
    if (length < 0n || length > BigInt(limits.streamBytesMax))
      throw new ProtocolError(`A stream of ${length} bytes is not allowed; the limit is ${limits.streamBytesMax}.`);
    return { id: guidFromBytes(header.subarray(0, 16)), length: Number(length) };
  }

  async function* readStreamContent(length: number, wait: Wait): AsyncGenerator<Buffer, void, void> {
    source.beginWait(wait);
    let left = length;
    while (left > 0) {
      const piece = await peekOrFail("a stream");
      const take = Math.min(piece.length, left);
      consume(piece, take);
      left -= take;
      yield piece.subarray(0, take);
    }
    const again = (await readExactly(8, "a stream trailer")).readBigInt64LE(0);
    if (again !== BigInt(length)) throw new ProtocolError(`A stream of ${length} bytes ends with the length ${again}.`);
  }

  return {
    get consumedBytes() {
      return consumed;
    },
    get hasUnread() {
      return unread !== null;
    },
    readHello,
    readIdentity,
    readControlWord,
    readMessage,
    readStreamHeader,
    readStreamContent,
  };
}
