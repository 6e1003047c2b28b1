// From an empty server to a deployment on a machine that did not know of it: a person signs in, follows the first steps, pastes one line into
// a shell, and sees the deployment succeed. Then a second machine joins by keyboard alone and gets the release too.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import type { Page } from "../support/browser.ts";
import { freePort } from "../support/cluster.ts";
import { takePictures, startJourneyStage } from "../support/journey-stage.ts";
import type { JourneyStage } from "../support/journey-stage.ts";
import { keyboardOf } from "../support/keyboard.ts";
import { createPastedMachine } from "../support/pasted-line.ts";
import type { PastedMachine } from "../support/pasted-line.ts";
import { portalPassword } from "../support/portal-stage.ts";

let stage: JourneyStage;
const machines: PastedMachine[] = [];
before(async () => {
  if (needsBrowser.skip !== false) return;
  stage = await startJourneyStage({ withAgentArchive: true });
});
after(async () => {
  for (const machine of machines) machine.endAgent();
  await stage?.close();
});

function newMachine(name: string): PastedMachine {
  const machine = createPastedMachine(stage.cluster.root, name);
  machines.push(machine);
  return machine;
}

/** The line that the page shows, as one copies it. */
async function lineOn(page: Page): Promise<string> {
  return (await page.locator("code", { hasText: "CUTTLE_INSTALL_TOKEN=" }).textContent()) ?? "";
}

/** What the script of the first step left on a machine. */
const leftOn = (machine: PastedMachine): string | undefined => {
  const file = path.join(machine.home, "shop", "release");
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
};
const script = `mkdir -p "$HOME/shop"
get_octopusvariable "Octopus.Release.Number" > "$HOME/shop/release"
echo "The shop is at $HOME/shop"`;

test(
  "D7 S1: an empty server leads from the sign-in to a green deployment on a machine that a pasted line added",
  needsBrowser,
  async (t) => {
    const machine = newMachine("first machine");
    const { page, faults, close } = await stage.open("/app", { signedIn: false });
    t.after(close);
    await page.getByLabel("User name").fill("admin");
    await page.getByLabel("Password").fill(portalPassword);
    await stage.stop(page, "first 1 sign in");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "No projects yet" }).waitFor();
    await stage.stop(page, "first 2 empty dashboard");
    await page.getByRole("link", { name: "First steps" }).click();
    await page.getByText("0 of 5 are done.").waitFor();
    await takePictures(page, "first 3 first steps");

    await page.getByRole("link", { name: "New environment" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("Test");
    await dialog.getByRole("button", { name: "Create environment" }).click();
    await dialog.waitFor({ state: "detached" });
    await page.getByText("First steps: 1 of 5 done.").waitFor();
    await stage.stop(page, "first 4 the way on after the environment");

    await page.getByRole("link", { name: "Add a target" }).click();
    // The only environment there is.
    await page.getByRole("checkbox", { name: "Test", checked: true }).waitFor({ state: "attached" });
    await page.getByLabel("New target tags").fill("web");
    await takePictures(page, "first 5 add target");
    await page.getByRole("button", { name: "Make the line" }).click();
    await page.getByText("Waiting for the line to be pasted").waitFor();
    await takePictures(page, "first 6 the line");
    const pasted = machine.paste(await lineOn(page));
    await page.getByText("is healthy and can be deployed to.").waitFor();
    const { code, said } = await pasted;
    assert.equal(code, 0, said);
    await page.getByText("First steps: 2 of 5 done.").waitFor();
    await stage.stop(page, "first 7 the machine is healthy");

    await page.getByRole("link", { name: "New project" }).click();
    await dialog.getByLabel("Name").fill("Web shop");
    await dialog.getByRole("button", { name: /Default Lifecycle/ }).waitFor();
    await takePictures(page, "first 8 new project");
    await dialog.getByRole("button", { name: "Create project" }).click();
    await page.getByRole("button", { name: "Add step" }).click();
    await takePictures(page, "first 9 kinds of steps");
    await page.getByRole("menuitem", { name: "Run a script" }).click();
    await page.getByRole("button", { name: "Add the tag web" }).click();
    await page.getByLabel("Script", { exact: true }).fill(script);
    await takePictures(page, "first 10 the step");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Version 1, saved.").waitFor();

    await page.getByRole("link", { name: "Create a release of Web shop" }).click();
    await dialog.getByRole("button", { name: "Create release" }).click();
    await page.getByRole("heading", { name: "Release 0.0.1" }).waitFor();
    await stage.stop(page, "first 11 the release");
    await page.getByRole("link", { name: "Deploy 0.0.1" }).click();
    await page.getByText(/^on /).waitFor();
    await takePictures(page, "first 12 deploy");
    await page.getByRole("button", { name: "Deploy to Test" }).click();
    await page.waitForURL(/\/tasks\/ServerTasks-\d+$/);
    await page.getByText("The first deployment has succeeded.").waitFor();
    await page.getByRole("status").getByText("Success", { exact: true }).waitFor();
    await page.getByText(`The shop is at ${machine.home}/shop`).waitFor();
    assert.equal(leftOn(machine), "0.0.1");
    await stage.stop(page, "first 13 green");
    await page.getByRole("link", { name: "See it on the dashboard" }).click();
    await page.getByRole("gridcell", { name: /0\.0\.1.*Success/ }).waitFor();
    await stage.stop(page, "first 14 dashboard");
    assert.equal(await page.getByText("First steps:").count(), 0, "the first steps are over and still lead");
    assert.deepEqual(faults, []);
  },
);

