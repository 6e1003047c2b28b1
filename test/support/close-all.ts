// Closes what a test has opened, whatever came of it: what fails or hangs leaves nothing open that stands behind it.

import type { TestContext } from "node:test";
import { within } from "./eventually.ts";

/** Of one thing, on a machine that is very busy; a test that failed shall end by itself, and say what did not. */
const closeMsMax = 60_000;

/** In this order, each whatever became of those before; fails at the end with what went wrong first. */
export async function closeAll(...closings: readonly (() => unknown)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const [n, close] of closings.entries()) {
    try {
      await within(`closing the ${n + 1}. of ${closings.length} things ends`, Promise.resolve(close()), closeMsMax);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** Closed after the test, unless the test has done it: whoever opens it needs no `finally`. */
export function closedAfter<T extends { close(): Promise<void> }>(t: TestContext, opened: T): T {
  let closing: Promise<void> | undefined;
  const close = opened.close.bind(opened);
  opened.close = () => (closing ??= close());
  t.after(() => opened.close());
  return opened;
}
