// The page of a task in a real browser: a log that grows, is searched and linked to, the first error at once, and what hostile or huge output
// must not do.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { needsBrowser, pageMsMax } from "../support/browser.ts";
import type { Page } from "../support/browser.ts";
import { scriptStep } from "../support/deploy-stage.ts";
import { eventually } from "../support/eventually.ts";
import { startPortalStage } from "../support/portal-stage.ts";
import type { PortalStage } from "../support/portal-stage.ts";

let portal: PortalStage;
before(async () => {
  if (needsBrowser.skip !== false) return;
  portal = await startPortalStage();
  await portal.stage.node("node-1");
});
after(() => portal?.close());

const log = (page: Page) => page.getByTestId("log");
const lineOf = (page: Page, text: string | RegExp) => log(page).locator("[data-line]").filter({ hasText: text }).first();
/** How many lines the viewer knows of, once there are at least as many. */
async function linesReach(page: Page, count: number): Promise<void> {
  await eventually(`${count} lines`, async () => Number(await log(page).getAttribute("data-lines")) >= count, pageMsMax);
}

test("a running log is followed, stops when one scrolls up, and goes on at a press", needsBrowser, async (t) => {
  let isOver = false;
  const lines = Array.from({ length: 400 }, (_, n) => `line ${n + 1} of the script`);
  portal.stage.agent.behave = () => ({ lines, exitCode: 0, questions: 300, until: () => isOver });
  const taskId = await portal.stage.deploy([scriptStep("one")]);
  const { page, faults, close } = await portal.open(`/app/Spaces-1/tasks/${taskId}`);
  t.after(close);
  await linesReach(page, 110);
  await page.getByRole("button", { name: "Follow", pressed: true }).waitFor();
  await log(page).focus();
  await page.keyboard.press("Home");
  await page.getByRole("button", { name: "Follow", pressed: false }).waitFor();
  await lineOf(page, "line 1 of the script").waitFor();
  await page.getByRole("button", { name: /new lines?$/ }).click();
  await page.getByRole("button", { name: "Follow", pressed: true }).waitFor();
  isOver = true;
  await portal.ended(taskId);
  await lineOf(page, "line 400 of the script").waitFor();
  await page.getByText("Success", { exact: true }).first().waitFor();
  await page.locator("[data-testid=log][data-kind=over]").waitFor();
  await portal.checkAccess(page, "a task that succeeded");
  assert.deepEqual(faults, []);
});

test("a failed task opens at its first error, and a link to a line shows that line", needsBrowser, async (t) => {
  const lines = Array.from({ length: 3_000 }, (_, n) => `ordinary ${n + 1}`);
  portal.stage.agent.behave = () => ({ lines, exitCode: 3, questions: 0 });
  const taskId = await portal.stage.deploy([scriptStep("two")]);
  await portal.ended(taskId);
  const { page, faults, close } = await portal.open(`/app/Spaces-1/tasks/${taskId}`);
  t.after(close);
  await page.getByRole("button", { name: /Go to line/ }).waitFor();
  await lineOf(page, "exit code 3").waitFor();
  await page.getByRole("button", { name: /Next error/ }).waitFor();
  await portal.checkAccess(page, "a task that failed");
  // From a line to its address, and back in another window.
  await page.getByLabel("Search the log").fill("ordinary 1500");
  await page.getByText("1 found").waitFor();
  await page.keyboard.press("Enter");
  const row = lineOf(page, "ordinary 1500");
  await row.waitFor();
  const number = await row.getAttribute("data-line");
  await row.locator("a").first().click();
  await page.waitForURL(new RegExp(`find=ordinary.1500#L${number}$`));
  const again = await portal.open(new URL(page.url()).pathname + `#L${number}`);
  t.after(again.close);
  await lineOf(again.page, "ordinary 1500").waitFor();
  assert.equal(await again.page.evaluate(`document.activeElement.tagName`), "BODY");
  // The steps lead into the log.
  await again.page.getByRole("navigation", { name: "Steps" }).getByRole("button").first().click();
  await lineOf(again.page, "ordinary 1").waitFor();
  assert.deepEqual([...faults, ...again.faults], []);
});

