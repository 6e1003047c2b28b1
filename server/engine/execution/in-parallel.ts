// Work on many items, a few at once.

/** Runs `work` for each item, at most `max` at once. Waits for all that began, then throws the first error. */
export async function inParallel<T>(items: readonly T[], max: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  let failed: { error: unknown } | undefined;
  async function worker(): Promise<void> {
    for (const item of waiting) {
      if (failed !== undefined) return;
      try {
        await work(item);
      } catch (error) {
        failed ??= { error };
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(max, items.length)) }, worker));
  if (failed !== undefined) throw failed.error;
}
