// Which environments a release may go to: tables of cases.

import assert from "node:assert/strict";
import { test } from "node:test";
import { impliedPhases, lifecycleProgress, mayDeploy } from "./lifecycle-rules.ts";
import type { LifecyclePhase } from "./lifecycle-rules.ts";

const phase = (name: string, optional: string[], more: Partial<LifecyclePhase> = {}): LifecyclePhase => ({
  id: name,
  name,
  automatic: [],
  optional,
  minimumBeforePromotion: 0,
  isOptional: false,
  isPriority: false,
  ...more,
});
const names = new Map([
  ["dev", "Development"],
  ["test", "Test"],
  ["prod", "Production"],
]);
const may = (phases: LifecyclePhase[], done: string[], to: string) => mayDeploy(lifecycleProgress(phases, new Set(done)), to, names).ok;

test("a lifecycle without phases has one phase for each environment, in order", () => {
  const phases = impliedPhases([], ["dev", "test", "prod"]);
  assert.deepEqual(
    phases.map((one) => one.optional),
    [["dev"], ["test"], ["prod"]],
  );
  assert.equal(may(phases, [], "dev"), true);
  assert.equal(may(phases, [], "test"), false);
  assert.equal(may(phases, ["dev"], "test"), true);
  assert.equal(may(phases, ["dev"], "prod"), false);
  assert.equal(may(phases, ["dev", "test"], "prod"), true);
});

test("a phase without environments means all that no earlier phase names", () => {
  const phases = impliedPhases([phase("first", ["dev"]), phase("rest", [])], ["dev", "test", "prod"]);
  assert.deepEqual(phases[1]!.optional, ["test", "prod"]);
});

test("all environments of a phase must succeed, or as many as it asks for", () => {
  const all = [phase("one", ["dev", "test"]), phase("two", ["prod"])];
  assert.equal(may(all, ["dev"], "prod"), false);
  assert.equal(may(all, ["dev", "test"], "prod"), true);
  const any = [phase("one", ["dev", "test"], { minimumBeforePromotion: 1 }), phase("two", ["prod"])];
  assert.equal(may(any, [], "prod"), false);
  assert.equal(may(any, ["test"], "prod"), true);
});

test("an optional phase may be skipped", () => {
  const phases = [phase("one", ["dev"]), phase("maybe", ["test"], { isOptional: true }), phase("two", ["prod"])];
  assert.equal(may(phases, ["dev"], "prod"), true);
  assert.equal(may(phases, [], "prod"), false);
});

test("what a release reached once it may reach again", () => {
  assert.equal(may([phase("one", ["dev"]), phase("two", ["prod"])], ["prod"], "prod"), true);
});

test("a refusal names what is missing, or that the environment does not belong to the lifecycle", () => {
  const progress = lifecycleProgress([phase("one", ["dev"]), phase("two", ["prod"])], new Set());
  assert.deepEqual(mayDeploy(progress, "prod", names), {
    ok: false,
    reason: "The release cannot go to 'Production' yet. It must first be deployed successfully to: Development.",
  });
  assert.deepEqual(mayDeploy(progress, "test", names), {
    ok: false,
    reason: "The environment 'Test' is not part of the lifecycle of this release's channel.",
  });
});

test("progress says which phase is complete, current and pending, and what is next", () => {
  const progress = lifecycleProgress([phase("one", ["dev"]), phase("two", ["test"]), phase("three", ["prod"])], new Set(["dev"]));
  assert.deepEqual(
    progress.phases.map((one) => one.progress),
    ["Complete", "Current", "Pending"],
  );
  assert.deepEqual(progress.next, ["test"]);
});
