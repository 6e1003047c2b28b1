// How far a task is, in one line: the step it is at, how many of that step's targets are done, and how long the rest takes where the server can tell.

import type { TaskDetails } from "../../api/tasks.ts";

export function progressText({ Progress: progress, ActivityLogs: [root] }: Pick<TaskDetails, "Progress" | "ActivityLogs">): string {
  if (progress.StepsTotal === 0) return "";
  const texts: string[] = [];
  if (progress.StepsTotal > 1) texts.push(`step ${Math.min(progress.StepsCompleted + 1, progress.StepsTotal)} of ${progress.StepsTotal}`);
  // Targets of one step are there from its beginning; a step without has children that are something else, and few.
  const running = (root?.Children ?? []).filter((step) => step.Status === "Running" && step.Children.length > 1);
  const targets = running.length === 1 ? running[0]!.Children : [];
  if (targets.length > 1 && progress.PartsTotal > progress.StepsTotal)
    texts.push(`${targets.filter(({ Ended }) => Ended !== null).length} of ${targets.length} targets`);
  if (progress.EstimatedTimeRemaining !== null) texts.push(`about ${progress.EstimatedTimeRemaining} left`);
  return texts.join(", ");
}
