// One question for all who want the same answer at once, where an answer counts only for those who wanted it before it was asked.

/**
 * Calls that come while a question is under way wait for the next one, which they share: its answer was true after each of them began. What
 * `ask` throws, all who share it get.
 */
export function askedTogether(ask: () => Promise<void>): () => Promise<void> {
  let underWay: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  function begin(): Promise<void> {
    const begun = ask().finally(() => {
      if (underWay === begun) underWay = undefined;
    });
    underWay = begun;
    return begun;
  }

  async function following(before: Promise<void>): Promise<void> {
    await before.catch(() => {});
    next = undefined;
    return begin();
  }

  return () => {
    if (underWay === undefined) return begin();
    return (next ??= following(underWay));
  };
}
