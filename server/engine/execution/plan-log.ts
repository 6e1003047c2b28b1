// The log's blocks as a plan has them: the task, its steps, their targets, and the actions of steps with several.

import type { BlockStatus, LogCategory, LogEntry } from "../tasks/tasks.ts";
import type { PlannedAction, PlannedStep, PlannedTarget } from "./plan.ts";

export const rootBlock = "task";

export function stepBlock(step: PlannedStep): string {
  return `step-${step.id}`;
}

/** A place of a step: a target, or the one without. */
export function targetBlock(step: PlannedStep, target: PlannedTarget | undefined): string {
  return target === undefined ? stepBlock(step) : `${stepBlock(step)}/${target.machineId}`;
}

/** A step with one action has no blocks for actions. */
export function actionBlock(step: PlannedStep, target: PlannedTarget | undefined, action: PlannedAction): string {
  return step.actions.length === 1 ? targetBlock(step, target) : `${targetBlock(step, target)}/${action.id}`;
}

export function openStep(step: PlannedStep): LogEntry {
  return { kind: "block", id: stepBlock(step), parent: rootBlock, name: `Step ${step.number}: ${step.name}`, at: now() };
}

export function openTarget(step: PlannedStep, target: PlannedTarget): LogEntry {
  return { kind: "block", id: targetBlock(step, target), parent: stepBlock(step), name: target.name, at: now() };
}

export function openAction(step: PlannedStep, target: PlannedTarget | undefined, action: PlannedAction): LogEntry {
  const place = step.actions.indexOf(action) + 1;
  const name = `Step ${step.number}.${place}: ${action.name}`;
  return { kind: "block", id: actionBlock(step, target, action), parent: targetBlock(step, target), name, at: now() };
}

export function status(id: string, to: BlockStatus): LogEntry {
  return { kind: "status", id, status: to, at: now() };
}

export function line(block: string, category: LogCategory, text: string): LogEntry {
  return { kind: "line", block, category, at: now(), text };
}

/** Shown to people only; nothing is decided by it. */
export function now(): string {
  return new Date().toISOString();
}
