// Time that only measures durations inside this process. Times that are stored or compared between nodes come from the database.

/** What code that waits gets handed in where a whole cluster must be able to run on one clock (test/simulation); else `systemClock`. */
export interface Clock {
  /** Milliseconds of a clock that never jumps; the zero point means nothing. */
  monotonicMs(): number;
  /** Waits `ms`, or until `signal` aborts; never rejects. Returns whether the full time passed. */
  pause(ms: number, signal?: AbortSignal): Promise<boolean>;
  /** As `pause`, of random length, so that nodes which failed together do not come back together. */
  pauseBetween(msMin: number, msMax: number, signal?: AbortSignal): Promise<boolean>;
  /** Runs `work` every `ms` until the answered function is called. */
  every(ms: number, work: () => void): () => void;
  /** Aborts after `ms`. */
  deadline(ms: number): AbortSignal;
}

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

/** The clock of this process. */
export const systemClock: Clock = {
  monotonicMs,
  pause,
  pauseBetween: (msMin, msMax, signal) => pause(msMin + Math.random() * (msMax - msMin), signal),
  every(ms, work) {
    const timer = setInterval(work, ms);
    return () => clearInterval(timer);
  },
  deadline: (ms) => AbortSignal.timeout(ms),
};
