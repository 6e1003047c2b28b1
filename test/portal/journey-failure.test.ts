// A deployment goes wrong: a person finds the first error line, mends the step and deploys again; another one goes back to the release before.
// Both by keyboard alone, beginning at the dashboard, with what really happened on the agent's machine.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import type { Page } from "../support/browser.ts";
import type { Document } from "../support/cluster-api.ts";
import { eventually } from "../support/eventually.ts";
import { startJourneyStage, takePictures } from "../support/journey-stage.ts";
import type { JourneyStage } from "../support/journey-stage.ts";
import { keyboardOf } from "../support/keyboard.ts";
import type { Keyboard } from "../support/keyboard.ts";

let stage: JourneyStage;
let environment: Document;
before(async () => {
  if (needsBrowser.skip !== false) return;
  stage = await startJourneyStage();
  environment = await stage.api.create("/api/environments", { Name: "Production" });
  await stage.target({ name: "web-1", environments: [environment], roles: ["web"] });
});
after(() => stage?.close());

/** The file that the shop's script writes on the machine. */
const shop = (project: string): string => path.join(stage.cluster.root, `${project}.txt`);

const step = (Name: string, body: string) => ({
  Name,
  Properties: { "Octopus.Action.TargetRoles": "web" },
  Actions: [
    {
      Name,
      ActionType: "Octopus.Script",
      Properties: { "Octopus.Action.Script.Syntax": "Bash", "Octopus.Action.Script.ScriptBody": body },
    },
  ],
});

async function makeProject(name: string, steps: readonly object[]): Promise<Document> {
  const [group] = await stage.api.get("/api/projectgroups/all");
  const [lifecycle] = await stage.api.get("/api/lifecycles/all");
  const project = await stage.api.create("/api/projects", { Name: name, ProjectGroupId: group.Id, LifecycleId: lifecycle.Id });
  await saveSteps(project, steps);
  return project;
}

async function saveSteps(project: Document, steps: readonly object[]): Promise<void> {
  await stage.api.put(`/api/projects/${project.Id}/deploymentprocesses`, { Steps: steps });
}

async function deploy(project: Document, version: string): Promise<Document> {
  const release = await stage.api.create("/api/releases", { ProjectId: project.Id, Version: version });
  const { TaskId } = await stage.api.create("/api/deployments", { ReleaseId: release.Id, EnvironmentId: environment.Id });
  return await eventually(
    `the deployment of ${version} ends`,
    async () => {
      const task = await stage.api.get(`/api/tasks/${TaskId}`);
      return task.IsCompleted ? task : undefined;
    },
    120_000,
  );
}

/** From the dashboard's grid, by arrow keys, to what is deployed of a project. */
async function openCell(page: Page, keyboard: Keyboard, project: string, content: RegExp): Promise<void> {
  const row = page.getByRole("row", { name: project });
  const cell = row.getByRole("gridcell", { name: content });
  await cell.waitFor();
  await keyboard.reach(page.getByRole("grid").locator("[tabindex='0']"));
  await page.keyboard.press("Control+Home");
  // The first row is the group's when there are several groups; names are in the first column either way.
  for (let n = 0; n < 10 && !(await keyboard.isOn(row.getByRole("rowheader"))); n++) {
    await page.keyboard.press("ArrowDown");
    await page.locator("[data-at]:focus").waitFor();
  }
  await page.keyboard.press("ArrowRight");
  await page.locator("[role=gridcell]:focus").filter({ hasText: content }).waitFor();
  await page.keyboard.press("Enter");
}

