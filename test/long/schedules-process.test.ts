// D10 between real nodes: health checks that are due every few seconds while nodes are killed and frozen, and while their clocks are an hour
// wrong. Judged by the API's list of tasks; no table is read.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { shiftedClock } from "../support/shifted-clock.ts";
import { runSchedulesTrial } from "../trials/schedules-run.ts";
import type { SchedulesTrial } from "../trials/schedules-run.ts";

const linux = { skip: process.platform === "linux" ? false : "stops processes by signals and looks at them through /proc" } as const;
const wrongClocks = {
  skip: shiftedClock(1) === undefined ? "needs libfaketime (Debian's package faketime) to set the clocks of single processes" : false,
} as const;

async function holds(t: TestContext, trial: Partial<SchedulesTrial>): Promise<void> {
  const seed = Math.floor(Math.random() * 100_000);
  const result = await runSchedulesTrial({
    nodes: 3,
    due: 12,
    policies: 6,
    intervalSeconds: 5,
    kills: 0,
    pauses: 0,
    databaseKills: 0,
    seed,
    keepFolderOnFaults: false,
    report: (line) => t.diagnostic(line),
    ...trial,
  });
  t.diagnostic(`${result.due} due times, ${result.fired} fired, ${result.passedOver} passed over; seed ${seed}`);
  assert.deepEqual(result.faults, []);
  assert.equal(result.fired + result.passedOver, result.due);
  assert.ok(result.due >= 12);
}

test(
  "D10: each due time is fired exactly once though nodes and the database are killed and nodes are frozen",
  { ...linux, timeout: 300_000 },
  (t) => holds(t, { kills: 4, pauses: 1, databaseKills: 1 }),
);

test("D10: clocks that are an hour fast or slow change no due time", { ...wrongClocks, timeout: 300_000 }, (t) =>
  holds(t, { clockHours: [1, -1, 0] }),
);
