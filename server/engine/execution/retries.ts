// How often and after which pause an action is tried again, and how long it may take: from the texts of its properties. Pure.

/** Of the process's own fields, as clients write them. */
export const retryProperty = {
  countMax: "Octopus.Action.AutoRetry.MaximumCount",
  pauseSeconds: "Octopus.Action.AutoRetry.MinimumBackoff",
} as const;
export const timeLimitProperty = "Octopus.Action.ExecutionTimeout.Minutes";

/** What the original allows; more would hide what should be mended. */
export const retriesMax = 3;
const pauseSecondsDefault = 15;
const pauseSecondsMax = 600;
/** Two weeks; no timer is longer than 24 days. */
export const timeLimitMinutesMax = 20_160;

export interface Retries {
  /** Attempts in all. */
  attemptsMax: number;
  pauseMs: number;
}

/** A text that is no number counts as not given: it must not stop what needs no retry. */
export function readRetries(texts: { count: string | undefined; pauseSeconds: string | undefined }): Retries {
  const count = Math.min(readWhole(texts.count) ?? 0, retriesMax);
  const pauseSeconds = Math.min(readWhole(texts.pauseSeconds) ?? pauseSecondsDefault, pauseSecondsMax);
  return { attemptsMax: 1 + count, pauseMs: pauseSeconds * 1000 };
}

/** Undefined: no limit. */
export function readTimeLimitMinutes(text: string | undefined): number | undefined {
  const minutes = Number(text?.trim() || "0");
  return minutes > 0 ? Math.min(minutes, timeLimitMinutesMax) : undefined;
}

/**
 * Only what is known to have failed is tried again. An outcome that nobody knows may be a script that still runs, and one that was canceled was
 * meant to end.
 */
export function mayTryAgain(outcome: string, attempt: number, attemptsMax: number): boolean {
  return outcome === "failed" && attempt < attemptsMax;
}

/** How many at once: the first text that is a whole number above zero. */
export function readParallelMax(text: string | undefined, otherwise: number): number {
  const wanted = readWhole(text);
  return wanted === undefined || wanted === 0 ? otherwise : wanted;
}

function readWhole(text: string | undefined): number | undefined {
  const value = text?.trim();
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}
