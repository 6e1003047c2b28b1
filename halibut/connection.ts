/**
 * One TLS connection with its conversation: frames in and out, each under a deadline and each checked against whose turn it is.
 * It knows nothing of contracts, pools or retries.
 */
import type { TLSSocket } from "node:tls";
import type { BsonDocument } from "./bson.ts";
import { advance, startOf } from "./conversation.ts";
import type { ConversationState, Move } from "./conversation.ts";
import type { IncomingStream, OutgoingStream, SpoolPlace } from "./data-streams.ts";
import { ConnectionError, ProtocolError } from "./errors.ts";

import {
  clientIdentity,
  controlWord,
  createFrameReader,
  encodeMessage,
  helloBlock,
  serverIdentity,
  streamHeader,
  streamTrailer,
  subscriberIdentity,
} from "./frames.ts";
import type { ByteSource, ControlWord, Hello, Identity, Wait } from "./frames.ts";
import { TIMER_MS_MAX } from "./limits.ts";
import type { HalibutLimits } from "./limits.ts";
import type { OutgoingMessage } from "./messages.ts";

export interface Connection {
  readonly state: ConversationState;
  /** Aborted when the connection is gone, whoever ended it. */
  readonly closed: AbortSignal;
  readonly remote: string;
  readHello(): Promise<Hello>;
  /** Hello block and identity of the connecting side, in one write. */
  introduce(subscription?: string): Promise<void>;
  readIdentity(): Promise<Identity>;
  sendServerIdentity(): Promise<void>;
  sendControl(word: ControlWord): Promise<void>;
  readControl(waitMs: number): Promise<ControlWord>;
  /** For a pause in which the peer should be silent: a signal that is aborted when it speaks or goes. `stop` when the pause is over. */
  listenIn(): { signal: AbortSignal; stop(): void };
  /** A request, response or empty message with its streams. `onFirstByte` is called immediately before the first byte leaves. */
  sendMessage(move: "request" | "response" | "nothing", message: OutgoingMessage, onFirstByte?: () => void): Promise<void>;
  /** Reads a request (or the empty message, or END in its place) or a response. `decode` says which it was. */
  readMessage<T>(
    firstByteMs: number,
    decode: (envelope: BsonDocument) => { move: "request" | "response" | "nothing"; value: T },
  ): Promise<T>;
  /** Reads the frames behind a message into the streams it mentions, in whatever order they come. */
  readStreams(incoming: readonly IncomingStream[], place: SpoolPlace): Promise<void>;
  /** Says END if it is our turn to, and closes after a short grace. */
  end(): void;
  /** Closes at once; whatever waits fails with `reason`. */
  destroy(reason: Error): void;
  /** For what is not part of the conversation: the web page. Writes, then closes once the peer has, or after the grace. */
  answerAndClose(bytes: Buffer): void;
}

/** What is sent is joined and cut into pieces of this size: four TLS records, and a peer that takes one within `stallMs` is alive. */
const WRITE_BYTES = 64 * 1024;

