// The portal's first pages in a real browser: signing in, the dashboard that changes by itself, keys, lost connections, and what keeps people out.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { portalPassword, startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
  await portal.stage.node("node-1");
});
after(() => portal?.close());

test("a wrong password says so, an empty one is asked for, and the right one leads to where one wanted to go", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1?q=shop", { signedIn: false });
  t.after(close);
  await page.waitForURL(/\/app\/signin\?returnTo=/);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Enter your user name.").waitFor();
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("Invalid username or password.").waitFor();
  await portal.checkAccess(page, "the sign-in page with an error");
  await page.getByLabel("Password").fill(portalPassword);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/app\/Spaces-1\?q=shop$/);
  await page.getByRole("heading", { name: "Dashboard" }).waitFor();
  assert.deepEqual(faults, []);
});

test("the dashboard shows a deployment as it goes on, without being loaded again", needsBrowser, async (t) => {
  const release = Promise.withResolvers<void>();
  let isOver = false;
  portal.stage.agent.behave = () => ({ lines: ["working"], exitCode: 0, questions: 1, until: () => isOver });
  const { page, faults, close } = await portal.open("/app");
  t.after(close);
  await page.getByTestId("live-light").getByText("Live").waitFor();
  await page.evaluate(`window.stillHere = true`);
  const taskId = await portal.stage.deploy([scriptStep("one")]);
  const cell = page.locator("[role=gridcell][data-state]").first();
  await cell.getByText("Running").waitFor();
  await portal.checkAccess(page, "the dashboard");
  isOver = true;
  release.resolve();
  await portal.ended(taskId);
  await cell.getByText("Success").waitFor();
  assert.equal(await page.evaluate(`window.stillHere`), true);
  const hidden = await page.evaluate(`(([grid]) => grid.scrollHeight - grid.clientHeight)(document.querySelectorAll("[role=grid]"))`);
  assert.equal(hidden, 0, "a grid that fits is as high as what it holds");
  // All of a cell leads there, not its words alone.
  const { width, height } = (await cell.boundingBox())!;
  await cell.click({ position: { x: width - 4, y: height / 2 } });
  await page.waitForURL(/\/app\/Spaces-1\/tasks\/ServerTasks-/);
  assert.deepEqual(faults, []);
});

test("with the keyboard alone one signs in and opens a task", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app", { signedIn: false });
  t.after(close);
  await page.getByRole("heading", { name: "Sign in to Cuttle" }).waitFor();
  await page.keyboard.type("admin");
  await page.keyboard.press("Tab");
  await page.keyboard.type(portalPassword);
  await page.keyboard.press("Enter");
  await page.getByRole("grid").waitFor();
  // The heading has the focus; the grid is one stop, a few tabs on.
  await page.locator("[role=grid] [data-at][tabindex='0']").waitFor();
  for (let tabs = 0; tabs < 12; tabs++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(`document.activeElement.closest("[role=grid] [data-at]") !== null`)) break;
  }
  await page.keyboard.press("ArrowRight");
  await page.locator("[role=gridcell]:focus").waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/app\/Spaces-1\/tasks\/ServerTasks-/);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await portal.checkAccess(page, "the page of a task");
  assert.deepEqual(faults, []);
});

test("an address that leads nowhere says so, and the theme that was chosen stays", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1/nowhere");
  t.after(close);
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  await portal.checkAccess(page, "the page that is not there");
  await page.getByRole("button", { name: /Signed in as/ }).click();
  await portal.checkAccess(page, "the user's menu");
  await page.getByRole("menuitem", { name: "Dark" }).click();
  assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
  await page.reload();
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
  await page.getByRole("button", { name: /Signed in as/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.waitForURL(/\/app\/signin$/);
  assert.deepEqual(faults, []);
});

test("a lost connection is told, and what changed meanwhile is there when it is back", needsBrowser, async (t) => {
  const { page, close } = await portal.open("/app");
  t.after(close);
  await page.getByTestId("live-light").getByText("Live").waitFor();
  await page.context().setOffline(true);
  await page.getByText("The connection to the server is lost.").waitFor();
  await page.getByRole("grid").waitFor();
  await portal.ended(await portal.stage.deploy([scriptStep("two")]));
  await page.context().setOffline(false);
  await page.getByTestId("live-light").getByText("Live").waitFor();
  await page.getByRole("rowheader").nth(1).waitFor();
  await page.getByText("The connection to the server is lost.").waitFor({ state: "detached" });
});
