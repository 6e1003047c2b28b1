// Names and notes that want to be more than text, in a real browser: markup, scripts from right to left, characters that turn the page around,
// emoji. Each page shows them as text, in their place, and nothing of them runs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make } from "../support/api-node.ts";
import type { Json } from "../support/api-node.ts";
import { needsBrowser } from "../support/browser.ts";
import type { Page } from "../support/browser.ts";
import { scriptAction, scriptStep } from "../support/deploy-stage.ts";
import { startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

const markup = `<img src=x onerror="window.hacked=1">`;
/** As it is stored: the second word is turned around by an override that is never taken back, and an isolate that was never begun is ended. */
const turning = "\u2069\u202egnp";
/** Hebrew and a number: without isolation what stands behind moves before it. */
const project = `${markup} 🦑 ${turning}`;
const first = `מכונה אחת 1`;
const second = `מכונה שתיים 2`;
const environment = `סביבה 🚀 ${turning}`;
const notes = `# ${markup}\n<script>window.hacked=2</script>\n[link](javascript:window.hacked=3)\n\u202eturned`;

let portal: PortalStage;
let made: Json;
let release: Json;
let taskId: string;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage({ machines: 2 });
  const { api } = portal.stage;
  await portal.stage.node("node-1");
  await api.put(`/api/environments/${portal.stage.environment.Id}`, { ...portal.stage.environment, Name: environment, Description: notes });
  for (const [old, Name] of [
    ["machine-1", first],
    ["machine-2", second],
  ]) {
    const [machine] = (await api.get(`/api/machines?name=${old}`)).Items;
    await api.put(`/api/machines/${machine.Id}`, { ...machine, Name });
  }
  made = await make.project(api, project);
  await api.put(`/api/projects/${made.Id}`, { ...made, Description: notes });
  await api.put(`/api/projects/${made.Id}/deploymentprocesses`, {
    Steps: [`שלב ${turning}`, markup].map((Name, n) => ({ ...scriptStep(`s${n}`), Name, Actions: [{ ...scriptAction(`s${n}`), Name }] })),
  });
  await api.put(`/api/variables/variableset-${made.Id}`, {
    Variables: [
      { Name: `Markup ${markup}`, Value: markup, Scope: { Environment: [portal.stage.environment.Id] } },
      { Name: "Turned", Value: "\u202egnp", Description: notes },
    ],
  });
  release = await api.post("/api/releases", { ProjectId: made.Id, Version: "1.0.0", ReleaseNotes: notes });
  taskId = (await api.post("/api/deployments", { ReleaseId: release.Id, EnvironmentId: portal.stage.environment.Id, Comments: markup }))
    .TaskId;
  await portal.ended(taskId);
});
after(() => portal?.close());

/** What of the page would turn what stands beside it, beyond free texts: there are none in names. */
const turned = (page: Page): Promise<string[]> =>
  page.evaluate(`(() => {
    const found = [];
    const look = (where, text) => { if (/[\\u202a-\\u202e]/.test(text ?? "")) found.push(where + ": " + text); };
    look("title", document.title);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      if (node.nodeType === Node.TEXT_NODE) look(node.parentElement.tagName, node.data);
      else for (const name of ["title", "aria-label", "placeholder"]) look(name, node.getAttribute(name));
    }
    return found;
  })()`);

/** Where words stand from left to right, in one element. */
const inOrder = (page: Page, within: string, words: readonly string[]): Promise<boolean> =>
  page.evaluate(`(() => {
    const words = ${JSON.stringify(words)};
    const holder = [...document.querySelectorAll(${JSON.stringify(within)})].find((one) => words.every((word) => one.textContent.includes(word)));
    if (holder === undefined) throw new Error("nothing holds " + words);
    const placeOf = (word) => {
      const walker = document.createTreeWalker(holder, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
        const at = node.data.indexOf(word);
        if (at === -1) continue;
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + word.length);
        const rects = [...range.getClientRects()];
        return { line: rects[0].top, left: Math.min(...rects.map((one) => one.left)), right: Math.max(...rects.map((one) => one.right)) };
      }
      throw new Error("no single text holds " + word);
    };
    const places = words.map(placeOf);
    return places.every((place, index) => index === 0 || place.line > places[index - 1].line + 5 || place.left >= places[index - 1].right - 1);
  })()`);

