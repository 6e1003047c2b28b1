// The page of the person who is signed in, in a real browser: their name, keys that are shown once and work until deleted, and refusals.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import { portalPassword, startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
});
after(() => portal?.close());

test("by keyboard alone one makes a key, sees it once, and deletes it again", needsBrowser, async (t) => {
  const { api } = portal.stage;
  const { page, faults, close } = await portal.open("/app");
  t.after(close);
  await page.getByRole("button", { name: "Signed in as admin" }).press("Enter");
  await page.getByRole("menuitem", { name: "Profile and API keys" }).press("Enter");
  await page.getByRole("heading", { name: "Profile" }).waitFor();
  // A page that was loaded takes the focus from nobody, so what is typed next arrives.
  await page.reload();
  await page.getByLabel("What it is for").focus();
  await page.keyboard.type("Build <b>server</b>");
  await page.keyboard.press("Enter");
  const code = page.getByRole("figure").locator("code");
  const key = (await code.textContent())!;
  assert.match(key, /^API-/);
  const works = async () => (await api.call("GET", "/api/users/me", undefined, { "X-Octopus-ApiKey": key })).status;
  assert.equal(await works(), 200);
  const row = page.getByRole("row", { name: /Build <b>server<\/b>/ });
  await row.waitFor();
  await portal.checkAccess(page, "a key that was made");
  await page.reload();
  await row.waitFor();
  assert.equal((await page.content()).includes(key), false, "a key was shown again");
  await row.getByRole("button", { name: /^Delete …/ }).press("Enter");
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete the key" }).press("Enter");
  await row.waitFor({ state: "detached" });
  assert.equal(await works(), 401);
  assert.deepEqual(faults, []);
});

test("the name is changed everywhere; who may not change it reads why and keeps what was entered", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/Spaces-1/me");
  t.after(close);
  await page.getByLabel("Display name").fill("Ann Lee");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  await page.getByRole("button", { name: "Signed in as Ann Lee" }).waitFor();
  assert.deepEqual(faults, []);

  const other = await portal.open("/app/signin", { signedIn: false });
  t.after(other.close);
  const answer = await other.page.request.post(`${portal.url}/api/users/login`, {
    data: { Username: "nobody", Password: portalPassword },
  });
  assert.equal(answer.status(), 200);
  await other.page.goto(`${portal.url}/app/Spaces-1/me`);
  await other.page.getByLabel("Display name").fill("Somebody");
  await other.page.getByRole("button", { name: "Save" }).click();
  await other.page.getByRole("alert").getByText("The name was not saved.").waitFor();
  assert.equal(await other.page.getByLabel("Display name").inputValue(), "Somebody", "a refusal took what was entered");
  await portal.checkAccess(other.page, "a profile, refused");
  assert.deepEqual(other.faults, []);
});