/** Takes over a socket whose TLS handshake is done. */
export function createConnection(parts: { socket: TLSSocket; side: "connector" | "listener"; limits: HalibutLimits }): Connection {
  const { socket, limits } = parts;
  const remote = `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`;
  const closed = new AbortController();
  let state = startOf(parts.side);
  let failure: Error | null = null;
  let ended = false;
  let wake: () => void = () => {};

  socket.setNoDelay(true);
  socket.setKeepAlive(true, 15_000);

  function fail(error: Error): void {
    failure ??= error;
    wake();
    if (!closed.signal.aborted) closed.abort(failure);
  }

  socket.on("readable", () => wake());
  socket.on("end", () => {
    ended = true;
    wake();
  });
  socket.on("error", (error) => fail(new ConnectionError("failed", `The connection failed: ${error.message}`, error)));
  socket.on("close", () => fail(new ConnectionError("ended", "The connection is closed.")));

  function destroy(reason: Error): void {
    fail(reason);
    socket.destroy();
  }

  let wait: Wait = { what: "anything", totalMs: 0 };
  let waitUntil = 0;

  const source: ByteSource = {
    beginWait(next) {
      wait = next;
      waitUntil = performance.now() + next.totalMs;
    },
    async read() {
      const stallUntil = performance.now() + (wait.stallMs ?? Number.POSITIVE_INFINITY);
      for (;;) {
        if (failure !== null) throw failure;
        const piece = socket.read() as Buffer | null;
        if (piece !== null) return piece;
        if (ended || socket.readableEnded) return null;
        const ms = Math.min(waitUntil, stallUntil) - performance.now();
        if (ms <= 0) {
          const error = new ConnectionError("too-slow", `The peer took too long to send ${wait.what}.`);
          destroy(error);
          throw error;
        }
        await wakened(ms);
      }
    },
  };

  function wakened(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(Math.ceil(ms), TIMER_MS_MAX)); // whoever waits looks at the clock again
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  const frames = createFrameReader(source, limits);

  function move(made: Move): void {
    state = advance(state, made);
  }

  /** Hands bytes to the kernel and waits until it has taken them, so that a slow peer slows the sender. */
  async function write(bytes: Buffer, what: string): Promise<void> {
    if (failure !== null) throw failure;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        const error = new ConnectionError("too-slow", `The peer took too long to take ${what}.`);
        destroy(error);
        reject(error);
      }, limits.stallMs);
      socket.write(bytes, (error) => {
        clearTimeout(timer);
        if (error) reject(failure ?? new ConnectionError("failed", `The connection failed while sending ${what}: ${error.message}`, error));
        else resolve();
      });
    });
  }

  return {
    get state() {
      return state;
    },
    closed: closed.signal,
    remote,

    async readHello() {
      const hello = await frames.readHello({ what: "the hello block", totalMs: limits.helloMs });
      if (hello === "halibut") move("receive hello");
      return hello;
    },

    async introduce(subscription) {
      move("send hello");
      move(subscription === undefined ? "send client-identity" : "send subscriber-identity");
      await write(
        Buffer.concat([helloBlock, subscription === undefined ? clientIdentity : subscriberIdentity(subscription)]),
        "our identity",
      );
    },

    async readIdentity() {
      const identity = await frames.readIdentity({ what: "its identity", totalMs: limits.identityMs });
      move(`receive ${identity.kind}`);
      return identity;
    },

    async sendServerIdentity() {
      move("send server-identity");
      await write(serverIdentity, "our identity");
    },

    async sendControl(word) {
      move(`send ${word}`);
      await write(controlWord(word), word);
    },

    async readControl(waitMs) {
      const word = await frames.readControlWord({ what: "a control word", totalMs: waitMs });
      move(`receive ${word}`);
      return word;
    },

    listenIn() {
      const heard = new AbortController();
      const hear = (): void => {
        if (socket.readableLength > 0 || frames.hasUnread || ended || failure !== null) heard.abort();
      };
      socket.on("readable", hear);
      socket.on("end", hear);
      closed.signal.addEventListener("abort", hear);
      hear();
      return {
        signal: heard.signal,
        stop() {
          socket.removeListener("readable", hear);
          socket.removeListener("end", hear);
          closed.signal.removeEventListener("abort", hear);
        },
      };
    },

    async sendMessage(kind, message, onFirstByte) {
      const head = await encodeMessage(message.document);
      move(`send ${kind}`);
      if (failure !== null) throw failure;
      let started = false;
      for await (const bytes of joined(head, message.streams)) {
        if (!started) onFirstByte?.();
        started = true;
        await write(bytes, `a ${kind}`);
      }
    },

    async readMessage(firstByteMs, decode) {
      const envelope = await frames.readMessage(
        { what: "a message", totalMs: firstByteMs },
        { what: "the rest of a message", totalMs: limits.messageMs, stallMs: limits.stallMs },
      );
      const { move: made, value } = decode(envelope);
      move(`receive ${made}`);
      return value;
    },

    async readStreams(incoming, place) {
      const wait: Wait = { what: "the rest of a stream", totalMs: Number.POSITIVE_INFINITY, stallMs: limits.stallMs };
      for (let count = 0; count < incoming.length; count++) {
        const { id, length } = await frames.readStreamHeader(wait);
        const stream = incoming.find((candidate) => candidate.id === id && !candidate.filled);
        if (stream === undefined) throw new ProtocolError(`A stream came that the message does not mention: ${id}.`);
        await stream.fill(length, frames.readStreamContent(length, wait), place);
      }
    },

    end() {
      if (failure !== null || socket.destroyed) return;
      try {
        move("send END");
        socket.end(controlWord("END"));
      } catch {
        socket.end();
      }
      setTimeout(() => socket.destroy(), limits.closeMs).unref();
      // What the peer still sends (a PROCEED that crossed our END) is thrown away, so that the close can complete.
      socket.removeAllListeners("readable");
      socket.resume();
      fail(new ConnectionError("ended", "The connection is closed."));
    },

    destroy,

    answerAndClose(bytes) {
      socket.end(bytes);
      setTimeout(() => socket.destroy(), limits.closeMs).unref();
      // Unread bytes at the close would make the kernel reset the connection, and the peer could lose the answer.
      socket.removeAllListeners("readable");
      socket.resume();
    },
  };
}

/** A message and its streams as buffers worth writing: small parts joined, large ones in slices, so that each write has its own deadline. */
async function* joined(head: Buffer, streams: readonly OutgoingStream[]): AsyncGenerator<Buffer, void, void> {
  let parts: Buffer[] = [];
  let size = 0;
  function* add(bytes: Uint8Array): Generator<Buffer, void, void> {
    for (let at = 0; at < bytes.length;) {
      // A copy, because whoever yielded these bytes may use their buffer again.
      const part = Buffer.from(bytes.subarray(at, at + WRITE_BYTES - size));
      at += part.length;
      parts.push(part);
      size += part.length;
      if (size === WRITE_BYTES) yield take();
    }
  }
  function take(): Buffer {
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    parts = [];
    size = 0;
    return bytes;
  }
  yield* add(head);
  for (const { id, stream } of streams) {
    const { length } = stream;
    yield* add(streamHeader(id, length));
    let sent = 0;
    for await (const piece of stream.open()) {
      sent += piece.length;
      if (sent > length) break;
      yield* add(piece);
    }
    if (sent !== length) throw new TypeError(`A stream promised ${length} bytes and has ${sent > length ? "more" : `only ${sent}`}.`);
    yield* add(streamTrailer(length));
  }
  if (size > 0) yield take();
}