test("why a deployment failed is seen with one press, and leads to the step, a new release and success", needsBrowser, async (t) => {
  const project = await makeProject("Web shop", [
    step("Fetch the shop", "echo fetched"),
    step("Start the shop", `echo "Starting"\necho "The shop's settings are missing: /etc/shop.conf" >&2\nexit 3`),
  ]);
  const failed = await deploy(project, "1.0.0");
  assert.equal(failed.State, "Failed");
  const { page, faults, close } = await stage.open("/app");
  t.after(close);
  const keyboard = keyboardOf(page);
  await page.getByRole("button", { name: /Failed 1/ }).waitFor();
  await takePictures(page, "failure 1 dashboard");
  // The one press.
  await openCell(page, keyboard, "Web shop", /Failed/);
  await keyboard.arrives(/Deploy Web shop release 1\.0\.0/);
  const card = page.getByRole("region", { name: "Why it failed" });
  await card.getByText("The shop's settings are missing: /etc/shop.conf").waitFor();
  await stage.stop(page, "failure 2 the task");
  await keyboard.press(card.getByRole("button", { name: /Go to line/ }));
  await page.getByTestId("log").locator("[data-line]").filter({ hasText: "The shop's settings are missing" }).waitFor();

  await keyboard.press(card.getByRole("link", { name: "Edit step Start the shop" }));
  await keyboard.arrives("Process");
  const script = page.getByLabel("Script", { exact: true });
  await keyboard.reach(script);
  assert.match(await script.inputValue(), /exit 3/, "another step is open");
  await keyboard.enter(script, `echo open > '${shop("Web shop")}'`);
  await takePictures(page, "failure 3 edit step");
  await page.keyboard.press("Control+s");
  await page.getByText("Version 2, saved.").waitFor();
  await keyboard.press(page.getByRole("link", { name: "Create release" }));
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Version").and(page.locator("[value='1.0.1']")).waitFor();
  await keyboard.press(dialog.getByRole("button", { name: "Create release" }));
  await keyboard.arrives("Release 1.0.1");
  await keyboard.press(page.getByRole("link", { name: "Deploy …", exact: true }));
  await keyboard.arrives("Deploy release 1.0.1");
  await page.getByText("on web-1").first().waitFor();
  await page.getByText("Step Start the shop").waitFor();
  await stage.stop(page, "failure 4 deploy the mended release");
  await keyboard.press(page.getByRole("button", { name: "Deploy to Production" }));
  await page.getByRole("status").getByText("Success", { exact: true }).waitFor();
  assert.equal((await stage.endOf(page)).State, "Success");
  assert.equal(readFileSync(shop("Web shop"), "utf8"), "open\n");
  await keyboard.press(page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Dashboard" }));
  await keyboard.arrives("Dashboard");
  await page.getByRole("gridcell", { name: /1\.0\.1.*Success/ }).waitFor();
  await takePictures(page, "failure 5 dashboard");
  assert.deepEqual(faults, []);
});

test("production goes back to the release before: what changes is shown first, and the way forward is offered", needsBrowser, async (t) => {
  const greet = (text: string) =>
    step("Greet", `set -e\n# The shop greets its visitors.\necho "${text} $(get_octopusvariable Who)" > '${shop("Greeter")}'`);
  const project = await makeProject("Greeter", [greet("Hello")]);
  const setWho = async (Value: string): Promise<void> => {
    const set = await stage.api.get(`/api/projects/${project.Id}/variables`);
    const [old = { Name: "Who", Scope: {}, IsSensitive: false }] = set.Variables;
    await stage.api.put(`/api/variables/${set.Id}`, { ...set, Variables: [{ ...old, Value }] });
  };
  await setWho("world");
  assert.equal((await deploy(project, "1.0.0")).State, "Success");
  const process = await stage.api.get(`/api/projects/${project.Id}/deploymentprocesses`);
  process.Steps[0].Actions[0].Properties["Octopus.Action.Script.ScriptBody"] =
    greet("Go away,").Actions[0]!.Properties["Octopus.Action.Script.ScriptBody"];
  await stage.api.put(`/api/projects/${project.Id}/deploymentprocesses`, process);
  await setWho("everybody");
  assert.equal((await deploy(project, "1.1.0")).State, "Success");
  assert.equal(readFileSync(shop("Greeter"), "utf8"), "Go away, everybody\n");

  const { page, faults, close } = await stage.open("/app");
  t.after(close);
  // Somebody else looks at the project meanwhile.
  const other = await stage.open("/app/Spaces-1/projects/greeter");
  t.after(other.close);
  await other.page.getByTestId("live-light").getByText("Live").waitFor();
  await other.page.getByRole("link", { name: "Roll back Production to 1.0.0" }).waitFor();
  await stage.stop(other.page, "back 1 the project");

  const keyboard = keyboardOf(page);
  await openCell(page, keyboard, "Greeter", /1\.1\.0/);
  await keyboard.arrives(/Deploy Greeter release 1\.1\.0/);
  await keyboard.press(page.getByRole("link", { name: "Roll back to 1.0.0 …" }));
  await keyboard.arrives("Roll back to release 1.0.0");
  await page.getByText("This goes back.").waitFor();
  await page.getByText("What changes from 1.1.0 to 1.0.0").waitFor();
  const lines = page.getByRole("region", { name: /Lines of Step Greet/ });
  await lines.getByText(/goes: .*Go away/).waitFor();
  await lines.getByText(/comes: .*Hello/).waitFor();
  await page.getByRole("listitem").filter({ hasText: "Variable Who" }).getByText("everybody").waitFor();
  await page.getByText("on web-1").waitFor();
  await stage.stop(page, "back 2 what changes");
  await keyboard.press(page.getByRole("button", { name: "Roll back Production to 1.0.0" }));
  await page.getByRole("status").getByText("Success", { exact: true }).waitFor();
  assert.equal((await stage.endOf(page)).State, "Success");
  assert.equal(readFileSync(shop("Greeter"), "utf8"), "Hello world\n");
  await page.getByRole("link", { name: "Deploy 1.1.0 again …" }).waitFor();
  await takePictures(page, "back 3 rolled back");
  // Without a reload.
  await other.page.getByRole("link", { name: "Deploy again 1.1.0 to Production" }).waitFor();
  await keyboard.press(page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Dashboard" }));
  await keyboard.arrives("Dashboard");
  await page
    .getByRole("row", { name: "Greeter" })
    .getByRole("gridcell", { name: /1\.0\.0.*Success/ })
    .waitFor();
  await takePictures(page, "back 4 dashboard");
  assert.deepEqual([...faults, ...other.faults], []);
});
