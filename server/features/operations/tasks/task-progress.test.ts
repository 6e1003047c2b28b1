// Progress of a task from its plan and its log: counted over the whole plan from the first moment, and a time only where one was measured.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogNode } from "./log-tree.ts";
import { progressOf } from "./task-progress.ts";

const startedMs = Date.parse("2026-01-05T10:00:00.000Z");
const at = (second: number): string => new Date(startedMs + second * 1000).toISOString();

function node(id: string, startedAt: number, endedAt: number | null, children: LogNode[] = []): LogNode {
  return {
    Id: `ServerTasks-1_${id}`,
    Name: id,
    Started: at(startedAt),
    Ended: endedAt === null ? null : at(endedAt),
    Status: endedAt === null ? "Running" : "Success",
    Children: children,
    ShowAtSummaryLevel: true,
    LogElements: [],
    ProgressPercentage: 0,
    ProgressMessage: "",
  };
}
const targets = (step: string, count: number, ended: number): LogNode[] =>
  Array.from({ length: count }, (_, n) => node(`${step}/Machines-${n + 1}`, 0, n < ended ? n + 1 : null));
const running = { id: "ServerTasks-1", isCompleted: false, isInterrupted: false };
const onTargets = (id: string, parts: number) => ({ id, parts, isOnTargets: true });
const once = (id: string) => ({ id, parts: 1, isOnTargets: false });

test("parts are counted over the whole plan, also of steps that have not begun", () => {
  const steps = [once("1"), onTargets("2", 200), onTargets("3", 200)];
  const nodes = [node("step-1", 0, 2), node("step-2", 2, null, targets("step-2", 200, 37))];
  assert.deepEqual(progressOf(steps, nodes, running, startedMs + 76_000), {
    ProgressPercentage: 9,
    EstimatedTimeRemaining: null, // most of what is left is another step, whose pace nobody knows
    StepsCompleted: 1,
    StepsTotal: 3,
    PartsCompleted: 38,
    PartsTotal: 401,
  });
  assert.equal(progressOf(steps, nodes, { ...running, isCompleted: true }, startedMs).ProgressPercentage, 100);
});

test("a skipped step is done with all its targets, and actions of a step that runs once are no parts", () => {
  const steps = [onTargets("1", 4), once("2")];
  const nodes = [node("step-1", 0, 0), node("step-2", 0, null, [node("step-2/a", 0, 1), node("step-2/b", 1, null)])];
  const { PartsCompleted, PartsTotal, StepsCompleted } = progressOf(steps, nodes, running, startedMs);
  assert.deepEqual({ PartsCompleted, PartsTotal, StepsCompleted }, { PartsCompleted: 4, PartsTotal: 5, StepsCompleted: 1 });
});

test("the time left is the pace of the step that runs, and is not said before it was measured or while a person is asked", () => {
  const steps = [onTargets("1", 200)];
  const left = (ended: number, seconds: number, task = running): string | null =>
    progressOf(steps, [node("step-1", 0, null, targets("step-1", 200, ended))], task, startedMs + seconds * 1000).EstimatedTimeRemaining;
  assert.equal(left(50, 50), "3 minutes"); // 150 more at one a second
  assert.equal(left(190, 190), "10 seconds");
  assert.equal(left(199, 40), "5 seconds", "never nothing");
  assert.equal(left(4, 100), null, "four targets are no pace");
  assert.equal(left(50, 3), null, "three seconds are no pace");
  assert.equal(left(50, 50, { ...running, isInterrupted: true }), null);
  assert.equal(left(50, 50, { ...running, isCompleted: true }), null);
});

test("two steps side by side have no common pace", () => {
  const steps = [onTargets("1", 20), onTargets("2", 20)];
  const nodes = ["step-1", "step-2"].map((step) => node(step, 0, null, targets(step, 20, 10)));
  assert.equal(progressOf(steps, nodes, running, startedMs + 60_000).EstimatedTimeRemaining, null);
});
