// One task held by this process: whether it may still act, judged cautiously by its own monotonic clock. Safety never rests
// on this; the database decides in every writing transaction. This only stops wasted work early.

import type { Clock } from "../../base/clock.ts";
import { LeaseLost } from "./task.ts";

export interface Lease {
  readonly taskId: string;
  readonly owner: string;
  readonly epoch: number;
  readonly lost: AbortSignal;
  readonly cancelRequested: AbortSignal;
  /** A renewal that was sent at `sentAtMs` has been confirmed. */
  confirm(sentAtMs: number): void;
  /** Lets go for the given reason; later calls change nothing. */
  lose(why: string): void;
  requestCancel(): void;
  /** Loses the lease when its last confirmation is too old. */
  checkAge(selfStopMs: number): void;
  /** @throws LeaseLost */
  assertHeld(): void;
}

export function createLease(
  claim: { taskId: string; owner: string; epoch: number; claimedAtMs: number; cancelRequested: boolean },
  clock: Clock,
): Lease {
  const lost = new AbortController();
  const cancel = new AbortController();
  if (claim.cancelRequested) cancel.abort();
  let confirmedAtMs = claim.claimedAtMs;
  return {
    taskId: claim.taskId,
    owner: claim.owner,
    epoch: claim.epoch,
    lost: lost.signal,
    cancelRequested: cancel.signal,
    confirm(sentAtMs) {
      if (sentAtMs > confirmedAtMs) confirmedAtMs = sentAtMs;
    },
    lose(why) {
      if (!lost.signal.aborted) lost.abort(new LeaseLost(why));
    },
    requestCancel() {
      if (!cancel.signal.aborted) cancel.abort();
    },
    checkAge(selfStopMs) {
      const ageMs = clock.monotonicMs() - confirmedAtMs;
      if (ageMs > selfStopMs) this.lose(`no renewal was confirmed for ${Math.round(ageMs)} ms`);
    },
    assertHeld() {
      if (lost.signal.aborted) throw lost.signal.reason;
    },
  };
}
