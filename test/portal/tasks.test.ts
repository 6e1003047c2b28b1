// The list of tasks in a real browser: it follows what happens, is narrowed by its address, and cancels what waits.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { portalPassword, startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

const address = "/app/Spaces-1/tasks";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
});
after(() => portal?.close());

test("tasks come by themselves, are narrowed by state and project in the address, and canceled by keyboard", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open(address);
  t.after(close);
  await page.getByRole("heading", { name: "No tasks yet" }).waitFor();
  await page.getByTestId("live-light").getByText("Live").waitFor();
  // No node takes tasks here, so both stay queued until they are canceled.
  const first = await portal.stage.deploy([scriptStep("one")]);
  await portal.stage.deploy([scriptStep("two")]);
  const row = page.getByRole("row", { name: /Shop 1/ });
  await page.getByRole("row", { name: /Shop 2/ }).waitFor();
  await row.getByText("Queued").waitFor();
  await portal.checkAccess(page, "the list of tasks");

  await page.getByRole("button", { name: `Cancel … ${first}` }).press("Enter");
  await page.getByRole("alertdialog").getByRole("button", { name: "Cancel the task" }).press("Enter");
  await row.getByText("Canceled").waitFor();
  assert.equal((await portal.stage.task(first)).State, "Canceled");
  assert.equal(await row.getByRole("button").count(), 0, "a task that has ended is still offered to be canceled");

  await page.getByRole("button", { name: /State/ }).press("Enter");
  await page.getByRole("option", { name: "Queued" }).press("Enter");
  await row.waitFor({ state: "detached" });
  assert.match(page.url(), /\?state=Queued$/);
  await page.getByRole("button", { name: /Project/ }).press("Enter");
  await page.getByRole("option", { name: "Shop 1" }).press("Enter");
  await page.getByRole("heading", { name: "No task fits the filters" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "No task fits the filters" }).waitFor();
  await page.getByRole("button", { name: "Clear filters" }).press("Enter");
  await row.getByRole("link").press("Enter");
  await page.waitForURL(new RegExp(`/tasks/${first}$`));
  assert.deepEqual(faults, []);
});

test("who may not see tasks reads why", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/signin", { signedIn: false });
  t.after(close);
  const answer = await page.request.post(`${portal.url}/api/users/login`, { data: { Username: "nobody", Password: portalPassword } });
  assert.equal(answer.status(), 200);
  await page.goto(portal.url + address);
  await page.getByRole("alert").getByText("The tasks could not be read.").waitFor();
  await page.getByText("TaskView").waitFor();
  assert.deepEqual(faults, []);
});
