// How far a task with a plan is: which of its steps and parts are done, and how long the rest takes at the pace of now. A part is a step on one of its
// targets, or a step that runs once. Pure over the plan's counts and the tree of the log.

import { durationText } from "../../../base/duration-text.ts";
import type { LogNode } from "./log-tree.ts";

/** A step as the stored plan has it; `parts` is 1 for a step that runs once, or that found no target. */
export interface PlannedParts {
  id: string;
  parts: number;
  /** It runs on targets, so each of its children in the tree is a part. */
  isOnTargets: boolean;
}

export interface TaskProgress {
  ProgressPercentage: number;
  EstimatedTimeRemaining: string | null;
  StepsCompleted: number;
  StepsTotal: number;
  PartsCompleted: number;
  PartsTotal: number;
}

/** Fewer parts, or seconds, of the step that runs say nothing about those that come. */
const partsMeasuredMin = 5;
const secondsMeasuredMin = 5;
/** People read minutes as minutes and seconds in fives. */
const secondsRounding = 5;
const minuteSeconds = 60;

export function progressOf(
  steps: readonly PlannedParts[],
  nodes: readonly LogNode[],
  task: { id: string; isCompleted: boolean; isInterrupted: boolean },
  nowMs: number,
): TaskProgress {
  const found = new Map(nodes.map((node) => [node.Id, node]));
  const counted = steps.map((step) => {
    const node = found.get(`${task.id}_step-${step.id}`);
    const ended = step.isOnTargets ? (node?.Children.filter((child) => child.Ended !== null) ?? []) : [];
    return { node, total: step.parts, done: node?.Ended ? step.parts : Math.min(ended.length, step.parts) };
  });
  const sum = (of: "total" | "done"): number => counted.reduce((all, one) => all + one[of], 0);
  const [total, done] = [sum("total"), sum("done")];
  return {
    ProgressPercentage: task.isCompleted ? 100 : total === 0 ? 0 : Math.floor((done * 100) / total),
    EstimatedTimeRemaining: task.isCompleted || task.isInterrupted ? null : timeRemaining(counted, total - done, nowMs),
    StepsCompleted: counted.filter(({ node }) => node?.Ended).length,
    StepsTotal: steps.length,
    PartsCompleted: done,
    PartsTotal: total,
  };
}

/** Said only where the step that runs has shown its pace, and most of what is left is more of the same. */
function timeRemaining(
  counted: readonly { node: LogNode | undefined; total: number; done: number }[],
  left: number,
  nowMs: number,
): string | null {
  const running = counted.filter(({ node }) => node !== undefined && node.Ended === null);
  const [now] = running;
  if (now === undefined || running.length > 1 || now.done < partsMeasuredMin || 2 * (now.total - now.done) < left) return null;
  const seconds = (nowMs - Date.parse(now.node?.Started ?? "")) / 1000;
  if (!(seconds >= secondsMeasuredMin)) return null;
  const remaining = (seconds / now.done) * left;
  const unit = remaining < minuteSeconds ? secondsRounding : minuteSeconds;
  return durationText(Math.max(unit, Math.round(remaining / unit) * unit));
}
