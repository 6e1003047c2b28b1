// From a project to a deployment in a real browser: make a release, see what would happen, deploy it, and what a refusal leaves as it was.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make } from "../support/api-node.ts";
import { makeZip } from "../support/archives.ts";
import { needsBrowser } from "../support/browser.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { portalPassword, startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
  await portal.stage.node("node-1");
  const project = await make.project(portal.stage.api, "Web shop");
  await portal.stage.api.put(`/api/projects/${project.Id}/deploymentprocesses`, { Steps: [scriptStep("one"), scriptStep("two")] });
});
after(() => portal?.close());

test("one makes a release, sees what it would do, leaves a step out, and deploys it", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app");
  t.after(close);
  await page.getByRole("link", { name: "Web shop" }).click();
  await page.getByRole("heading", { name: "No releases yet" }).waitFor();
  await portal.checkAccess(page, "a project without releases");
  await page.getByRole("button", { name: "Create the first release" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Version").fill("not a version");
  await dialog.getByLabel("Notes").fill("<b>First</b> & best");
  await portal.checkAccess(page, "the dialog of a new release");
  await dialog.getByRole("button", { name: "Create release" }).click();
  await dialog.getByRole("alert").waitFor();
  assert.equal(await dialog.getByLabel("Notes").inputValue(), "<b>First</b> & best", "a refusal took what was entered");
  await dialog.getByLabel("Version").fill("1.2.3");
  await dialog.getByRole("button", { name: "Create release" }).click();
  await page.getByRole("heading", { name: "Release 1.2.3" }).waitFor();
  await page.getByText("<b>First</b> & best").waitFor();
  await portal.checkAccess(page, "a release");
  await page.getByRole("link", { name: "Deploy …" }).click();
  await page.getByText("nothing → 1.2.3").waitFor();
  await page.getByText("on machine-1").first().waitFor();
  await portal.checkAccess(page, "the deploy page");
  await page.getByText("2. two").click();
  await page.getByRole("button", { name: "Deploy to Production" }).click();
  await page.waitForURL(/\/tasks\/ServerTasks-\d+$/);
  const taskId = page.url().split("/").at(-1)!;
  const task = await portal.ended(taskId);
  assert.equal(task.State, "Success", task.ErrorMessage);
  assert.deepEqual(portal.stage.marks(), ["start one machine-1", "end one machine-1"]);
  await page.getByRole("link", { name: "Release", exact: true }).click();
  await page.getByRole("heading", { name: "Release 1.2.3" }).waitFor();
  await page.getByRole("link", { name: /Success/ }).waitFor();
  await page.getByRole("navigation", { name: "Up" }).getByRole("link", { name: "Web shop" }).click();
  await page.getByRole("rowheader", { name: /1\.2\.3/ }).waitFor();
  await portal.checkAccess(page, "a project with a release");
  assert.deepEqual(faults, []);
});

test("addresses with a version, and old links, lead to the release", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1/projects/web-shop/releases/1.2.3");
  t.after(close);
  await page.getByRole("heading", { name: "Release 1.2.3" }).waitFor();
  await page.goto(`${portal.url}/app#/Spaces-1/projects/web-shop/deployments/releases/1.2.3`);
  await page.getByRole("heading", { name: "Release 1.2.3" }).waitFor();
  assert.deepEqual(faults, []);
});

test("a session that ends in the middle asks for a sign-in above the page, and the deployment goes on", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1/projects/web-shop");
  t.after(close);
  await page.getByRole("link", { name: "1.2.3" }).first().click();
  await page.getByRole("link", { name: "Deploy again …" }).click();
  await page.getByLabel("Comment").fill("kept");
  await page.getByText("on machine-1").first().waitFor();
  await portal.stage.api.database.execute(`DELETE FROM sessions`);
  await page.getByRole("button", { name: "Deploy to Production" }).click();
  const dialog = page.getByRole("dialog", { name: "Your session has ended" });
  await dialog.waitFor();
  await portal.checkAccess(page, "the sign-in above a page");
  await dialog.getByLabel("Password").fill(portalPassword);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/tasks\/ServerTasks-\d+$/);
  const { Items } = await portal.stage.api.get("/api/deployments?take=1");
  assert.equal(Items[0].Comments, "kept");
  assert.deepEqual(faults, []);
});

test("a release of a project with a package takes its newest version", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app");
  t.after(close);
  const { api } = portal.stage;
  for (const version of ["1.0.0", "1.1.0"]) {
    const form = new FormData();
    form.append("file", new Blob([new Uint8Array(makeZip([{ name: "shop.txt", content: version }]))]), `Shop.${version}.zip`);
    const headers = { "X-Octopus-ApiKey": api.adminKey };
    const answer = await fetch(`${api.url}/api/Spaces-1/packages/raw`, { method: "POST", headers, body: form });
    assert.ok(answer.ok, await answer.text());
  }
  const project = await make.project(api, "Packed shop");
  const reference = { PackageId: "Shop", FeedId: "feeds-builtin" };
  await api.put(`/api/projects/${project.Id}/deploymentprocesses`, {
    Steps: [
      {
        Name: "Install",
        Properties: { "Octopus.Action.TargetRoles": "web" },
        Actions: [
          {
            Name: "Install",
            ActionType: "Octopus.TentaclePackage",
            Packages: [{ Name: "", ...reference }],
            Properties: { "Octopus.Action.Package.PackageId": reference.PackageId, "Octopus.Action.Package.FeedId": reference.FeedId },
          },
        ],
      },
    ],
  });
  await page.goto(`${portal.url}/app/Spaces-1/projects/${project.Slug}`);
  await page.getByRole("button", { name: "Create the first release" }).click();
  await page.getByRole("dialog").getByLabel("Version").fill("7.0.0");
  await page.getByRole("dialog").getByRole("button", { name: "Create release" }).click();
  await page.getByRole("heading", { name: "Release 7.0.0" }).waitFor();
  await page.getByRole("cell", { name: "1.1.0" }).waitFor();
  assert.deepEqual(faults, []);
});

test("a deployment for later says when it starts, waits until then, and can be cancelled", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1/projects/web-shop");
  t.after(close);
  await page.getByRole("link", { name: "1.2.3" }).first().click();
  await page.getByRole("link", { name: "Deploy again …" }).click();
  await page.getByText("Start later").click();
  const at = page.getByLabel("Start at");
  const first = await at.inputValue();
  await page.getByLabel("Give up at").fill(first);
  await page.getByText("It is given up before it starts.").first().waitFor();
  assert.equal(await page.getByRole("button", { name: "Deploy to Production" }).isDisabled(), true);
  await portal.checkAccess(page, "the deploy page with a time that cannot be");
  await page.getByLabel("Give up at").fill("");
  await at.fill("");
  await page.getByText("Say when it starts").first().waitFor();
  await at.fill(first);
  await page.getByRole("button", { name: "Deploy to Production" }).click();
  await page.waitForURL(/\/tasks\/ServerTasks-\d+$/);
  const task = await portal.stage.api.get(`/api/tasks/${page.url().split("/").at(-1)!}`);
  assert.ok(Math.abs(Date.parse(task.QueueTime) - Date.now() - 3_600_000) < 120_000, `It starts at ${task.QueueTime}.`);
  await page.getByText(/It starts in (59|60) minutes|It starts in 1 hour/).waitFor();
  await portal.checkAccess(page, "a task that starts later");
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("button", { name: "Cancel the task" }).click();
  await page.getByText("Canceled").first().waitFor();
  assert.deepEqual(faults, []);
});