test("hostile output is text, a line of megabytes is cut and can be had whole", needsBrowser, async (t) => {
  const long = `begin ${"x".repeat(5 * 1024 * 1024)} end`;
  const lines = [
    `<img src=x onerror="window.hacked = 1"> markup`,
    "\u001b[31mred\u001b[0m and \u001b[1mbold\u001b[0m \u001b]0;title\u0007plain \u001b[2J\u0007bell",
    "\u001b]8;;javascript:window.hacked=1\u001b\\bad link\u001b]8;;\u001b\\ \u001b]8;;https://example.com/\u001b\\good link\u001b]8;;\u001b\\",
    "10 %\r50 %\r100 % done",
    "\u202eright to left\u202c 🦑 שלום",
    "\u001b[41;31mnever ended",
    "\u001b[10;20Hmoved \u001b[2K\u001b[1A\u001b[?25lcleared \u0000\u0000NUL\u001bc reset",
    "\u001b]8;;javascript:window.hacked=1 a link without an end",
    "\u001b[38;2;999;1mno colour \u001b[999999999999999999999m and no end\u001b[",
    long,
    "the last one",
  ];
  portal.stage.agent.behave = () => ({ lines, exitCode: 0, questions: 0 });
  const taskId = await portal.stage.deploy([scriptStep("three")]);
  await portal.ended(taskId);
  const { page, faults, close } = await portal.open(`/app/Spaces-1/tasks/${taskId}`);
  t.after(close);
  await lineOf(page, "<img src=x").waitFor();
  await lineOf(page, "red and bold plain bell").waitFor();
  assert.equal(await lineOf(page, "red and bold").locator(".red, span").filter({ hasText: /^red$/ }).count(), 1);
  await lineOf(page, /^100 % done$/).waitFor();
  await lineOf(page, "right to left 🦑 שלום").waitFor();
  // What one line turns on ends with it, and what is never ended hides nothing.
  const coloured = log(page).locator("[data-line] [class*='bg-1']");
  assert.deepEqual(await coloured.allTextContents(), ["never ended"]);
  await lineOf(page, "moved cleared NUL reset").waitFor();
  await lineOf(page, "8;;javascript:window.hacked=1 a link without an end").waitFor();
  await lineOf(page, "no colour  and no end").waitFor();
  assert.equal(await log(page).locator("a[href^='javascript']").count(), 0);
  assert.equal(await log(page).getByRole("link", { name: "good link" }).getAttribute("href"), "https://example.com/");
  await page.getByRole("button", { name: "Wrap" }).click();
  await page.getByRole("button", { name: "Wrap" }).click();
  await log(page).getByRole("button", { name: "show all 977 KB" }).click();
  await page.getByRole("dialog").getByText("begin").first().waitFor();
  await page.getByRole("dialog").getByText("The log keeps no more of a line than this.").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(`window.hacked`), undefined);
  assert.deepEqual(faults, []);
});

test("200,000 lines: the first, the last and any other are there, and what is not in sight is not in memory", needsBrowser, async (t) => {
  const count = 200_000;
  const lines = Array.from({ length: count }, (_, n) => `row ${n + 1} ${n % 1000 === 0 ? "needle" : ""}`);
  portal.stage.agent.behave = () => ({ lines, exitCode: 0, questions: 0 });
  const taskId = await portal.stage.deploy([scriptStep("four")]);
  await portal.ended(taskId);
  const { page, faults, close } = await portal.open(`/app/Spaces-1/tasks/${taskId}`);
  t.after(close);
  await linesReach(page, count);
  await log(page).focus();
  await page.keyboard.press("End");
  await lineOf(page, /row 200000 /).waitFor();
  await page.getByLabel("Search the log").fill("needle");
  await page.getByText("200 found").waitFor();
  await page.getByRole("button", { name: "Previous find" }).click();
  await page.getByText(/^\d+ of 200$/).waitFor();
  await page.goto(`${portal.url}${new URL(page.url()).pathname}#L123456`);
  await page.reload();
  await page
    .locator("[data-line='123456']")
    .getByText(/row \d+/)
    .waitFor();
  assert.ok((await page.locator("[data-line]").count()) < 200, "more lines are drawn than are in sight");
  assert.deepEqual(faults, []);
});
