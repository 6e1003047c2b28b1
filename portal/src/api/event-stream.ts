// Reads server-sent events by fetch, because a browser's own reader hides why a connection was refused. It comes back by itself where it
// left off, at whichever node answers, notices connections that have fallen silent, and says how it stands.

import { ApiError, apiAddress, refusalOf } from "./request.ts";
import { renewSession } from "./session-renewal.ts";

export interface StreamEvent {
  event: string;
  data: string;
}

export type StreamState =
  | { kind: "connecting" }
  | { kind: "open" }
  /** Will be tried again; `error` says what went wrong last. */
  | { kind: "waiting"; error: ApiError }
  /** The server has no more to say, or refuses for good. */
  | { kind: "over"; error: ApiError | undefined };

export interface StreamHandlers {
  /** All events of one piece that arrived together, so that whoever shows them draws once. */
  events(events: readonly StreamEvent[]): void;
  state(state: StreamState): void;
}

/** The server says something at least every 10 s. */
const silenceMsMax = 25_000;
const retryMsMin = 500;
const retryMsMax = 15_000;
/** Names of events after which the server closes the stream itself. */
const reconnectEvent = "reconnect";

/** Opens a stream; answers how to close it. `lastEventId` is where to begin. */
export function openEventStream(address: string, handlers: StreamHandlers, lastEventId?: string): () => void {
  const closed = new AbortController();
  let last = lastEventId;
  let failures = 0;

  async function run(): Promise<void> {
    while (!closed.signal.aborted) {
      let error: ApiError;
      try {
        handlers.state({ kind: "connecting" });
        const isOver = await readOnce();
        if (isOver) return handlers.state({ kind: "over", error: undefined });
        error = new ApiError(0, ["The connection to the server was lost."]);
      } catch (thrown) {
        if (closed.signal.aborted) return;
        error = thrown instanceof ApiError ? thrown : new ApiError(0, ["The connection to the server was lost."]);
      }
      if (closed.signal.aborted) return;
      if (error.status === 401 && (await renewSession())) continue;
      if (!error.isTransient) return handlers.state({ kind: "over", error });
      handlers.state({ kind: "waiting", error });
      failures += 1;
      const waitMs = Math.min(retryMsMax, retryMsMin * 2 ** (failures - 1));
      // Many pages must not all come back at the same moment.
      await pauseUnless(closed.signal, Math.max((error.retryAfterSeconds ?? 0) * 1000, waitMs * (0.5 + Math.random() / 2)));
    }
  }

  /** Answers true when the server says that nothing comes any more. */
  async function readOnce(): Promise<boolean> {
    const silent = new AbortController();
    let watchdog = setTimeout(() => silent.abort(), silenceMsMax);
    const signal = AbortSignal.any([closed.signal, silent.signal]);
    // A browser that is offline does not end what it reads; the person is told at once.
    const onOffline = (): void => silent.abort();
    addEventListener("offline", onOffline);
    try {
      const response = await fetch(apiAddress(address), {
        headers: { Accept: "text/event-stream", ...(last === undefined ? {} : { "Last-Event-ID": last }) },
        credentials: "same-origin",
        cache: "no-store",
        signal,
      });
      if (response.status === 204) return true;
      if (!response.ok || response.body === null) throw await refusalOf(response);
      handlers.state({ kind: "open" });
      const reader = response.body.getReader();
      const parser = createParser();
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return false;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => silent.abort(), silenceMsMax);
        const { events, lastId } = parser(decoder.decode(value, { stream: true }));
        if (lastId !== undefined) last = lastId;
        if (events.length > 0) failures = 0;
        const refused = events.find((one) => one.event === "refused");
        handlers.events(events.filter((one) => one.event !== reconnectEvent && one.event !== "refused"));
        if (refused !== undefined) throw refusalIn(refused);
        if (events.some((one) => one.event === reconnectEvent)) return false;
      }
    } finally {
      clearTimeout(watchdog);
      removeEventListener("offline", onOffline);
      silent.abort();
    }
  }

  void run();
  return () => closed.abort();
}

function refusalIn({ data }: StreamEvent): ApiError {
  const { Status, ErrorMessage } = JSON.parse(data) as { Status: number; ErrorMessage: string };
  return new ApiError(Status, [ErrorMessage]);
}

/** Takes the text of a stream piece by piece and gives the events that are whole, with the last id among them. */
export function createParser(): (text: string) => { events: StreamEvent[]; lastId: string | undefined } {
  let rest = "";
  return (text) => {
    const whole = rest + text;
    const events: StreamEvent[] = [];
    let lastId: string | undefined;
    let start = 0;
    for (let end = whole.indexOf("\n\n", start); end !== -1; end = whole.indexOf("\n\n", start)) {
      let event: string | undefined;
      let data = "";
      for (const line of whole.slice(start, end).split("\n")) {
        if (line.startsWith("event: ")) event = line.slice(7);
        else if (line.startsWith("data: ")) data += line.slice(6);
        else if (line.startsWith("id: ")) lastId = line.slice(4);
      }
      if (event !== undefined) events.push({ event, data });
      start = end + 2;
    }
    rest = whole.slice(start);
    return { events, lastId };
  };
}

function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      // Back online or back to this tab is a better moment than any timer.
      removeEventListener("online", done);
      resolve();
    }
    signal.addEventListener("abort", done, { once: true });
    addEventListener("online", done, { once: true });
  });
}
