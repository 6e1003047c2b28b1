// Reads of one kind that are asked for at once go to the database as one statement. Each is part of a statement that is sent after it was asked
// for, so what it finds is never older than the question: nothing is remembered, and a change that was answered before is always seen.

import { errorCode } from "./database-errors.ts";

/** Statements of one kind at once: while the database works on one, the answers of the other go out. More would make each of them smaller. */
const underWayMax = 2;
/** Different questions in one statement; further ones go in the next. Its plan and its answer stay small. */
const togetherMax = 64;
/** Whoever waits so long for a statement that is under way goes without it: a slow one, or a lost connection, holds up only those who are part of it. */
const waitMsMax = 25;

export interface SharedReads<Asked, Found> {
  /** Who asks the same (`key`) at once gets the same object, so nobody may change it. What the statement rejects, all who are part of it get. */
  read(key: string, asked: Asked): Promise<Found>;
  /** Nobody waits and nothing is under way. */
  readonly isIdle: boolean;
}

export interface SharedReadsParts<Asked, Found> {
  /** One statement for all of these: what was found for each, in their order. */
  run(asked: readonly Asked[]): Promise<readonly Found[]>;
  /** Told when the last answer has come and nobody waits. */
  onIdle?: () => void;
}

interface Waiting<Asked, Found> {
  asked: Asked;
  found: Promise<Found>;
  resolve: (found: Found) => void;
  reject: (error: unknown) => void;
}

export function createSharedReads<Asked, Found>(parts: SharedReadsParts<Asked, Found>): SharedReads<Asked, Found> {
  const waiting = new Map<string, Waiting<Asked, Found>>();
  let underWay = 0;
  let isAboutToSend = false;
  let late: NodeJS.Timeout | undefined;

  /** After everything that has already arrived was read from its connections: what came at once goes at once. */
  function sendSoon(): void {
    if (isAboutToSend || waiting.size === 0) return;
    if (underWay < underWayMax) {
      isAboutToSend = true;
      setImmediate(send);
    } else late ??= setTimeout(send, waitMsMax);
  }

  function send(): void {
    isAboutToSend = false;
    clearTimeout(late);
    late = undefined;
    const batch: Waiting<Asked, Found>[] = [];
    for (const [key, one] of waiting) {
      waiting.delete(key);
      batch.push(one);
      if (batch.length === togetherMax) break;
    }
    if (batch.length === 0) return;
    underWay++;
    void answer(batch).finally(() => {
      underWay--;
      sendSoon();
      if (underWay === 0 && waiting.size === 0) parts.onIdle?.();
    });
    sendSoon();
  }

  async function answer(batch: readonly Waiting<Asked, Found>[]): Promise<void> {
    try {
      const found = await parts.run(batch.map(({ asked }) => asked));
      for (const [n, one] of batch.entries()) one.resolve(found[n]!);
    } catch (error) {
      // A value that the database cannot work with is one asker's own fault: the others must not hear of it.
      if (batch.length > 1 && isOfValues(error)) await Promise.all(batch.map((one) => answer([one])));
      else for (const one of batch) one.reject(error);
    }
  }

  return {
    read(key, asked) {
      const same = waiting.get(key);
      if (same !== undefined) return same.found;
      const { promise: found, resolve, reject } = Promise.withResolvers<Found>();
      waiting.set(key, { asked, found, resolve, reject });
      sendSoon();
      return found;
    },
    get isIdle() {
      return underWay === 0 && waiting.size === 0 && !isAboutToSend;
    },
  };
}

/** Class 22 of SQLSTATE, data exceptions. */
function isOfValues(error: unknown): boolean {
  return errorCode(error)?.startsWith("22") === true;
}
