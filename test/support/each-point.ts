// One trial at each of many points, some of them at once: nodes that die at every effect. The first that fails ends it.

/** Begins no more after a failure, waits for those under way, and fails with it. */
export async function atEachPoint(points: Iterable<number>, atOnce: number, trial: (point: number) => Promise<void>): Promise<void> {
  const left = points[Symbol.iterator]();
  const failures: unknown[] = [];
  async function worker(): Promise<void> {
    for (let next = left.next(); next.done !== true && failures.length === 0; next = left.next())
      await trial(next.value).catch((error: unknown) => failures.push(error));
  }
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failures.length > 0) throw failures[0];
}
