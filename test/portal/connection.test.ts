// What stands between an open page and its server, in a real browser: a server that is away for a while, one that has another portal when it
// comes back, answers that are lost on their way, and a session that ends in the middle of an edit. Nothing is lost and nothing done twice.

import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { buildPortal } from "../../scripts/portal/build-portal.ts";
import { make } from "../support/api-node.ts";
import type { Json } from "../support/api-node.ts";
import { needsBrowser } from "../support/browser.ts";
import type { Page } from "../support/browser.ts";
import { startClosableDoor } from "../support/closable-door.ts";
import type { ClosableDoor } from "../support/closable-door.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { eventually } from "../support/eventually.ts";
import { portalPassword, startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";
import { createUpgradablePortal } from "../support/upgraded-portal.ts";
import type { UpgradablePortal } from "../support/upgraded-portal.ts";

const root = path.dirname(path.dirname(import.meta.dirname));

let portal: PortalStage;
let files: UpgradablePortal;
let door: ClosableDoor;
before(async () => {
  if (needsBrowser.skip !== false) return;
  files = await createUpgradablePortal((await buildPortal(root)).folder);
  portal = await startPortalStage({ portalFolder: files.folder });
  door = await startClosableDoor(portal.url);
  await portal.stage.node("node-1");
});
after(async () => {
  await door?.close();
  await portal?.close();
  await files?.remove();
});

/** A page behind the door, which stands open. */
async function open(where: string) {
  await door.open();
  const opened = await portal.open(where, { at: door.url });
  await isLive(opened.page);
  await opened.page.evaluate(`window.stillHere = true`);
  return opened;
}
const isLive = (page: Page) => page.locator("[data-testid=live-light][data-state=live]").waitFor();
const isSame = async (page: Page): Promise<void> => assert.equal(await page.evaluate(`window.stillHere`), true, "the page was loaded anew");
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
/** A page that could not be loaded is told to the console too. */
const isOther = (fault: string): boolean => !/A part of the portal could not be loaded|Refused to apply style/.test(fault);
const lostText = "The connection to the server is lost.";

/** The next such request arrives, and then the server is gone before its answer is. */
async function loseAnswer(page: Page, method: string, address: RegExp): Promise<{ arrived: Promise<void> }> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isDone = false;
  await page.route(address, async (route) => {
    if (isDone || route.request().method() !== method) return await route.fallback();
    isDone = true;
    try {
      const answer = await route.fetch();
      assert.ok(answer.ok(), await answer.text());
      await door.shut();
      await route.abort("connectionreset");
      resolve();
    } catch (error) {
      reject(error as Error);
    }
  });
  return { arrived: promise };
}

const processOf = (project: Json): Promise<Json> => portal.stage.api.get(`/api/projects/${project.Id}/deploymentprocesses`);

async function projectWithSteps(name: string): Promise<Json> {
  const project = await make.project(portal.stage.api, name);
  await portal.stage.api.put(`/api/projects/${project.Id}/deploymentprocesses`, { Steps: [scriptStep("one"), scriptStep("two")] });
  return project;
}

test(
  "a server that is away is told, takes nothing that was typed, and the page goes on when it is back, also one not opened before",
  needsBrowser,
  async (t) => {
    await projectWithSteps("Away");
    const { page, faults, close } = await open("/app/Spaces-1/projects/away");
    t.after(close);
    await page.getByRole("button", { name: "Create release" }).click();
    await page.getByRole("dialog").getByLabel("Notes").fill("typed before");
    await door.shut();
    await page.getByText(lostText).waitFor({ state: "attached" });
    await make.release(portal.stage.api, (await portal.stage.api.get("/api/projects/away")).Id, "7.7.7");
    await button(page, "Create release").last().click();
    await page.getByText("It is not known whether the release was made").waitFor();
    assert.equal(await page.getByRole("dialog").getByLabel("Notes").inputValue(), "typed before");
    await button(page, "Leave").click();
    // Its part of the portal was never fetched.
    await page.getByRole("link", { name: "Packages" }).click();
    await page.getByRole("heading", { name: "This page could not be loaded" }).waitFor();
    await portal.checkAccess(page, "a page that could not be loaded");
    await door.open();
    await isLive(page);
    await page.getByRole("heading", { name: "Packages", level: 1 }).waitFor();
    await page.getByText("No packages yet").waitFor();
    await page.getByText(lostText).waitFor({ state: "detached" });
    await page.goBack();
    await page.getByRole("rowheader", { name: /7\.7\.7/ }).waitFor();
    await isSame(page);
    assert.deepEqual(faults.filter(isOther), []);
  },
);