test(
  "markup, notes and turning characters are text on every page, and the content policy has nothing to refuse",
  needsBrowser,
  async (t) => {
    const { page, faults, close } = await portal.open("/app/Spaces-1");
    t.after(close);
    const { stage } = portal;
    const [machine] = (await stage.api.get(`/api/machines?name=${encodeURIComponent(first)}`)).Items;
    const at = `/app/Spaces-1/projects/${made.Slug}`;
    const pages: [string, string | RegExp][] = [
      ["/app/Spaces-1", markup],
      ["/app/Spaces-1/projects", markup],
      [at, "1.0.0"],
      [`${at}/process`, markup],
      [`${at}/variables`, `Markup ${markup}`],
      [`/app/Spaces-1/releases/${release.Id}`, "<script>window.hacked=2</script>"],
      [`/app/Spaces-1/releases/${release.Id}/deploy`, "שלב"],
      [`/app/Spaces-1/tasks/${taskId}`, "שלב"],
      ["/app/Spaces-1/tasks", markup],
      ["/app/Spaces-1/infrastructure/environments", "סביבה"],
      ["/app/Spaces-1/infrastructure/targets", first],
      [`/app/Spaces-1/infrastructure/targets/${machine.Id}`, "סביבה"],
      ["/app/Spaces-1/infrastructure/targets/new", "סביבה"],
      ["/app/Spaces-1/start", /First/],
    ];
    for (const [address, text] of pages) {
      await page.goto(portal.url + address);
      await page.getByText(text).first().waitFor({ state: "attached" });
      assert.equal(await page.evaluate(`window.hacked`), undefined, address);
      assert.equal(await page.locator(`img[src=x], a[href^="javascript" i], main script`).count(), 0, address);
      // Free texts keep their characters; they end with their own line.
      const names = (await turned(page)).filter((one) => !one.includes("turned") && !one.startsWith("CODE"));
      assert.deepEqual(names, [], address);
      assert.equal(await page.evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`), 0, address);
    }
    assert.deepEqual(faults, []);
  },
);

test("names from right to left stand where they belong among other words", needsBrowser, async (t) => {
  const { page, faults, close } = await portal.open(`/app/Spaces-1/releases/${release.Id}/deploy`);
  t.after(close);
  await page.getByText(first).first().waitFor();
  assert.ok(await inOrder(page, "span", ["on ", first, second]), "two machines have changed places");
  assert.ok(await inOrder(page, "nav[aria-label=Up] a", ["🦑", "release"]), "the release stands before its project");
  await portal.checkAccess(page, "the deploy page with names from right to left");
  await page.goto(`${portal.url}/app/Spaces-1/infrastructure/targets`);
  await page.getByText(first).first().waitFor();
  await page.goto(`${portal.url}/app/Spaces-1`);
  await page.getByRole("columnheader", { name: /סביבה/ }).waitFor();
  await portal.checkAccess(page, "the dashboard with hostile names");
  // Saving what another person named keeps it a name.
  await page.goto(`${portal.url}/app/Spaces-1/infrastructure/environments`);
  await page.getByRole("button", { name: /^Edit/ }).click();
  const dialog = page.getByRole("dialog");
  assert.equal(await dialog.getByLabel("Name").inputValue(), "סביבה 🚀 gnp");
  await dialog.getByLabel("Description").fill("calm");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.equal((await portal.stage.api.get(`/api/environments/${portal.stage.environment.Id}`)).Name, "סביבה 🚀 gnp");
  assert.deepEqual(faults, []);
});