test("by keyboard alone a second machine, which listens, is added by its line, and the release goes there too", needsBrowser, async (t) => {
  const machine = newMachine("second machine");
  const { page, faults, close } = await stage.open("/app/Spaces-1/infrastructure/targets");
  t.after(close);
  const keyboard = keyboardOf(page);
  await page.getByTestId("live-light").getByText("Live").waitFor();
  await takePictures(page, "target 1 targets");
  await keyboard.press(page.getByRole("link", { name: "Add target" }));
  await keyboard.arrives("Add target");
  await keyboard.choose(page.getByRole("button", { name: /Who calls whom/ }), "The server calls");
  await page.getByRole("checkbox", { name: "Test", checked: true }).waitFor({ state: "attached" });
  await keyboard.tick(page.getByLabel("web", { exact: true }));
  await keyboard.enter(page.getByLabel("Name", { exact: true }), "second");
  await keyboard.press(page.getByRole("button", { name: "Make the line" }));
  await page.getByText("Waiting for the line to be pasted").waitFor();
  const pasted = machine.paste(await lineOn(page), { CUTTLE_AGENT_PORT: String(await freePort()) });
  await page.getByText("second is healthy and can be deployed to.").waitFor();
  const { code, said } = await pasted;
  assert.equal(code, 0, said);
  await keyboard.press(page.getByRole("link", { name: "Open the target" }));
  await keyboard.arrives("second");
  await takePictures(page, "target 2 the target");

  await keyboard.press(page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Projects" }));
  await keyboard.arrives("Projects");
  await keyboard.press(page.getByRole("main").getByRole("link", { name: "Web shop" }));
  await keyboard.arrives("Web shop");
  await keyboard.press(page.getByRole("rowheader").getByRole("link", { name: "0.0.1" }));
  await keyboard.arrives("Release 0.0.1");
  await keyboard.press(page.getByRole("link", { name: "Deploy again …" }));
  await keyboard.arrives("Deploy release 0.0.1");
  await page
    .getByText(/on .*second/)
    .first()
    .waitFor();
  await keyboard.press(page.getByRole("button", { name: "Deploy to Test" }));
  await page.getByRole("status").getByText("Success", { exact: true }).waitFor();
  assert.equal((await stage.endOf(page)).State, "Success");
  assert.equal(leftOn(machine), "0.0.1");
  await takePictures(page, "target 3 deployed to both");
  assert.deepEqual(faults, []);
});
