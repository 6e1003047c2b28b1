// A session that ran out in the middle of something: whoever notices waits here until the person has signed in again. The shell shows the
// form; until it does, nobody waits.

import { createStore } from "./store.ts";

interface Renewal {
  /** Whether the form has to be shown. */
  isWanted: boolean;
}

export const renewal = createStore<Renewal>({ isWanted: false });

let isOffered = false;
let waiting: PromiseWithResolvers<boolean> | undefined;

/** From now on there is somebody who shows the form. */
export function offerRenewal(): () => void {
  isOffered = true;
  return () => {
    isOffered = false;
    endRenewal(false);
  };
}

/** Resolves to true once somebody has signed in again; to false when there is nobody to ask. */
export function renewSession(): Promise<boolean> {
  if (!isOffered) return Promise.resolve(false);
  waiting ??= Promise.withResolvers<boolean>();
  renewal.set({ isWanted: true });
  return waiting.promise;
}

export function endRenewal(isRenewed: boolean): void {
  waiting?.resolve(isRenewed);
  waiting = undefined;
  renewal.set({ isWanted: false });
}
