// Answers that last: server-sent events. A stream takes from its source only what its reader takes from it, proves again and again that
// the reader may still see it, says something at least every few seconds, and ends when the node stops, so that the reader goes elsewhere.

import { Readable } from "node:stream";
import { monotonicMs } from "../../base/clock.ts";
import { problem } from "../../base/problems.ts";
import { problemOf } from "./problem-answer.ts";
import type { Answer } from "./route.ts";

/** Open at once on this node: each takes a socket and a small buffer. */
const streamsMaxDefault = 500;
/** Open at once here for one user: some browser windows, not a leak of them. */
const streamsPerUserMaxDefault = 20;
/** Bytes that wait for a slow reader; beyond them its source is not asked any more. */
const bufferedBytesMax = 64 * 1024;
/** A reader that takes nothing for so long is cut off; it can go on where it was. */
const stalledMsDefault = 60_000;
/** Balancers and proxies close what is silent; the shortest usual patience is 30 s. */
const heartbeatMsDefault = 10_000;
/** Whoever loses the right to see it loses the stream within this and one look. */
const recheckMsDefault = 2_000;
/** How often all streams are looked at for the three above. */
const lookMs = 500;
/** At a stop, last words to readers that take nothing are not waited for longer. */
const lastWordsMs = 3_000;
/** Told to readers: how long to wait before they come again. */
const reconnectMs = 500;
/** Readers that came to a stopping node ask again after this, by then at another one. */
const stoppingRetrySeconds = 1;
const tooManyRetrySeconds = 5;

export interface EventStreamsOptions {
  streamsMax?: number;
  streamsPerUserMax?: number;
  stalledMs?: number;
  heartbeatMs?: number;
  recheckMs?: number;
}

export interface EventStreams {
  /**
   * An answer that ends when its source does. `source` yields whole events (`eventText`), and is asked for the next ones only when
   * the reader has room for them. What it throws ends the stream; a Problem is told to the reader as the event `refused`.
   * @throws Problem 429 or 503 when too many are open or the node stops
   */
  open(stream: { userId: string | null; recheck: () => Promise<void>; source: (signal: AbortSignal) => AsyncIterable<string> }): Answer;
  /** How many are open. */
  count(): number;
  /** Ends all with a hint to connect anew, and opens no more. Resolves when all sources have ended. */
  close(): Promise<void>;
}

/** One event as it goes over the wire. `data` becomes JSON, which holds no line breaks. */
export function eventText(event: string, data: unknown, id?: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

interface Open {
  userId: string | null;
  look(): void;
  /** Ends it with these last words. */
  end(words: string): void;
  cut(): void;
  done: Promise<void>;
}

/** `reportFault` hears of errors of sources that are our fault. */
export function createEventStreams(parts: { reportFault: (error: unknown) => void }, options: EventStreamsOptions = {}): EventStreams {
  const streamsMax = options.streamsMax ?? streamsMaxDefault;
  const streamsPerUserMax = options.streamsPerUserMax ?? streamsPerUserMaxDefault;
  const stalledMs = options.stalledMs ?? stalledMsDefault;
  const heartbeatMs = options.heartbeatMs ?? heartbeatMsDefault;
  const recheckMs = options.recheckMs ?? recheckMsDefault;
  const all = new Set<Open>();
  let timer: NodeJS.Timeout | undefined;
  let closing = false;

  function admit(userId: string | null): void {
    if (closing) throw problem.unavailable("This node is stopping. Connect again to be served by another one.", stoppingRetrySeconds);
    if (all.size >= streamsMax)
      throw problem.unavailable(`This node has ${streamsMax} streams open already and opens no more at once.`, tooManyRetrySeconds);
    const own = [...all].filter((one) => one.userId === userId).length;
    if (own >= streamsPerUserMax)
      throw problem.tooMany(`You have ${streamsPerUserMax} streams open on this node already; close some of them.`, tooManyRetrySeconds);
  }

  function begin(userId: string | null, recheck: () => Promise<void>, source: (signal: AbortSignal) => AsyncIterable<string>): Readable {
    const gone = new AbortController();
    let resume = (): void => {};
    let hasRoom = true;
    let fullSinceMs = 0;
    let saidAtMs = monotonicMs();
    let checkedAtMs = monotonicMs();
    let checking = false;
    let ended = false;
    const stream = new Readable({
      highWaterMark: bufferedBytesMax,
      read() {
        hasRoom = true;
        resume();
      },
      destroy(error, callback) {
        gone.abort();
        resume();
        callback(error);
      },
    });

    function say(text: string): void {
      if (ended || stream.destroyed || text === "") return;
      saidAtMs = monotonicMs();
      if (stream.push(text)) return;
      hasRoom = false;
      fullSinceMs = saidAtMs;
    }
    function end(words: string): void {
      if (ended || stream.destroyed) return;
      say(words);
      ended = true;
      stream.push(null);
      gone.abort();
      resume();
    }
    /** What an error means for the reader: it may not, it should come again, or we are wrong. */
    function fail(error: unknown): void {
      const known = problemOf(error, { bodyBytesMax: 0 });
      if (known === undefined && !gone.signal.aborted) parts.reportFault(error);
      if (known === undefined || known.status >= 500) end(reconnectText);
      else end(eventText("refused", { Status: known.status, ErrorMessage: known.message }));
    }

    async function run(): Promise<void> {
      say(`retry: ${reconnectMs}\n\n`);
      try {
        for await (const text of source(gone.signal)) {
          say(text);
          while (!hasRoom && !gone.signal.aborted) await new Promise<void>((wake) => (resume = wake));
          if (gone.signal.aborted) return;
        }
        end("");
      } catch (error) {
        fail(error);
      }
    }

    const own: Open = {
      userId,
      end,
      cut: () => void stream.destroy(),
      look() {
        const nowMs = monotonicMs();
        if (ended) {
          // The last words have to arrive within the same time.
          if (!hasRoom && nowMs - fullSinceMs > stalledMs) stream.destroy();
          return;
        }
        if (!hasRoom) {
          if (nowMs - fullSinceMs > stalledMs) stream.destroy();
        } else if (nowMs - saidAtMs > heartbeatMs) say(": still here\n\n");
        if (checking || nowMs - checkedAtMs < recheckMs) return;
        checking = true;
        void recheck()
          .catch(fail)
          .finally(() => {
            checkedAtMs = monotonicMs();
            checking = false;
          });
      },
      done: Promise.resolve(),
    };
    all.add(own);
    timer ??= setInterval(() => {
      for (const one of all) one.look();
    }, lookMs);
    const closed = new Promise<void>((resolve) => stream.once("close", () => resolve()));
    own.done = Promise.all([run(), closed]).then(() => {
      all.delete(own);
      if (all.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    });
    return stream;
  }

  return {
    open({ userId, recheck, source }) {
      admit(userId);
      return {
        status: 200,
        body: begin(userId, recheck, source),
        contentType: "text/event-stream; charset=utf-8",
        // Nothing on the way may keep events back to send them together.
        headers: { "cache-control": "no-store, no-transform", "x-accel-buffering": "no", connection: "close" },
      };
    },
    count: () => all.size,
    async close() {
      closing = true;
      for (const one of all) one.end(reconnectText);
      const late = setTimeout(() => {
        for (const one of all) one.cut();
      }, lastWordsMs);
      await Promise.all([...all].map((one) => one.done));
      clearTimeout(late);
    },
  };
}

const reconnectText = eventText("reconnect", { RetryAfterMilliseconds: reconnectMs });
