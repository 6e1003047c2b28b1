// Which steps run side by side: a step that starts with the previous one belongs to that one's group, and groups run one after the other. Pure.

/** Steps of one group at once; more of them begin as others end. */
export const stepsAtOnceMax = 10;

/** The steps in their order, each group beginning with one that starts after the previous. */
export function groupSteps<T extends { readonly startsWithPrevious?: boolean }>(steps: readonly T[]): T[][] {
  const groups: T[][] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (step.startsWithPrevious === true && last !== undefined) last.push(step);
    else groups.push([step]);
  }
  return groups;
}
