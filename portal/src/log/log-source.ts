// The lines of one task's log for a viewer: only those near what is looked at are in memory, new ones come as they are printed, and what
// was let go is asked for again. Listeners hear at once of what comes after a silence, and of everything at most ten times a second.

import type { TaskLogLine } from "../api/documents.ts";
import { openEventStream } from "../api/event-stream.ts";
import type { StreamEvent } from "../api/event-stream.ts";
import { fetchLogLines, linesAtOnce, logEventsAddress } from "../api/task-log.ts";

/** Pages of lines in memory. */
const pagesMax = 60;
const notifyMs = 100;
/** How far the stream may begin behind the end; the last page comes with it. */
const tailTake = 5_000;
const retryMs = 2_000;

export interface LogState {
  /** Lines there are so far. */
  lineCount: number;
  /** `loading`: nothing is known yet. `waiting`: the connection is lost and tried again. */
  kind: "loading" | "live" | "waiting" | "over" | "failed";
  problem: string | undefined;
  /** When something last came, in milliseconds since 1970. */
  heardAt: number;
  /** Another number whenever lines may have come. */
  version: number;
}

export interface LogSource {
  state(): LogState;
  follow(listener: () => void): () => void;
  /** A line that is in memory. */
  line(number: number): TaskLogLine | undefined;
  /** Sees to it that these lines come into memory. */
  want(from: number, to: number): void;
  close(): void;
}

export interface LogListeners {
  /** Steps began, went on or ended; or the task changed its state. */
  onProgress(): void;
  /** Lines that were just printed. */
  onLines?(lines: readonly TaskLogLine[]): void;
}

export function openLog(space: string, task: string, listeners: LogListeners): LogSource {
  const pages = new Map<number, (TaskLogLine | undefined)[]>();
  const loading = new Set<number>();
  const closed = new AbortController();
  const followers = new Set<() => void>();
  let state: LogState = { lineCount: 0, kind: "loading", problem: undefined, heardAt: Date.now(), version: 0 };
  let due: ReturnType<typeof setTimeout> | undefined;
  let toldAtMs = -Infinity;
  let closeStream = (): void => {};

  const pageOf = (number: number): number => Math.floor((number - 1) / linesAtOnce);

  function notify(change: Partial<LogState>): void {
    state = { ...state, ...change, version: state.version + 1 };
    due ??= setTimeout(
      () => {
        due = undefined;
        toldAtMs = performance.now();
        for (const follower of followers) follower();
      },
      Math.max(0, toldAtMs + notifyMs - performance.now()),
    );
  }

  function keep(lines: readonly TaskLogLine[]): void {
    for (const line of lines) {
      const index = pageOf(line.Number);
      let page = pages.get(index);
      if (page === undefined) {
        page = [];
        pages.set(index, page);
      }
      page[line.Number - 1 - index * linesAtOnce] = line;
    }
    for (const index of pages.keys()) {
      if (pages.size <= pagesMax) break;
      pages.delete(index);
    }
  }

  /** Used last, let go last. */
  function touch(index: number): (TaskLogLine | undefined)[] | undefined {
    const page = pages.get(index);
    if (page !== undefined) {
      pages.delete(index);
      pages.set(index, page);
    }
    return page;
  }

  async function load(index: number): Promise<void> {
    if (loading.has(index)) return;
    loading.add(index);
    try {
      const first = index * linesAtOnce + 1;
      const last = Math.min(first + linesAtOnce - 1, state.lineCount);
      // Very long lines come in several answers.
      for (let from = first; from <= last;) {
        const { Lines } = await fetchLogLines(space, task, from, last - from + 1, closed.signal);
        if (Lines.length === 0) break;
        keep(Lines);
        from = Lines.at(-1)!.Number + 1;
      }
      notify({});
    } catch {
      if (!closed.signal.aborted) setTimeout(() => notify({}), retryMs); // whoever still wants it asks again
    } finally {
      loading.delete(index);
    }
  }

  function take(events: readonly StreamEvent[]): void {
    const lines: TaskLogLine[] = [];
    let progressed = false;
    for (const { event, data } of events) {
      if (event === "line") lines.push(JSON.parse(data) as TaskLogLine);
      else progressed = true;
    }
    if (lines.length > 0) {
      keep(lines);
      listeners.onLines?.(lines);
    }
    notify({ heardAt: Date.now(), lineCount: Math.max(state.lineCount, lines.at(-1)?.Number ?? 0) });
    if (progressed) listeners.onProgress();
  }

  async function begin(): Promise<void> {
    try {
      let answer = await fetchLogLines(space, task, 1, linesAtOnce, closed.signal);
      keep(answer.Lines);
      const last = answer.LineCount;
      // The beginning is there to be read while the end is on its way.
      notify({ lineCount: last, heardAt: Date.now() });
      if (last > (answer.Lines.at(-1)?.Number ?? 0)) {
        answer = await fetchLogLines(space, task, pageOf(last) * linesAtOnce + 1, tailTake, closed.signal);
        keep(answer.Lines);
      }
      const lineCount = Math.max(last, answer.Lines.at(-1)?.Number ?? 0);
      notify({ lineCount, kind: "live", heardAt: Date.now(), problem: undefined });
      if (closed.signal.aborted) return;
      closeStream = openEventStream(
        logEventsAddress(space, task),
        {
          events: take,
          state(stream) {
            if (stream.kind === "open") notify({ kind: "live", problem: undefined });
            else if (stream.kind === "waiting") notify({ kind: "waiting", problem: stream.error.message });
            else if (stream.kind === "over")
              notify(stream.error === undefined ? { kind: "over" } : { kind: "failed", problem: stream.error.message });
          },
        },
        answer.Position,
      );
    } catch (error) {
      if (!closed.signal.aborted) notify({ kind: "failed", problem: error instanceof Error ? error.message : String(error) });
    }
  }
  void begin();

  return {
    state: () => state,
    follow(listener) {
      followers.add(listener);
      return () => void followers.delete(listener);
    },
    line: (number) => pages.get(pageOf(number))?.[(number - 1) % linesAtOnce],
    want(from, to) {
      const last = Math.min(to, state.lineCount);
      for (let index = pageOf(Math.max(1, from)); index <= pageOf(last) && last > 0; index++) {
        const page = touch(index);
        const end = Math.min(linesAtOnce, state.lineCount - index * linesAtOnce);
        if (page === undefined || page.length < end || page.includes(undefined)) void load(index);
      }
    },
    close() {
      closed.abort();
      closeStream();
      clearTimeout(due);
    },
  };
}
