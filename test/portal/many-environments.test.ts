// A space of 1,500 environments in a real browser: each page shows a part, finds the rest by its name or by scrolling, and draws no more than it
// shows.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make } from "../support/api-node.ts";
import type { Json } from "../support/api-node.ts";
import { needsBrowser } from "../support/browser.ts";
import type { Page } from "../support/browser.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { eventually } from "../support/eventually.ts";
import { startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

const count = 1_500;
/** Elements of a whole page. */
const elementsMax = 2_500;
const pageMsMax = 60_000;

let portal: PortalStage;
let project: Json;
let release: Json;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
  const { api } = portal.stage;
  await api.database.execute(
    `INSERT INTO environments (id, space_id, name, slug, sort_order)
     SELECT 'Environments-' || (10000 + n), 'Spaces-1', 'Region ' || to_char(n, 'FM0000'), 'region-' || n, n FROM generate_series(1, $1::int) n`,
    [count],
  );
  project = await make.project(api, "Everywhere");
  // The standard lifecycle, which the second project has, goes through all of them one after the other.
  const all = (await api.get("/api/environments/all")).map((one: Json) => one.Id);
  const { Id: LifecycleId } = await api.post("/api/lifecycles", {
    Name: "Zones at once",
    Phases: [{ Name: "All", OptionalDeploymentTargets: all }],
  });
  await api.put(`/api/projects/${project.Id}`, { ...project, LifecycleId });
  await api.put(`/api/projects/${project.Id}/deploymentprocesses`, { Steps: [scriptStep("one")] });
  release = await make.release(api, project.Id, "1.0.0");
  await api.post("/api/deployments", { ReleaseId: release.Id, EnvironmentId: "Environments-11400" });
});
after(() => portal?.close());

async function isBounded(page: Page, where: string): Promise<void> {
  const elements: number = await page.evaluate(`document.querySelectorAll("*").length`);
  assert.ok(elements <= elementsMax, `${where} has ${elements} elements`);
}

test("the dashboard draws the columns in sight, and every other is reached by keys and by scrolling", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1");
  t.after(close);
  const header = (name: string) => page.getByRole("columnheader", { name, exact: true });
  await header("Region 0002").waitFor();
  assert.equal(await page.getByRole("grid").getAttribute("aria-colcount"), String(count + 2));
  await isBounded(page, "the dashboard");
  await page.getByRole("rowheader", { name: "Everywhere" }).focus();
  await page.keyboard.press("End");
  await header("Region 1500").waitFor();
  await page.locator(`[role=gridcell]:focus[aria-colindex="${count + 2}"]`).waitFor();
  await isBounded(page, "the end of the dashboard");
  // To the one that is deployed to: its cell stands below its head.
  await page.getByRole("grid").evaluate((grid: { scrollLeft: number }) => void (grid.scrollLeft = 1_398 * 136));
  await header("Region 1400").waitFor();
  const cell = page.locator("[role=gridcell][data-state=Queued]");
  await cell.waitFor();
  assert.equal(await cell.getAttribute("aria-colindex"), await header("Region 1400").getAttribute("aria-colindex"));
  const [above, below] = [await header("Region 1400").boundingBox(), await cell.boundingBox()];
  assert.ok(Math.abs(above!.x - below!.x) < 1 && Math.abs(above!.width - below!.width) < 1, "a cell does not stand below its head");
  assert.equal(await header("Region 0002").count(), 0);
  await portal.checkAccess(page, "a dashboard of many environments");
  assert.deepEqual(faults, []);
});

test("one finds the environment to deploy to, keeps what is chosen in sight, and deploys there", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open(`/app/Spaces-1/releases/${release.Id}/deploy`);
  t.after(close);
  await page.getByText(`50 of ${(count + 1).toLocaleString("en")} are shown.`).waitFor();
  await page.getByLabel("Find environments").fill("1234");
  await page.getByText("Region 1234").click();
  await page.getByText("nothing → 1.0.0").first().waitFor();
  await page.getByLabel("Find environments").fill("no such name");
  await page
    .getByRole("checkbox", { name: /Region/ })
    .nth(1)
    .waitFor({ state: "detached" });
  assert.equal(await page.getByRole("checkbox", { name: /Region 1234/ }).isChecked(), true, "what is chosen went out of sight");
  await page.getByLabel("Find environments").fill("");
  await page.getByRole("checkbox", { name: /Region 0049/ }).waitFor({ state: "attached" });
  await isBounded(page, "the deploy page");
  await portal.checkAccess(page, "the deploy page of many environments");
  await page.getByRole("button", { name: "Deploy to Region 1234" }).click();
  await page.waitForURL(/\/tasks\/ServerTasks-\d+$/);
  const { Items } = await portal.stage.api.get(`/api/deployments?projects=${project.Id}&take=5`);
  assert.equal(Items[0].EnvironmentId, "Environments-11234");
  assert.deepEqual(faults, []);
});

