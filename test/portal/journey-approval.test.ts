// Two people and a deployment that asks: one approves from the page of approvals, the other sees it as it happens in a page of their own; another
// deployment is rejected with a reason. Without a mouse and without a reload.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import { manualStep, scriptStep } from "../support/deploy-stage.ts";
import { takePictures } from "../support/journey-stage.ts";
import { keyboardOf } from "../support/keyboard.ts";
import { startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
  await portal.stage.node("node-1");
});
after(() => portal?.close());

const approve = (instructions: string) => manualStep("Approve", { action: { "Octopus.Action.Manual.Instructions": instructions } });

test("D6: one approves and one rejects from the page of approvals, and who watches sees both by itself", needsBrowser, async (t) => {
  const approver = await portal.open("/app");
  t.after(approver.close);
  const watcher = await portal.open("/app");
  t.after(watcher.close);
  const { page } = approver;
  const keyboard = keyboardOf(page);
  const main = page.getByRole("navigation", { name: "Main" });
  for (const one of [page, watcher.page]) await one.getByTestId("live-light").getByText("Live").waitFor();

  // Both begin at the dashboard; the deployment appears there and waits.
  const first = await portal.stage.deploy([approve("Is the shop closed?"), scriptStep("first")]);
  const cell = watcher.page.getByRole("gridcell", { name: /1\.0\.0.*Waiting/ });
  await cell.waitFor();
  await takePictures(watcher.page, "approval 1 dashboard");
  await cell.getByRole("link", { name: "1.0.0" }).click();
  await watcher.page.getByText("waits for your answer").waitFor();
  await takePictures(watcher.page, "approval 2 the task waits");

  await main.getByText("1 waiting for you").waitFor();
  await keyboard.press(main.getByRole("link", { name: /Approvals/ }));
  await keyboard.arrives("Approvals");
  await takePictures(page, "approval 3 approvals");
  await keyboard.press(page.getByRole("link", { name: "Step 1: Approve" }));
  await keyboard.arrives("Step 1: Approve");
  await page.getByText("Is the shop closed?").waitFor();
  await keyboard.press(page.getByRole("button", { name: "Take responsibility" }));
  await keyboard.enter(page.getByLabel("Notes"), "Closed since six.");
  await takePictures(page, "approval 4 the answer");
  await keyboard.press(page.getByRole("button", { name: "Proceed" }));
  await page.getByText("You answered with Proceed.").waitFor();
  await keyboard.press(page.getByRole("navigation", { name: "Up" }).getByRole("link", { name: "Approvals" }));
  await page.getByRole("heading", { name: "Nothing waits for a person" }).waitFor();
  // In the other page: it goes on, succeeds, and tells why.
  await watcher.page.getByRole("status").getByText("Success", { exact: true }).waitFor();
  await watcher.page.getByText("waits for your answer").waitFor({ state: "detached" });
  await watcher.page.getByTestId("log").getByText("Closed since six.").waitFor();
  await takePictures(watcher.page, "approval 5 approved");
  assert.equal((await portal.ended(first)).State, "Success");

  // The next one is rejected.
  const second = await portal.stage.deploy([approve("Is it tested?"), scriptStep("second")]);
  await watcher.page.goto(`${portal.url}/app/Spaces-1/tasks/${second}`);
  await watcher.page.getByText("waits for your answer").waitFor();
  await keyboard.press(page.getByRole("link", { name: "Step 1: Approve" }));
  await keyboard.arrives("Step 1: Approve");
  await keyboard.press(page.getByRole("button", { name: "Take responsibility" }));
  await keyboard.enter(page.getByLabel("Notes"), "Nobody has tested it.");
  await keyboard.press(page.getByRole("button", { name: "Abort …" }));
  const dialog = page.getByRole("alertdialog");
  await dialog.waitFor();
  await takePictures(page, "approval 6 abort");
  await keyboard.press(dialog.getByRole("button", { name: "Abort" }));
  await page.getByText("You answered with Abort.").waitFor();
  await watcher.page.getByRole("status").getByText("Failed", { exact: true }).waitFor();
  await watcher.page
    .getByRole("region", { name: "Why it failed" })
    .getByText(/Nobody has tested it/)
    .first()
    .waitFor();
  await takePictures(watcher.page, "approval 7 rejected");
  assert.equal((await portal.ended(second)).State, "Failed");
  assert.deepEqual(portal.stage.marks(), ["start first machine-1", "end first machine-1"], "what nobody approved has run");
  assert.deepEqual([...approver.faults, ...watcher.faults], []);
});
