// Time that only measures durations inside this process. Times that are stored or compared between nodes come from the database.

/** Milliseconds of a clock that never jumps; the zero point means nothing. */
export function monotonicMs(): number {
  return performance.now();
}

/** Waits `ms`, or until `signal` aborts; never rejects. Returns whether the full time passed. */
export function pause(ms: number, signal?: AbortSignal): Promise<boolean> {
  if (signal?.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve(true);
    }, ms);
    function stop(): void {
      clearTimeout(timer);
      resolve(false);
    }
    signal?.addEventListener("abort", stop, { once: true });
  });
}
