/** The reasons to give a call up (its time is over, its caller cancels, the program closes) as one signal, and a connection that is cut by it. */
import type { Connection } from "./connection.ts";
import { ConnectionError } from "./errors.ts";
import { TIMER_MS_MAX } from "./limits.ts";

export interface CallOptions {
  /** For the whole call: connecting or waiting to be collected, waiting for the answer and receiving it. */
  timeoutMs: number;
  /** Aborting closes the connection; there is no message for it. */
  signal?: AbortSignal;
  /** Runs before the first byte of the request, for every attempt; if it throws, nothing is sent and its error is the call's. */
  beforeSend?: () => Promise<void>;
}

export interface GivingUp {
  readonly signal: AbortSignal;
  /** Null as long as the call goes on. */
  readonly reason: "timed-out" | "cancelled" | null;
  cancel(): void;
  /** Stops the clock. To be called when the call is over. */
  release(): void;
}

/** Begins to watch. A `timeoutMs` that is no time is the caller's mistake: TypeError. */
export function watchCall(options: CallOptions): GivingUp {
  if (!(options.timeoutMs > 0)) throw new TypeError(`timeoutMs must be a positive number of milliseconds, not ${options.timeoutMs}.`);
  const controller = new AbortController();
  let reason: GivingUp["reason"] = null;
  function giveUp(why: "timed-out" | "cancelled"): void {
    reason ??= why;
    controller.abort();
  }
  const cancel = (): void => giveUp("cancelled");
  const timer = setTimeout(() => giveUp("timed-out"), Math.min(options.timeoutMs, TIMER_MS_MAX));
  options.signal?.addEventListener("abort", cancel);
  if (options.signal?.aborted === true) cancel();
  return {
    signal: controller.signal,
    get reason() {
      return reason;
    },
    cancel,
    release() {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", cancel);
    },
  };
}

/** Destroys the connection when the signal comes, until the returned function is called. */
export function cutOn(connection: Connection, signal: AbortSignal): () => void {
  const onAbort = (): void => connection.destroy(new ConnectionError("cancelled", "The call was given up."));
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort);
  return () => signal.removeEventListener("abort", onAbort);
}

/** Waits; an abort ends it early. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    if (signal.aborted) done();
    else signal.addEventListener("abort", done);
  });
}