test(
  "a save whose answer is lost is done once: the page finds it when the server is back, with what was typed since",
  needsBrowser,
  async (t) => {
    const project = await projectWithSteps("Lost save");
    const { page, faults, close } = await open("/app/Spaces-1/projects/lost-save/process");
    t.after(close);
    const script = page.getByLabel("Script", { exact: true });
    await script.fill("run mine");
    const lost = await loseAnswer(page, "PUT", /\/deploymentprocesses\//);
    await button(page, "Save").click();
    await lost.arrived;
    await page.getByText("It is not known whether the process was saved").waitFor();
    await page.getByLabel("Name").fill("mine");
    await door.open();
    await isLive(page);
    await page.getByText("It is not known").waitFor({ state: "detached" });
    await page.getByText("There are changes that are not saved.").waitFor();
    assert.equal(await page.getByText("was saved by somebody else").count(), 0, "one's own save is taken for somebody else's");
    assert.equal((await processOf(project)).Version, 2);
    // One that never left is still there, and is offered again.
    await door.shut();
    await button(page, "Save").click();
    await page.getByText("It is not known whether the process was saved").waitFor();
    await door.open();
    await isLive(page);
    await button(page, "Save").click();
    await page.getByText("Version 3, saved.").waitFor();
    const saved = await processOf(project);
    assert.deepEqual([saved.Version, saved.Steps[0].Name], [3, "mine"]);
    assert.equal(saved.Steps[0].Actions[0].Properties["Octopus.Action.Script.ScriptBody"], "run mine");
    await isSame(page);
    assert.deepEqual(faults, []);
  },
);

test(
  "what is typed while a save is on its way is no part of it, and stays; a secret whose answer is lost is not asked for again",
  needsBrowser,
  async (t) => {
    const { api } = portal.stage;
    const project = await make.project(api, "Slow");
    const address = `/api/variables/variableset-${project.Id}`;
    await api.put(address, { Variables: [{ Name: "A", Value: "was" }] });
    const { page, faults, close } = await open("/app/Spaces-1/projects/slow/variables");
    t.after(close);
    const dialog = page.getByRole("dialog");
    const edit = async (name: string, value: string): Promise<void> => {
      await page.getByRole("button", { name: `Edit ${name}` }).click();
      await dialog.getByLabel("Value").fill(value);
      await dialog.getByRole("button", { name: "Done" }).click();
    };
    await edit("A", "first");
    const { promise: isHeld, resolve: held } = Promise.withResolvers<void>();
    const { promise: mayGo, resolve: go } = Promise.withResolvers<void>();
    let isSlow = true;
    await page.route(/\/variables\/variableset/, async (route) => {
      if (!isSlow) return await route.fallback();
      isSlow = false;
      const response = await route.fetch();
      held();
      await mayGo;
      await route.fulfill({ response });
    });
    await button(page, "Save").click();
    await isHeld;
    await edit("A", "second");
    go();
    await button(page, "Save").and(page.locator(":enabled")).waitFor();
    await page.getByText("There are changes that are not saved.").waitFor();
    assert.equal((await api.get(address)).Variables[0].Value, "first");
    await button(page, "Save").click();
    await page.getByText("Version 3, saved.").waitFor();
    assert.equal((await api.get(address)).Variables[0].Value, "second");

    await page.getByRole("button", { name: "Add variable" }).click();
    await dialog.getByLabel("Name").fill("Secret");
    await dialog.getByText("Sensitive", { exact: true }).click();
    await dialog.getByLabel("Value").fill("battery staple");
    await dialog.getByRole("button", { name: "Done" }).click();
    const lost = await loseAnswer(page, "PUT", /\/variables\/variableset/);
    await page.keyboard.press("Control+s");
    await lost.arrived;
    await page.getByText("It is not known whether the variables were saved").waitFor();
    await door.open();
    await page.getByText("Version 4, saved.").waitFor();
    await page.getByText("sensitive, stored").waitFor();
    assert.equal(await page.getByText("was saved by somebody else").count(), 0);
    const set = await api.get(address);
    assert.deepEqual([set.Version, set.Variables.length], [4, 2]);
    await isSame(page);
    assert.deepEqual(faults, []);
  },
);

test("a release and a deployment whose answers are lost are made once, however often one presses", needsBrowser, async (t) => {
  const { api, environment } = portal.stage;
  const project = await projectWithSteps("Once");
  const second = await make.environment(api, "Later");
  const phase = (Name: string, id: string) => ({ Name, OptionalDeploymentTargets: [id] });
  const lifecycle = await api.post("/api/lifecycles", { Name: "Two phases", Phases: [phase("1", environment.Id), phase("2", second.Id)] });
  await api.put(`/api/projects/${project.Id}`, { ...project, LifecycleId: lifecycle.Id });
  const { page, faults, close } = await open("/app/Spaces-1/projects/once");
  t.after(close);
  await page.getByRole("button", { name: "Create the first release" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Notes").fill("only once");
  const version = dialog.getByLabel("Version");
  await eventually("a version is offered", async () => (await version.inputValue()) !== "");
  const wanted = await version.inputValue();
  const create = dialog.getByRole("button", { name: "Create release" });
  const lostRelease = await loseAnswer(page, "POST", /\/releases\/create\/v1$/);
  await create.click();
  await lostRelease.arrived;
  await page.getByText("It is not known whether the release was made").waitFor();
  await door.open();
  await isLive(page);
  await page.getByRole("rowheader", { name: wanted, includeHidden: true }).waitFor({ state: "attached" });
  await create.click();
  await page.getByRole("heading", { name: `Release ${wanted}` }).waitFor();
  const releases = (await api.get(`/api/projects/${project.Id}/releases`)).Items;
  assert.deepEqual(
    releases.map((one: Json) => [one.Version, one.ReleaseNotes]),
    [[wanted, "only once"]],
  );

  await page.getByRole("link", { name: "Deploy …", exact: true }).click();
  await page.getByText("on machine-1").first().waitFor();
  await page.getByLabel("Comment").fill("kept");
  const lostDeployment = await loseAnswer(page, "POST", /\/deployments$/);
  await page.getByRole("button", { name: "Deploy to Production" }).click();
  await lostDeployment.arrived;
  await page.getByText("It is not known whether the deployment was started").waitFor();
  const deployments = async (): Promise<Json[]> => (await api.get(`/api/deployments?projects=${project.Id}`)).Items;
  await portal.ended((await deployments())[0].TaskId);
  await door.open();
  await isLive(page);
  // The release may go further by now; where it was to go stays chosen.
  await page.getByRole("checkbox", { name: /Later/ }).waitFor({ state: "attached" });
  await portal.checkAccess(page, "a deployment that may have been started");
  assert.equal(await page.getByLabel("Comment").inputValue(), "kept");
  await page.getByRole("button", { name: "Deploy to Production" }).click();
  await page.waitForURL(/\/tasks\/ServerTasks-\d+$/);
  assert.deepEqual(
    (await deployments()).map((one) => [one.EnvironmentId, one.Comments, `/app/Spaces-1/tasks/${one.TaskId}`]),
    [[environment.Id, "kept", new URL(page.url()).pathname]],
  );
  await isSame(page);
  assert.deepEqual(faults, []);
});

test("a session that ends in the middle of an edit asks for the password above it, and the edit is saved", needsBrowser, async (t) => {
  const { api } = portal.stage;
  const project = await make.project(api, "Expired");
  const address = `/api/variables/variableset-${project.Id}`;
  await api.put(address, { Variables: [{ Name: "A", Value: "was" }] });
  const { page, faults, close } = await open("/app/Spaces-1/projects/expired/variables");
  t.after(close);
  await page.getByRole("button", { name: "Edit A" }).click();
  const edited = page.getByRole("dialog", { name: "A", exact: true, includeHidden: true });
  await edited.getByLabel("Value").fill("half");
  await api.database.execute(`DELETE FROM sessions`);
  // Something the page asks for by itself is refused.
  await door.shut();
  await door.open();
  const again = page.getByRole("dialog", { name: "Your session has ended" });
  await again.getByLabel("Password").fill(portalPassword);
  await page.keyboard.press("Enter");
  await again.waitFor({ state: "detached" });
  assert.equal(await edited.getByLabel("Value").inputValue(), "half");
  await edited.getByLabel("Value").pressSequentially(" and whole");
  await edited.getByRole("button", { name: "Done" }).click();
  // Once more, at the save itself.
  await api.database.execute(`DELETE FROM sessions`);
  await button(page, "Save").click();
  await again.getByLabel("Password").fill(portalPassword);
  await page.keyboard.press("Enter");
  await page.getByText("Version 2, saved.").waitFor();
  assert.equal((await api.get(address)).Variables[0].Value, "half and whole");
  await isSame(page);
  assert.deepEqual(faults, []);
});

test("a tab from before an upgrade says so, keeps its edit and its sign-in, and leads to the new portal", needsBrowser, async (t) => {
  const project = await projectWithSteps("Old tab");
  const { page, faults, close } = await open("/app/Spaces-1/projects/old-tab/process");
  t.after(close);
  const script = page.getByLabel("Script", { exact: true });
  await script.fill("run mine");
  // Some seconds after the start the page has the form for the password, with all that it needs.
  const found = `performance.getEntriesByType("resource").find(({ name }) => /session-overlay.*[.]js$/.test(name))?.name`;
  await eventually("the form for the password is fetched", async () => (await page.evaluate(found)) !== undefined);
  await page.evaluate(`import(${found})`);
  const isStyled = `[...document.querySelectorAll("link[rel=stylesheet]")].every(({ sheet }) => sheet !== null)`;
  await eventually("its style is there", () => page.evaluate<boolean>(isStyled));
  await door.shut();
  await files.upgrade();
  await portal.stage.api.database.execute(`DELETE FROM sessions`);
  await door.open();
  // The form for the password is a part of the old portal, which nobody has any more but this page.
  const again = page.getByRole("dialog", { name: "Your session has ended" });
  await again.getByLabel("Password").fill(portalPassword);
  await page.keyboard.press("Enter");
  const banner = page.getByText("The portal was updated. Reload the page to use the new version.");
  await banner.waitFor();
  await portal.checkAccess(page, "a page from before an upgrade");
  // Reloading asks before it takes the edit away.
  const { promise: isAsked, resolve: asked } = Promise.withResolvers<string>();
  page.once("dialog", (dialog) => void dialog.dismiss().then(() => asked(dialog.type())));
  await page.getByRole("status").filter({ has: banner }).getByRole("button", { name: "Reload" }).click();
  assert.equal(await isAsked, "beforeunload");
  assert.equal(await script.inputValue(), "run mine");
  await isSame(page);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Version 2, saved.").waitFor();
  assert.equal((await processOf(project)).Steps[0].Actions[0].Properties["Octopus.Action.Script.ScriptBody"], "run mine");
  // A page that was never opened is not there any more in the old build.
  await page.getByRole("link", { name: "Approvals" }).click();
  await page.getByRole("heading", { name: "This page could not be loaded" }).waitFor();
  await isSame(page);
  await page.getByRole("status").filter({ hasText: "It is tried again" }).getByRole("button", { name: "Reload" }).click();
  await page.getByRole("heading", { name: "Approvals", level: 1 }).waitFor();
  assert.equal(await page.evaluate(`window.stillHere`), undefined);
  assert.equal(await page.locator("meta[name='cuttle-build']").getAttribute("content"), "upgraded");
  await banner.waitFor({ state: "detached" });
  assert.deepEqual(faults.filter(isOther), []);
});

test("where even the form for the password cannot be had, one signs in beside the page and goes on", needsBrowser, async (t) => {
  await projectWithSteps("Beside");
  await door.open();
  const { page, faults, close } = await portal.open("/app/signin", { at: door.url });
  t.after(close);
  await page.route(/session-overlay/, (route) => route.abort());
  await page.goto(`${door.url}/app/Spaces-1/projects/beside/process`);
  await isLive(page);
  await page.getByLabel("Script", { exact: true }).fill("run mine");
  await portal.stage.api.database.execute(`DELETE FROM sessions`);
  await button(page, "Save").click();
  await page.getByText("Your session has ended.").waitFor();
  await portal.checkAccess(page, "the end of a session without a form");
  assert.equal(await page.getByLabel("Script", { exact: true }).inputValue(), "run mine");
  const answer = await page.request.post(`${door.url}/api/users/login`, { data: { Username: "admin", Password: portalPassword } });
  assert.equal(answer.status(), 200);
  await button(page, "Go on").click();
  await page.getByText("Version 2, saved.").waitFor();
  assert.deepEqual(faults, []);
});
