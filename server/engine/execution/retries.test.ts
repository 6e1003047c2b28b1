// What the texts of a process say about retries, time limits and windows, and which steps run side by side.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mayTryAgain, readParallelMax, readRetries, readTimeLimitMinutes, retriesMax, timeLimitMinutesMax } from "./retries.ts";
import { groupSteps } from "./step-groups.ts";

test("retries: a count up to the limit, a pause that is given or the usual one; what is no number counts as not given", () => {
  const none = { count: undefined, pauseSeconds: undefined };
  assert.deepEqual(readRetries(none), { attemptsMax: 1, pauseMs: 15_000 });
  assert.deepEqual(readRetries({ count: " 2 ", pauseSeconds: "0" }), { attemptsMax: 3, pauseMs: 0 });
  assert.deepEqual(readRetries({ count: "99", pauseSeconds: "999999" }), { attemptsMax: 1 + retriesMax, pauseMs: 600_000 });
  for (const count of ["", "-1", "1.5", "two", "#{Retries}"]) assert.equal(readRetries({ ...none, count }).attemptsMax, 1, count);
});

test("D3 D5: only a known failure is tried again, and not more often than allowed", () => {
  assert.equal(mayTryAgain("failed", 1, 2), true);
  assert.equal(mayTryAgain("failed", 2, 2), false);
  for (const outcome of ["unknown", "canceled", "succeeded", "skipped", "waiting"])
    assert.equal(mayTryAgain(outcome, 1, 4), false, outcome);
});

test("S5: a time limit is a number above zero, and no timer is longer than timers can be", () => {
  for (const text of [undefined, "", "0", "-3", "soon"]) assert.equal(readTimeLimitMinutes(text), undefined);
  assert.equal(readTimeLimitMinutes("0.5"), 0.5);
  assert.equal(readTimeLimitMinutes("1e9"), timeLimitMinutesMax);
  assert.ok(timeLimitMinutesMax * 60_000 < 2 ** 31);
});

test("a window is a whole number above zero, or what holds without one", () => {
  assert.equal(readParallelMax("3", 10), 3);
  for (const text of [undefined, "", "0", "-1", "all", "#{Window}"]) assert.equal(readParallelMax(text, 10), 10);
});

test("D6: a step that starts with the previous joins its group, the first one opens one whatever it says", () => {
  const step = (name: string, startsWithPrevious = false) => ({ name, startsWithPrevious });
  const groups = groupSteps([step("a", true), step("b"), step("c", true), step("d", true), step("e")]);
  assert.deepEqual(
    groups.map((group) => group.map((one) => one.name).join("")),
    ["a", "bcd", "e"],
  );
});
