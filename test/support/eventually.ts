// Waits for something to become true, with a deadline, for what gives no signal of its own.

/** Asks `look` again and again until it answers something other than undefined or false; fails after `deadlineMs` with `what`. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 20_000,
): Promise<T> {
  const startedMs = performance.now();
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() - startedMs > deadlineMs) throw new Error(`Not within ${deadlineMs} ms: ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
