// Work on many items, a few at once.

/**
 * Runs `work` for each item in their order, at most `max` at once: the next one begins when any of them ends. One that answers "keepsPlace" has
 * not come to its end, so nothing begins in its stead. Waits for all that began, then throws the first error.
 */
export async function inParallel<T>(items: readonly T[], max: number, work: (item: T) => Promise<void | "keepsPlace">): Promise<void> {
  const waiting = items.values();
  let failed: { error: unknown } | undefined;
  async function worker(): Promise<void> {
    for (const item of waiting) {
      if (failed !== undefined) return;
      try {
        if ((await work(item)) === "keepsPlace") return;
      } catch (error) {
        failed ??= { error };
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(max, items.length)) }, worker));
  if (failed !== undefined) throw failed.error;
}
