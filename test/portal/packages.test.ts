// Packages in a real browser: sent by choice of file, with what the server says to each, found, replaced, and deleted by version.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { makeZip } from "../support/archives.ts";
import { needsBrowser } from "../support/browser.ts";
import { portalPassword, startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

const address = "/app/Spaces-1/library/packages";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
});
after(() => portal?.close());

const zip = (name: string, content: string) => ({
  name,
  mimeType: "application/zip",
  buffer: makeZip([{ name: "index.html", content: Buffer.from(content) }]),
});

test("files are chosen, sent one after another, refused with the server's words, replaced, and deleted", needsBrowser, async (t) => {
  const { api } = portal.stage;
  const { page, faults, close } = await portal.open(address);
  t.after(close);
  await page.getByRole("heading", { name: "No packages yet" }).waitFor();
  await page.getByTestId("live-light").getByText("Live").waitFor();
  await portal.checkAccess(page, "a feed without packages");
  const input = page.locator("input[type=file]");
  await input.setInputFiles([zip("Web.1.0.0.zip", "first"), zip("Web.1.1.0.zip", "second"), zip("no-version.zip", "third")]);
  await page.locator("[data-upload=done]").nth(1).waitFor();
  await page.getByRole("alert").getByText("no-version.zip was not uploaded.").waitFor();
  const row = page.getByRole("row", { name: /Web 1\.1\.0/ });
  await row.waitFor();
  await portal.checkAccess(page, "uploads that have ended");
  await page.getByRole("button", { name: "Clear what has ended" }).click();
  await page.locator("[data-upload]").first().waitFor({ state: "detached" });

  await input.setInputFiles([zip("Web.1.1.0.zip", "another content")]);
  await page.getByRole("alert").getByText("A package with the same name and version already exists.").waitFor();
  const before = (await api.get("/api/packages/packages-Web.1.1.0")).Hash;
  await page.getByRole("button", { name: /^Replace the version that is there/ }).press("Enter");
  await page.locator("[data-upload=done]").waitFor();
  assert.notEqual((await api.get("/api/packages/packages-Web.1.1.0")).Hash, before);

  await page.getByLabel("Filter packages").fill("nothing is called so");
  await page.getByRole("heading", { name: "No package fits the filter" }).waitFor();
  await page.getByRole("button", { name: "Clear the filter" }).click();
  await row.getByRole("link", { name: "Web" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("rowheader", { name: "1.0.0" }).waitFor();
  assert.match(page.url(), /\?id=Web$/);
  await portal.checkAccess(page, "the versions of a package");
  await page.getByRole("button", { name: "Delete … version 1.0.0" }).press("Enter");
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete the version" }).press("Enter");
  await page.getByRole("rowheader", { name: "1.0.0" }).waitFor({ state: "detached" });
  assert.equal((await api.call("GET", "/api/packages/packages-Web.1.0.0")).status, 404);
  assert.deepEqual(faults, []);
});

test("who may not see packages reads why", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open("/app/signin", { signedIn: false });
  t.after(close);
  const answer = await page.request.post(`${portal.url}/api/users/login`, { data: { Username: "nobody", Password: portalPassword } });
  assert.equal(answer.status(), 200);
  await page.goto(portal.url + address);
  await page.getByRole("alert").getByText("The packages could not be read.").waitFor();
  await page.getByText("FeedView").waitFor();
  await portal.checkAccess(page, "the packages, refused");
  assert.deepEqual(faults, []);
});
