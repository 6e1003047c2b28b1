// Whether a person is on the way through the first steps, and in which space: then every page says what comes next. Kept for this tab.

import { createStore } from "../api/store.ts";

const key = "cuttle.first-steps";

function readKept(): string | undefined {
  try {
    return sessionStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

/** The space that is led through. */
export const guidedSpace = createStore<string | undefined>(readKept());

export function guide(space: string | undefined): void {
  guidedSpace.set(space);
  try {
    if (space === undefined) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, space);
  } catch {
    // Then it ends with the page.
  }
}
