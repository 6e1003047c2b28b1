// The palette and the list of keys in a real browser: everything is reached by its name without a mouse, and the focus comes back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser, pageMsMax } from "../support/browser.ts";
import type { Page } from "../support/browser.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { eventually } from "../support/eventually.ts";
import { portalPassword, startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
let task: string;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
  task = await portal.stage.deploy([scriptStep("one")]);
});
after(() => portal?.close());

const field = (page: Page) => page.getByRole("combobox", { name: /Go to a page/ });
/** Where the keys of the palette are, as one hears it read aloud. */
const chosen = (page: Page): Promise<string> =>
  page.evaluate(
    `document.getElementById(document.querySelector("[role=dialog] input")?.getAttribute("aria-activedescendant") ?? "")?.textContent ?? ""`,
  );

async function open(page: Page): Promise<void> {
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.keyboard.press("Control+k");
  await field(page).waitFor();
}

test("the palette opens by its keys, leads to pages by name, and Escape gives the focus back", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1");
  t.after(close);
  const filter = page.getByRole("searchbox", { name: "Filter projects" });
  await filter.focus();
  await open(page);
  await page.getByRole("option", { name: /Cluster/ }).waitFor();
  await portal.checkAccess(page, "the palette with its pages");
  await page.keyboard.press("Escape");
  await field(page).waitFor({ state: "detached" });
  assert.ok(await filter.evaluate((element) => element.matches(":focus")), "the focus is not where it was");

  await open(page);
  await page.keyboard.type("clus");
  await page.getByRole("option", { name: /Dashboard/ }).waitFor({ state: "detached" });
  await eventually("the first of what is left is chosen", async () => (await chosen(page)).startsWith("Cluster") || undefined, pageMsMax);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/Spaces-1\/cluster$/);
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.deepEqual(faults, []);
});

test("projects, releases, environments, targets and tasks are found by name, and a task by its id", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1");
  t.after(close);
  const asked: string[] = [];
  page.on("request", (request) => {
    const { pathname, searchParams } = new URL(request.url());
    if (searchParams.has("partialName") || searchParams.has("searchByVersion")) asked.push(`${pathname}?${String(searchParams)}`);
  });
  const goes = async (text: string, option: RegExp, url: RegExp): Promise<void> => {
    await open(page);
    await page.keyboard.type(text);
    await page.getByRole("option", { name: option }).waitFor();
    const passed: string[] = [];
    for (let text = await chosen(page); !option.test(text); text = await chosen(page)) {
      passed.push(text);
      assert.ok(passed.length < 40, `the arrow never comes to ${String(option)}, only to ${passed.join(" | ")}`);
      await page.keyboard.press("ArrowDown");
    }
    await page.keyboard.press("Enter");
    await page.waitForURL(url);
    await page.getByRole("dialog").waitFor({ state: "detached" });
  };
  await goes("shop", /^Shop 1/, /\/projects\/Projects-\w+$/);
  await goes("1.0", /^1\.0\.0\s*Shop 1/, /\/releases\/Releases-\w+$/);
  await goes("produc", /^Production/, /\/targets\?environment=Environments-\w+$/);
  await goes("machine-1", /^machine-1/, /\/targets\/Machines-\w+$/);
  await goes("release 1", /^Deploy Shop 1/, new RegExp(`/tasks/${task}$`));
  await goes(task, /^Deploy Shop 1/, new RegExp(`/tasks/${task}$`));
  const { DeploymentId } = (await portal.stage.task(task)).Arguments;
  await goes(DeploymentId, /^Deploy Shop 1/, new RegExp(`/tasks/${task}$`));
  assert.ok(
    asked.every((one) => /[?&]take=5(&|$)/.test(one)),
    `more than a few are asked for: ${asked.join(" ")}`,
  );
  assert.ok(asked.some((one) => one.includes("partialName=shop")) && !asked.some((one) => /partialName=s(&|$)/.test(one)), asked.join(" "));

  await open(page);
  await page.keyboard.type("nothing has this name");
  await page.getByText("Nothing has such a name.").waitFor();
  await portal.checkAccess(page, "the palette without anything found");
  assert.deepEqual(faults, []);
});

test("who may see nothing gets the pages, and no complaint", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/signin", { signedIn: false });
  t.after(close);
  const answer = await page.request.post(`${portal.url}/api/users/login`, { data: { Username: "nobody", Password: portalPassword } });
  assert.equal(answer.status(), 200);
  await page.goto(`${portal.url}/app/Spaces-1/me`);
  await page.getByRole("button", { name: "Go to …" }).click();
  await field(page).fill("pro");
  await page.getByRole("option", { name: /Projects/ }).waitFor();
  await page.getByText("Searching …").waitFor({ state: "detached" });
  assert.equal(await page.getByText("Not everything could be searched").count(), 0);
  assert.deepEqual(faults, []);
});

test("? lists the keys, also from the menu, and they are not taken from who is typing", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1");
  t.after(close);
  const dialog = page.getByRole("dialog", { name: "Keys" });
  await page.getByRole("searchbox", { name: "Filter projects" }).press("?");
  assert.equal(await dialog.count(), 0);
  await page.getByRole("heading", { level: 1, name: "Dashboard" }).focus();
  await page.keyboard.press("?");
  await dialog.waitFor();
  await portal.checkAccess(page, "the list of keys");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });

  const menu = page.getByRole("button", { name: "Signed in as admin" });
  await menu.press("ArrowDown");
  await page.getByRole("menuitem", { name: "Keys", exact: true }).press("Enter");
  await dialog.waitFor();
  await page.getByRole("button", { name: "Close" }).press("Enter");
  await dialog.waitFor({ state: "detached" });
  await menu.press("Enter");
  await page.keyboard.press("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  assert.ok(await menu.evaluate((element) => element.matches(":focus")), "the focus is not on the menu's button again");
  await page.getByRole("heading", { level: 1, name: "Dashboard" }).focus();
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await page.waitForURL(/\/tasks$/);
  assert.deepEqual(faults, []);
});
