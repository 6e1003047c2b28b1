// Questions of running tasks in a real browser: found by number and link, taken, answered once with notes, and what a page shows when
// somebody else was quicker.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import { manualStep, scriptStep } from "../support/deploy-stage.ts";
import { startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
  await portal.stage.node("node-1");
});
after(() => portal?.close());

const instructions = "<b>Look</b> at **the shop** on [its board](https://example.com/board).\n\n- Is it open?\n- Then `decide`.";
const steps = [manualStep("Approve", { action: { "Octopus.Action.Manual.Instructions": instructions } }), scriptStep("after")];

test("a task that asks is seen from the side bar and the task, and goes on with the answer, by keyboard alone", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1/approvals");
  t.after(close);
  await page.getByRole("heading", { name: "Nothing waits for a person" }).waitFor();
  await portal.checkAccess(page, "no questions");
  const taskId = await portal.stage.deploy(steps);
  // Nothing is reloaded: the question comes by the feed of changes.
  const link = page.getByRole("link", { name: "Step 1: Approve" });
  await link.waitFor();
  await page.getByRole("navigation", { name: "Main" }).getByText("1 waiting for you").waitFor();
  await page.getByText("taken by nobody").waitFor();
  await portal.checkAccess(page, "one question");
  await page.goto(`${portal.url}/app/Spaces-1/tasks/${taskId}`);
  const answer = page.getByRole("link", { name: "Answer …" });
  await answer.focus();
  await page.keyboard.press("Enter");
  await page.getByText("<b>Look</b> at the shop on its board.").waitFor();
  assert.equal(await page.locator("strong", { hasText: "the shop" }).count(), 1);
  assert.deepEqual(await page.locator("main li", { has: page.locator("code") }).allTextContents(), ["Then decide."]);
  const board = page.getByRole("link", { name: "its board" });
  assert.deepEqual(
    [await board.getAttribute("href"), await board.getAttribute("rel")],
    ["https://example.com/board", "noreferrer noopener"],
  );
  await page.getByRole("button", { name: "Take responsibility" }).focus();
  await portal.checkAccess(page, "a question nobody has taken");
  await page.keyboard.press("Enter");
  await page.getByLabel("Notes").focus();
  await page.keyboard.type("Looks <i>good</i>");
  await portal.checkAccess(page, "a question of one's own");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate("document.activeElement.textContent"), "Proceed");
  await page.keyboard.press("Enter");
  await page.getByText("You answered with Proceed.").waitFor();
  await page.getByText("Looks <i>good</i>").waitFor();
  await portal.checkAccess(page, "an answered question");
  const task = await portal.ended(taskId);
  assert.equal(task.State, "Success", task.ErrorMessage);
  assert.match(await portal.stage.log(taskId), /Looks <i>good<\/i>/);
  await page.getByRole("navigation", { name: "Main" }).getByText("waiting for you").waitFor({ state: "detached" });
  assert.deepEqual(faults, []);
});

test("to abort is asked once more, and what somebody else answers takes nobody's notes", needsBrowser, async (t) => {
  const taskId = await portal.stage.deploy(steps);
  const [question] = await portal.stage.questions(taskId);
  const { page, faults, close } = await portal.open(`/app/Spaces-1/approvals/${question.Id}`);
  t.after(close);
  await page.getByRole("button", { name: "Take responsibility" }).click();
  await page.getByLabel("Notes").fill("Not on a Friday");
  await page.getByRole("button", { name: "Abort …" }).click();
  const dialog = page.getByRole("alertdialog");
  await dialog.getByText("What was done before stays done.").waitFor();
  await portal.checkAccess(page, "the dialog before aborting");
  await dialog.getByRole("button", { name: "Back" }).click();
  assert.equal((await portal.stage.task(taskId)).IsCompleted, false);
  await portal.stage.answer(question, "Abort", "Another reason");
  await page.getByText("answered with Abort").waitFor();
  await page.getByText("Another reason").waitFor();
  assert.equal(await page.getByLabel("Your notes, which were not sent").inputValue(), "Not on a Friday");
  assert.equal((await portal.ended(taskId)).State, "Failed");
  assert.deepEqual(faults, []);
});

test("a question that is not there says so", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1/approvals/Interruptions-999");
  t.after(close);
  await page.getByText("The question could not be read").waitFor();
  await portal.checkAccess(page, "a question that is not there");
  assert.deepEqual(faults, []);
});
