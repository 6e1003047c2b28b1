// The example project made by hand: by keyboard alone, a person builds it from nothing in the editors of steps and variables, makes a release
// and deploys it; then the page that it deploys answers on the agent's machine.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import { freePort } from "../support/cluster.ts";
import { startJourneyStage, takePictures } from "../support/journey-stage.ts";
import type { JourneyStage } from "../support/journey-stage.ts";
import { keyboardOf } from "../support/keyboard.ts";

const example = path.join(path.dirname(path.dirname(import.meta.dirname)), "examples", "first-deployment");
const plan = JSON.parse(readFileSync(path.join(example, "first-deployment.json"), "utf8")) as {
  project: string;
  steps: readonly { name: string; role: string; script: string }[];
};
/** The example's scripts take their settings from the agent's environment; here variables of the project say them. */
const settings = ["Folder", "Port", "Node"]
  .map((name) => `export PAGE_${name.toUpperCase()}="$(get_octopusvariable "Page.${name}")"\n`)
  .join("");
const scriptOf = (file: string): string => settings + readFileSync(path.join(example, file), "utf8");

let stage: JourneyStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  stage = await startJourneyStage();
  const environments = [
    await stage.api.create("/api/environments", { Name: "Development" }),
    await stage.api.create("/api/environments", { Name: "Production" }),
  ];
  await stage.target({ name: "this machine", environments, roles: ["web", "visitor"] });
});
after(() => stage?.close());

test("the example is built by keyboard alone, and the page it deploys answers with its release", needsBrowser, async (t) => {
  const port = await freePort();
  const folder = path.join(stage.cluster.root, "page");
  const { page, faults, close } = await stage.open("/app/Spaces-1/projects");
  t.after(close);
  const keyboard = keyboardOf(page);
  const dialog = page.getByRole("dialog");
  await keyboard.press(page.getByRole("button", { name: "New project" }));
  await keyboard.enter(dialog.getByLabel("Name"), plan.project);
  await dialog.getByRole("button", { name: /Default Lifecycle/ }).waitFor();
  await keyboard.press(dialog.getByRole("button", { name: "Create project" }));
  await keyboard.arrives("Process");

  for (const { name, role, script } of plan.steps) {
    await keyboard.choose(page.getByRole("button", { name: "Add step" }), "Run a script");
    await page.getByText("It has no script.").waitFor();
    await keyboard.enter(page.getByLabel("Name"), name);
    await keyboard.press(page.getByRole("button", { name: `Add the tag ${role}` }));
    await keyboard.enter(page.getByLabel("Script", { exact: true }), scriptOf(script));
  }
  await page.keyboard.press("Control+s");
  await page.getByText("Version 1, saved.").waitFor();
  await stage.stop(page, "by hand 1 the process");

  await keyboard.press(page.getByRole("navigation", { name: "Project" }).getByRole("link", { name: "Variables" }));
  await keyboard.arrives("Variables");
  const values: [name: string, value: string, environment?: string][] = [
    ["Page.Folder", folder],
    ["Page.Node", process.execPath],
    // The port of another environment would be nobody's.
    ["Page.Port", "1"],
    ["Page.Port", String(port), "Development"],
  ];
  for (const [name, value, environment] of values) {
    await keyboard.press(page.getByRole("button", { name: "Add variable" }));
    await keyboard.enter(dialog.getByLabel("Name"), name);
    await keyboard.enter(dialog.getByLabel("Value"), value);
    if (environment !== undefined) {
      await keyboard.choose(dialog.getByRole("button", { name: /Environments/ }), environment);
      await dialog.getByRole("button", { name: `Remove ${environment}` }).waitFor();
      await takePictures(page, "by hand 2 a variable");
    }
    await keyboard.press(dialog.getByRole("button", { name: "Done" }));
    await dialog.waitFor({ state: "detached" });
  }
  await page.keyboard.press("Control+s");
  await page.getByText("Version 1, saved.").waitFor();
  await stage.stop(page, "by hand 3 the variables");

  await keyboard.press(page.getByRole("link", { name: "Create release" }));
  // Else it may come between the key that chooses all there is and what is typed.
  await dialog.getByLabel("Version").and(page.locator("[value='0.0.1']")).waitFor();
  await keyboard.enter(dialog.getByLabel("Version"), "1.0.0");
  await takePictures(page, "by hand 4 a new release");
  await keyboard.press(dialog.getByRole("button", { name: "Create release" }));
  await keyboard.arrives("Release 1.0.0");
  await keyboard.press(page.getByRole("link", { name: "Deploy …", exact: true }));
  await keyboard.arrives("Deploy release 1.0.0");
  await page.getByText("on this machine").first().waitFor();
  await takePictures(page, "by hand 5 deploy");
  await keyboard.press(page.getByRole("button", { name: "Deploy to Development" }));
  await page.getByRole("status").getByText("Success", { exact: true }).waitFor();
  const task = await stage.endOf(page);
  assert.equal(task.State, "Success", task.ErrorMessage);
  await page.getByTestId("log").getByText(`Version 1.0.0 answers at http://127.0.0.1:${port}/`).waitFor();
  await stage.stop(page, "by hand 6 deployed");

  const answer = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  assert.match(answer, /<h1>Version 1\.0\.0<\/h1>\n<p>Deployed to Development by Cuttle\.<\/p>/);
  assert.match(readFileSync(path.join(folder, "releases", "1.0.0", "page.html"), "utf8"), /Version 1\.0\.0/);
  assert.deepEqual(faults, []);
});