test("a variable is limited to environments that are found by their names", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1/projects/everywhere/variables");
  t.after(close);
  await page.getByRole("button", { name: "Add variable" }).click();
  const dialog = page.getByRole("dialog", { name: "Variable" });
  await dialog.getByLabel("Name").fill("Host");
  const scope = page.getByRole("dialog").getByRole("combobox", { name: "Environments" });
  await scope.fill("0777");
  await page.getByRole("option", { name: "Region 0777" }).click();
  await page.getByRole("button", { name: "Remove Region 0777" }).waitFor();
  // By keys alone the next one.
  await page.locator("input[role=combobox]:focus").waitFor();
  assert.equal(await scope.inputValue(), "");
  await page.keyboard.type("region 14");
  await page.getByRole("option", { name: "Region 1440" }).waitFor();
  await isBounded(page, "the scope of a variable");
  await page.keyboard.type("99");
  await page.getByRole("option", { name: "Region 1440" }).waitFor({ state: "detached" });
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Remove Region 1499" }).waitFor();
  await portal.checkAccess(page, "the scope of a variable among many environments");
  await page.getByRole("button", { name: "Done" }).click();
  await page.keyboard.press("Control+s");
  await page.getByText("Version 1, saved.").waitFor();
  const set = await portal.stage.api.get(`/api/projects/${project.Id}/variables`);
  assert.deepEqual(set.Variables[0].Scope, { Environment: ["Environments-10777", "Environments-11499"] });
  assert.deepEqual(faults, []);
});

test("the pages of a project, a release, the environments and a new target show a part and find the rest", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1/projects/everywhere");
  t.after(close);
  const find = page.getByLabel(/^Find environments/);
  // What has something comes first.
  await page.getByRole("columnheader", { name: "Region 1400" }).waitFor();
  await isBounded(page, "the page of a project");
  await find.fill("0815");
  await page.getByRole("link", { name: "Deploy 1.0.0 to Region 0815" }).waitFor();
  assert.equal(await page.getByRole("columnheader").count(), 2);
  await portal.checkAccess(page, "a project of many environments");
  await page.getByRole("rowheader").getByRole("link", { name: "1.0.0" }).click();
  await page.getByText("Region 1400").waitFor();
  await isBounded(page, "the page of a release");
  await find.fill("0815");
  await page.getByRole("link", { name: "Deploy to Region 0815" }).waitFor();
  const inTurn = await make.project(portal.stage.api, "In turn");
  await portal.stage.api.put(`/api/projects/${inTurn.Id}/deploymentprocesses`, { Steps: [scriptStep("one")] });
  const { Id: next } = await make.release(portal.stage.api, inTurn.Id, "2.0.0");
  const refused = await portal.stage.api.call("POST", "/api/deployments", { ReleaseId: next, EnvironmentId: "Environments-11400" });
  assert.equal(refused.status, 400);
  assert.ok(refused.body.ErrorMessage.length < 500, "a sentence names hundreds of environments");
  await page.goto(`${portal.url}/app/Spaces-1/releases/${next}`);
  await page.getByText(/^20 of 1,501 are shown/).waitFor();
  await isBounded(page, "a release of many phases");
  await page.getByLabel("Find phases").fill("0815");
  await page.getByText("Region 0815").first().waitFor();
  await page.getByRole("link", { name: "Environments" }).click();
  await page.getByText("Region 0042").waitFor();
  await isBounded(page, "the page of environments");
  await find.fill("0815");
  await page.getByRole("button", { name: "Edit Region 0815" }).waitFor();
  assert.equal(await page.getByRole("button", { name: /^Edit/ }).count(), 1);
  await page.goto(`${portal.url}/app/Spaces-1/infrastructure/targets/new`);
  await find.fill("0815");
  await page.getByText("Region 0815").click();
  await find.fill("");
  await page.getByRole("checkbox", { name: "Region 0007" }).waitFor({ state: "attached" });
  assert.equal(await page.getByRole("checkbox", { name: "Region 0815" }).isChecked(), true);
  await isBounded(page, "the page of a new target");
  await page.goto(`${portal.url}/app/Spaces-1/infrastructure/targets`);
  const filter = page.getByRole("combobox", { name: "Environment" });
  await eventually("the filter stands at all", async () => (await filter.inputValue()) === "All", pageMsMax);
  await filter.fill("0815");
  await page.getByRole("option", { name: "Region 0815" }).click();
  await page.waitForURL(/environment=Environments-10815/);
  await page.getByRole("heading", { name: "No target fits the filters" }).waitFor();
  await isBounded(page, "the list of targets");
  assert.deepEqual(faults, []);
});
