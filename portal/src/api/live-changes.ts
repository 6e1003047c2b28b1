// Follows what changes in a space and has the queries asked again that depend on it: in bundles, so that a hundred changes a second cost
// no more than a few requests. After a lost connection everything shown is asked again once.

import type { Query, QueryClient } from "@tanstack/react-query";
import { connection } from "./connection.ts";
import { openEventStream } from "./event-stream.ts";
import type { StreamEvent } from "./event-stream.ts";
import { lookForNewBuild } from "./portal-build.ts";
import { changedNames, isTouched } from "./queries.ts";
import { path } from "./request.ts";

/** Changes that come within this are handled together. */
const gatherMs = 250;
/** Where changes cannot be followed, everything shown is asked again this often. */
const pollMs = 10_000;

/** Answers how to stop. */
export function followChanges(queries: QueryClient, space: string): () => void {
  const gathered = new Set<string>();
  let due: ReturnType<typeof setTimeout> | undefined;
  let polling: ReturnType<typeof setInterval> | undefined;
  let wasLost = false;

  const isShown = (query: Query): boolean => query.isActive();

  function refresh(wanted: (query: Query) => boolean): void {
    // A query that is being asked already is asked once more afterwards: its answer may be from before the change.
    void queries.invalidateQueries({ predicate: wanted }, { cancelRefetch: false });
  }

  function flush(): void {
    due = undefined;
    const changed = changedNames(gathered);
    gathered.clear();
    const isConcerned = (query: Query): boolean => isTouched(query.meta?.changesOf, changed);
    if (queries.isFetching({ predicate: isConcerned }) > 0) {
      for (const name of changed) gathered.add(name);
      due = setTimeout(flush, gatherMs);
      return;
    }
    refresh(isConcerned);
  }

  function take(events: readonly StreamEvent[]): void {
    connection.set({ ...connection.get(), heardAt: Date.now() });
    for (const { event, data } of events) {
      if (event !== "change") continue;
      const { RelatedDocumentIds } = JSON.parse(data) as { RelatedDocumentIds: string[] };
      for (const id of RelatedDocumentIds) gathered.add(id);
    }
    if (gathered.size > 0) due ??= setTimeout(flush, gatherMs);
  }

  const close = openEventStream(path`/${space}/events/stream`, {
    events: take,
    state(state) {
      if (state.kind === "open") {
        connection.set({ state: "live", heardAt: Date.now(), problem: undefined });
        if (wasLost) {
          refresh(isShown);
          void lookForNewBuild();
        }
        wasLost = false;
      } else if (state.kind === "waiting") {
        wasLost = true;
        connection.set({ ...connection.get(), state: "lost", problem: state.error.message });
      } else if (state.kind === "over") {
        connection.set({ state: "polling", heardAt: Date.now(), problem: state.error?.message });
        polling ??= setInterval(() => {
          if (document.visibilityState === "visible") refresh(isShown);
        }, pollMs);
      }
    },
  });
  return () => {
    close();
    clearTimeout(due);
    clearInterval(polling);
  };
}
