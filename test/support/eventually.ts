// Waits with a deadline: for something to become true that gives no signal of its own, or for what gives one.

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

/** What the promise gives; fails after `deadlineMs` with `what`. The deadline alone keeps no process alive. */
export async function within<T>(what: string, promise: Promise<T>, deadlineMs = 20_000): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`Not within ${deadlineMs} ms: ${what}`)), deadlineMs);
  timer.unref();
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
