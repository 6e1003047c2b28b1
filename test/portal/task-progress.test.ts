// A deployment to several machines says how far it is while it runs: the step of all, and how many of its machines are done.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { eventually } from "../support/eventually.ts";
import { startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage({ machines: 3 });
  await portal.stage.node("one");
});
after(() => portal?.close());

test("step and machines are counted over the whole plan, in the API and on the page, and end with the task", needsBrowser, async (t) => {
  const held = new Set(["machine-2", "machine-3"]);
  portal.stage.agent.behave = (_body, machine) => ({ lines: ["working"], exitCode: 0, questions: 0, until: () => !held.has(machine) });
  const taskId = await portal.stage.deploy([scriptStep("one"), scriptStep("two")]);
  const { page, faults, close } = await portal.open(`/app/Spaces-1/tasks/${taskId}`);
  t.after(close);
  await page.getByText("step 1 of 2, 1 of 3 targets").waitFor();
  const { Progress } = await portal.stage.api.get(`/api/tasks/${taskId}/details`);
  assert.deepEqual(Progress, {
    ProgressPercentage: 16,
    EstimatedTimeRemaining: null, // one machine is no pace
    StepsCompleted: 0,
    StepsTotal: 2,
    PartsCompleted: 1,
    PartsTotal: 6,
  });
  await portal.checkAccess(page, "a task that runs on several machines");
  held.delete("machine-2");
  await page.getByText("step 1 of 2, 2 of 3 targets").waitFor();
  held.clear();
  await portal.ended(taskId);
  await page.getByText("Success", { exact: true }).first().waitFor();
  await eventually("nothing is said of steps any more", async () => (await page.getByText(/step \d of 2/).count()) === 0 || undefined);
  const over = (await portal.stage.api.get(`/api/tasks/${taskId}/details`)).Progress;
  assert.deepEqual([over.ProgressPercentage, over.StepsCompleted, over.PartsCompleted], [100, 2, 6]);
  assert.deepEqual(faults, []);
});
