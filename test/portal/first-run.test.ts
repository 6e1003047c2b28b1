// From an empty server to a first deployment in a real browser, through pages alone: environment, project, step on the server, release,
// deployment; each is ticked when it is done.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import { startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
  await portal.stage.node("node-1");
  // Nothing at all is there.
  const { Items: machines } = await portal.stage.api.get("/api/machines");
  for (const machine of machines) await portal.stage.api.call("DELETE", `/api/machines/${machine.Id}`);
  await portal.stage.api.call("DELETE", `/api/environments/${portal.stage.environment.Id}`);
});
after(() => portal?.close());

test("an empty server leads to a first deployment", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app");
  t.after(close);
  await page.getByRole("heading", { name: "No projects yet" }).waitFor();
  await page.getByRole("link", { name: "First steps" }).click();
  await page.getByText("0 of 5 are done.").waitFor();
  await portal.checkAccess(page, "the first steps of an empty server");
  await page.getByRole("link", { name: "New environment" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Test");
  await portal.checkAccess(page, "a new environment");
  await dialog.getByRole("button", { name: "Create environment" }).click();
  await page.getByRole("button", { name: "Edit Test" }).waitFor();
  await page.goto(`${portal.url}/app/Spaces-1/start`);
  await page.getByText("1 of 5 are done.").waitFor();
  await page.getByRole("img", { name: "Done" }).waitFor();
  await page.getByRole("link", { name: "New project" }).click();
  await dialog.getByLabel("Name").fill("Web shop");
  await dialog.getByRole("button", { name: /Default Lifecycle/ }).waitFor();
  await portal.checkAccess(page, "a new project");
  await dialog.getByRole("button", { name: "Create project" }).click();
  await page.getByRole("button", { name: "Add step" }).click();
  await page.getByRole("menuitem", { name: "Manual intervention" }).click();
  await page.getByLabel("Instructions").fill("Say yes");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Version 1, saved.").waitFor();
  await page.getByRole("button", { name: /Signed in as/ }).click();
  await page.getByRole("menuitem", { name: "First steps" }).click();
  await page.getByText("2 of 5 are done.").waitFor();
  await page.getByRole("link", { name: "Create a release of Web shop" }).click();
  await page.getByRole("button", { name: "Create release" }).last().click();
  await page.getByRole("heading", { name: /^Release/ }).waitFor();
  await page.goto(`${portal.url}/app/Spaces-1/start`);
  await page.getByRole("link", { name: /^Deploy 0\.0\.1/ }).click();
  await page.getByText("Test").first().waitFor();
  const deploy = page.getByRole("button", { name: "Deploy to Test" });
  const place = page.getByRole("checkbox", { name: "Test" });
  await deploy.or(place).first().waitFor();
  if (!(await deploy.isVisible())) await page.getByText("Test", { exact: true }).first().click();
  await deploy.click();
  await page.getByRole("link", { name: "Answer …" }).click();
  await page.getByRole("button", { name: "Take responsibility" }).click();
  await page.getByRole("button", { name: "Proceed" }).click();
  await page.getByText("You answered with Proceed.").waitFor();
  await page.goto(`${portal.url}/app/Spaces-1/start`);
  await page.getByText("4 of 5 are done.").waitFor();
  await page.getByText("The first deployment is made.").waitFor();
  await portal.checkAccess(page, "the first steps after the first deployment");
  assert.deepEqual(faults, []);
});

test("environments are renamed and put into another order, and a name that is taken is refused without loss", needsBrowser, async (t) => {
  const { api } = portal.stage;
  await api.post("/api/environments", { Name: "Staging", Description: "before production", UseGuidedFailure: true });
  const { page, faults, close } = await portal.open("/app/Spaces-1/infrastructure/environments");
  t.after(close);
  await page.getByRole("button", { name: "Edit Staging" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Test");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByRole("alert").waitFor();
  assert.equal(await dialog.getByLabel("Name").inputValue(), "Test");
  await portal.checkAccess(page, "an environment's refused name");
  await dialog.getByLabel("Name").fill("Stage");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Move Stage up" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("listitem").first().getByText("Stage").waitFor();
  await portal.checkAccess(page, "environments");
  const all = await api.get("/api/environments/all");
  assert.deepEqual(
    all.map((one: { Name: string; Description: string; UseGuidedFailure: boolean }) => [one.Name, one.Description, one.UseGuidedFailure]),
    [
      ["Stage", "before production", true],
      ["Test", "", false],
    ],
  );
  await page.goto(`${portal.url}/app/Spaces-1/projects?new=true`);
  await dialog.getByLabel("Name").fill("Web shop");
  await dialog.getByRole("button", { name: "Create project" }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByRole("button", { name: "Leave" }).click();
  await page.getByRole("main").getByRole("link", { name: "Web shop" }).waitFor();
  await portal.checkAccess(page, "projects");
  assert.deepEqual(faults, []);
});
