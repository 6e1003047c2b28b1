// The process editor in a real browser: steps of each kind from nothing, by keyboard too; what somebody else saved meanwhile; nothing is lost.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make } from "../support/api-node.ts";
import type { Json } from "../support/api-node.ts";
import { needsBrowser } from "../support/browser.ts";
import type { Page } from "../support/browser.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
  await portal.stage.node("node-1");
});
after(() => portal?.close());

const processOf = (project: Json): Promise<Json> => portal.stage.api.get(`/api/projects/${project.Id}/deploymentprocesses`);
const stepNames = (process: Json): string[] => process.Steps.map((step: Json) => step.Name);
const addStep = async (page: Page, kind: string): Promise<void> => {
  await page.getByRole("button", { name: "Add step" }).click();
  await page.getByRole("menuitem", { name: kind }).click();
};
const saved = (page: Page, version: number) => page.getByText(`Version ${version}, saved.`).waitFor();

test("a process of a script, a package and a question is made from nothing, and what it says is deployed", needsBrowser, async (t) => {
  const project = await make.project(portal.stage.api, "Web shop");
  const { page, faults, close } = await portal.open("/app/Spaces-1/projects/web-shop");
  t.after(close);
  await page.getByRole("link", { name: "Process" }).click();
  await page.getByRole("heading", { name: "No steps yet" }).waitFor();
  await portal.checkAccess(page, "a process without steps");
  // By keyboard alone: the menu, the name, the script.
  await page.getByRole("button", { name: "Add step" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("menuitem", { name: "Run a script" }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByText("It has no script.").waitFor();
  await page.getByRole("button", { name: "Add the tag web" }).focus();
  await page.keyboard.press("Enter");
  await page.getByLabel("Script", { exact: true }).focus();
  await page.keyboard.type("if true; then\n  run hello\nfi");
  assert.equal(
    await page.getByLabel("Script", { exact: true }).inputValue(),
    "if true; then\n  run hello\n  fi",
    "Enter did not keep the indentation",
  );
  await page.keyboard.press("Control+[");
  await portal.checkAccess(page, "a script step");
  await page.keyboard.press("Control+s");
  await saved(page, 1);
  const script = (await processOf(project)).Steps[0];
  assert.equal(script.Properties["Octopus.Action.TargetRoles"], "web");
  assert.equal(script.Actions[0].Properties["Octopus.Action.Script.ScriptBody"], "if true; then\n  run hello\nfi");

  await addStep(page, "Deploy a package");
  await page.getByRole("combobox", { name: "Package" }).fill("shop.web");
  await page.getByRole("button", { name: "Add the tag web" }).click();
  await page.getByLabel("Custom folder", { exact: true }).fill("/srv/shop");
  await page.getByText("Empty the custom folder before").click();
  await page.getByLabel("Fill variables into these files").fill("config/*.json");
  await portal.checkAccess(page, "a package step");
  await addStep(page, "Manual intervention");
  await page.getByLabel("Instructions").fill("Look <b>closely</b>");
  await page.getByLabel("Name").fill("Look at it");
  await page.getByRole("button", { name: "Move up" }).click();
  await portal.checkAccess(page, "a manual step");
  await page.getByRole("button", { name: "Save" }).click();
  await saved(page, 2);
  const process = await processOf(project);
  assert.deepEqual(stepNames(process), ["Run a script", "Look at it", "Deploy a package"]);
  assert.equal(process.Steps[0].Id, script.Id, "a step got another id");
  const { Packages: packages, Properties: properties } = process.Steps[2].Actions[0];
  assert.deepEqual(
    packages.map((one: Json) => [one.PackageId, one.FeedId, one.Name]),
    [["shop.web", "feeds-builtin", ""]],
  );
  assert.equal(properties["Octopus.Action.Package.CustomInstallationDirectory"], "/srv/shop");
  assert.equal(properties["Octopus.Action.SubstituteInFiles.TargetFiles"], "config/*.json");
  assert.equal(properties["Octopus.Action.EnabledFeatures"], "Octopus.Features.CustomDirectory,Octopus.Features.SubstituteInFiles");
  assert.equal(process.Steps[1].Actions[0].Name, "Look at it");

  // What was deleted comes back in its place; the deep link opens the step.
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByText("Look at it is removed when you save.").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await saved(page, 2);
  await page.reload();
  await page.getByLabel("Instructions").waitFor();
  await page.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("navigation", { name: "Steps" }).getByRole("link", { name: "Deploy a package" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await portal.checkAccess(page, "a disabled and a deleted step");
  await page.getByRole("button", { name: "Save" }).click();
  await saved(page, 3);
  const release = await make.release(portal.stage.api, project.Id, "1.0.0");
  const { TaskId } = await portal.stage.api.post("/api/deployments", {
    ReleaseId: release.Id,
    EnvironmentId: portal.stage.environment.Id,
  });
  const task = await portal.ended(TaskId);
  assert.equal(task.State, "Success", task.ErrorMessage);
  assert.deepEqual(portal.stage.marks(), ["start hello machine-1", "end hello machine-1"]);
  assert.deepEqual(faults, []);
});

test("what two people changed is put together, and what both changed is chosen; leaving with changes asks", needsBrowser, async (t) => {
  const { api } = portal.stage;
  const project = await make.project(api, "Two people");
  const steps = [scriptStep("one"), scriptStep("two")];
  const before = await api.put(`/api/projects/${project.Id}/deploymentprocesses`, { Steps: steps });
  const { page, faults, close } = await portal.open("/app/Spaces-1/projects/two-people/process");
  t.after(close);
  const script = page.getByLabel("Script", { exact: true });
  // Without edits of one's own the page follows.
  before.Steps[1].Name = "second";
  before.Steps[1].Actions[0].Name = "second";
  const followed = await api.put(`/api/projects/${project.Id}/deploymentprocesses`, before);
  await page.getByRole("navigation", { name: "Steps" }).getByRole("link", { name: "second" }).waitFor();
  await script.fill("run mine");
  const theirs = structuredClone(followed);
  theirs.Steps[0].Actions[0].Properties["Octopus.Action.Script.ScriptBody"] = "run theirs";
  theirs.Steps[1].Condition = "Always";
  await api.put(`/api/projects/${project.Id}/deploymentprocesses`, theirs);
  await page.getByText("was saved by somebody else while you edited").waitFor();
  assert.equal(await script.inputValue(), "run mine", "what was typed is gone");
  await page.getByText("run theirs").waitFor();
  const save = page.getByRole("button", { name: "Put together and save" });
  assert.equal(await save.isDisabled(), true, "a conflict is saved without a choice");
  await portal.checkAccess(page, "two people's changes");
  await page.getByRole("link", { name: "Dashboard" }).first().click();
  const leaving = page.getByRole("alertdialog", { name: "Leave without saving?" });
  await portal.checkAccess(page, "leaving with unsaved changes");
  await leaving.getByRole("button", { name: "Stay here" }).click();
  await page.getByText("yours", { exact: true }).click();
  await save.click();
  await saved(page, 4);
  const process = await api.get(`/api/projects/${project.Id}/deploymentprocesses`);
  assert.equal(process.Steps[0].Actions[0].Properties["Octopus.Action.Script.ScriptBody"], "run mine");
  assert.equal(process.Steps[1].Condition, "Always", "somebody else's change is lost");
  assert.deepEqual(faults, []);
});

test("a save that comes second is refused, shows the other's, and is put together though no feed told of it", needsBrowser, async (t) => {
  const { api } = portal.stage;
  const project = await make.project(api, "Refused");
  const before = await api.put(`/api/projects/${project.Id}/deploymentprocesses`, { Steps: [scriptStep("one"), scriptStep("two")] });
  const { page, faults, close } = await portal.open("/app/Spaces-1/projects/refused");
  t.after(close);
  await page.route("**/events/stream*", (one) => one.abort());
  await page.goto(`${portal.url}/app/Spaces-1/projects/refused/process`);
  const name = page.getByLabel("Name");
  await name.fill("mine");
  before.Steps[1].Condition = "Always";
  await api.put(`/api/projects/${project.Id}/deploymentprocesses`, before);
  await page.getByRole("button", { name: /Save|save/ }).click();
  await page.getByText("was saved by somebody else while you edited").waitFor();
  assert.equal(await name.inputValue(), "mine");
  await page.getByRole("button", { name: "Put together and save" }).click();
  await saved(page, 3);
  const process = await api.get(`/api/projects/${project.Id}/deploymentprocesses`);
  assert.deepEqual([process.Steps[0].Name, process.Steps[1].Condition], ["mine", "Always"]);
  // What the server refuses stays on the page.
  await name.fill("two");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("There are two steps named 'two'.").waitFor();
  assert.equal(await name.inputValue(), "two");
  await portal.checkAccess(page, "a refused process");
  assert.deepEqual(faults, []);
});
