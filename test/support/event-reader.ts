// A client of server-sent events that knows nothing of the server: it reads events off the wire, remembers the last id, and can go on at
// any node. What it has read can be put together again as an outside check.

import { within } from "./eventually.ts";

/** Of one event: a stream that has nothing to say for so long, and does not end, is taken for one that hangs. */
const silenceMsMax = 60_000;

export interface ReceivedEvent {
  id: string | undefined;
  event: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents whose shape they state themselves
  data: any;
  /** When it was read, in milliseconds of this process. */
  atMs: number;
}

export interface EventReader {
  readonly status: number;
  readonly headers: Headers;
  /** The next event, or undefined at the end of the stream. Rejects when the connection is cut, or when neither comes in time. */
  next(): Promise<ReceivedEvent | undefined>;
  close(): void;
}

export async function openEvents(
  url: string,
  options: { apiKey: string; lastEventId?: string | undefined; silenceMs?: number },
): Promise<EventReader> {
  const stop = new AbortController();
  const response = await fetch(url, {
    headers: {
      "X-Octopus-ApiKey": options.apiKey,
      Accept: "text/event-stream",
      ...(options.lastEventId === undefined ? {} : { "Last-Event-ID": options.lastEventId }),
    },
    signal: stop.signal,
  });
  const decoder = new TextDecoder();
  const pieces = (response.body ?? new ReadableStream<Uint8Array>({ start: (own) => own.close() })).getReader();
  let text = "";
  let start = 0;
  return {
    status: response.status,
    headers: response.headers,
    next: () => within("an event, or the end of the stream", readEvent(), options.silenceMs ?? silenceMsMax),
    close: () => stop.abort(),
  };

  async function readEvent(): Promise<ReceivedEvent | undefined> {
    for (;;) {
      const end = text.indexOf("\n\n", start);
      if (end !== -1) {
        const event = parseEvent(text.slice(start, end));
        start = end + 2;
        if (event !== undefined) return event;
        continue;
      }
      const { done, value } = await pieces.read();
      if (done) return undefined;
      text = text.slice(start) + decoder.decode(value, { stream: true });
      start = 0;
    }
  }
}

/** Undefined for comments and hints. */
function parseEvent(text: string): ReceivedEvent | undefined {
  const found: { [field: string]: string } = {};
  for (const line of text.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) found[line.slice(0, at)] = line.slice(at + 2);
  }
  if (found["event"] === undefined) return undefined;
  return { id: found["id"], event: found["event"], data: JSON.parse(found["data"] ?? "null"), atMs: performance.now() };
}

/** The raw log as it must be when these are all its events: what the server's text says, made from nothing but events. */
export function rawTextOf(events: readonly ReceivedEvent[]): string {
  const names = new Map<string, string>();
  let block: string | undefined;
  let text = "";
  for (const { event, data } of events) {
    const time = String(data.OccurredAt ?? data.Started ?? "").slice(11, 19);
    if (event === "block") names.set(data.Id, data.Name);
    else if (event === "status") text += `${time}            |   == ${data.Status}: ${names.get(data.Id) ?? data.Id} ==\n`;
    else if (event === "progress") text += `${time}            |   == ${data.ProgressPercentage} %: ${data.ProgressMessage} ==\n`;
    else if (event === "line") {
      if (data.BlockId !== block) text += `                    |   -- ${names.get(data.BlockId) ?? data.BlockId} --\n`;
      block = data.BlockId;
      text += `${time}   ${String(data.Category).padEnd(9)}|     ${data.MessageText}\n`;
    }
  }
  return text;
}

/** The raw log as the server gives it, without the head that tells of the task. */
export function withoutHead(raw: string): string {
  return raw.slice(raw.indexOf("\n\n") + 2);
}
