// Follows the audit trail for any number of readers on this node: one look for all of them says whether there is anything new, and only then
// each reads what is behind its place.

import { pause } from "../../../base/clock.ts";
import { problem } from "../../../base/problems.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { findEventsEnd, isEventPlace, listEventsBehind } from "./event-read-store.ts";
import type { EventPlace, EventRow } from "./event-read-store.ts";

/** How often is looked while anybody follows. */
const lookMs = 250;
/** Readers are told after so many looks that failed, and go to another node. */
const failedLooksMax = 20;
/** Events read at once for one reader. */
const eventsAtOnce = 200;

export interface EventFeed {
  /** Everything behind a place that a space's readers may see, and whatever comes until `signal`. */
  follow(from: EventPlace, spaceId: string | undefined, signal: AbortSignal): AsyncGenerator<(EventRow & { transaction: string })[]>;
}

/** Where a reader wants to go on; without an id behind everything there is. @throws Problem 400 */
export async function readEventPlace(db: Queryable, text: string | undefined): Promise<EventPlace> {
  if (text === undefined || text === "") return await findEventsEnd(db);
  const found = /^(\d{1,18})-(\d{1,15})$/.exec(text);
  const place = found && { transaction: found[1]!, autoId: Number(found[2]) };
  if (place === null || !(await isEventPlace(db, place)))
    throw problem.invalid(`'${text.slice(0, 100)}' is not the id of a change of this server. Begin again without one.`);
  return place;
}

export function createEventFeed(database: Queryable): EventFeed {
  const waiting = new Set<(failure: unknown) => void>();
  let readers = 0;
  let looking = false;
  let end = "";

  async function lookOn(): Promise<void> {
    let failed = 0;
    while (readers > 0) {
      try {
        const { transaction, autoId } = await findEventsEnd(database);
        failed = 0;
        const now = `${transaction}-${autoId}`;
        if (now !== end) wakeAll(undefined);
        end = now;
      } catch (error) {
        failed += 1;
        if (failed > failedLooksMax) wakeAll(error);
      }
      await pause(lookMs);
    }
    looking = false;
  }
  function wakeAll(failure: unknown): void {
    for (const wake of waiting) wake(failure);
  }

  return {
    async *follow(from, spaceId, signal) {
      readers += 1;
      if (!looking) {
        looking = true;
        void lookOn();
      }
      try {
        let place = from;
        while (!signal.aborted) {
          // Before reading, so that what comes in between wakes.
          const change = changed(waiting, signal);
          for (;;) {
            const rows = await listEventsBehind(database, place, spaceId, eventsAtOnce);
            const last = rows.at(-1);
            if (last === undefined) break;
            place = { transaction: last.transaction, autoId: last.auto_id };
            yield rows;
            if (rows.length < eventsAtOnce || signal.aborted) break;
          }
          const failure = await change;
          if (failure !== undefined) throw failure;
        }
      } finally {
        readers -= 1;
      }
    },
  };
}

/** Resolves at the next change, or at the signal, with the error when nothing can be seen any more. */
function changed(waiting: Set<(failure: unknown) => void>, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    const wake = (failure: unknown): void => {
      waiting.delete(wake);
      signal.removeEventListener("abort", stop);
      resolve(failure);
    };
    const stop = (): void => wake(undefined);
    waiting.add(wake);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  });
}
