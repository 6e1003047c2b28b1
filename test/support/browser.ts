// A real browser for tests of the portal: the machine's own Chromium, driven from outside. Each page tells what went wrong in it, and can be
// examined for what keeps people out.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import type { Browser, BrowserContext, Page } from "playwright-core";

export type { Browser, BrowserContext, Page };

const places = [
  process.env["CUTTLE_TEST_CHROMIUM"] ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const executable = places.find((file) => file !== "" && existsSync(file));

/** Options of a test that needs a browser: skips with what to do where there is none. */
export const needsBrowser = {
  skip: executable === undefined ? "there is no Chromium (install Debian's chromium, or say where with CUTTLE_TEST_CHROMIUM)" : false,
} as const;

/** How long a page may take for one thing; much more than it takes, because machines are busy. */
export const pageMsMax = 60_000;

export async function openBrowser(): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  return await chromium.launch({
    ...(executable === undefined ? {} : { executablePath: executable }),
    args: ["--disable-dev-shm-usage", "--disable-gpu", ...(isRoot ? ["--no-sandbox"] : [])],
  });
}

export interface WatchedPage {
  page: Page;
  /** What the page complained of: errors of scripts and what its content policy refused. Answers of the API are no faults of the page. */
  faults: string[];
}

export async function openPage(context: BrowserContext): Promise<WatchedPage> {
  const page = await context.newPage();
  page.setDefaultTimeout(pageMsMax);
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) faults.push(message.text());
  });
  return { page, faults };
}

let axeSource: string | undefined;

/** What axe finds wrong with the page as it is: one line for each rule with the first place. Empty when all is well. */
export async function accessProblems(page: Page): Promise<string[]> {
  axeSource ??= await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(axeSource);
  return await page.evaluate(`(async () => {
    // Colours on their way between two themes or states are nobody's.
    await Promise.all(document.getAnimations().filter((one) => one.effect?.getComputedTiming().iterations !== Infinity).map((one) => one.finished.catch(() => {})));
    const { violations } = await axe.run(document, {
      // It would put style sheets that are still on their way into the page, which the content policy refuses; no rule of these needs them.
      preload: false,
      runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] },
    });
    return violations.map((one) => one.id + ": " + one.help + " at " + one.nodes.map((node) => node.target.join(" ") + " (" + (node.failureSummary ?? "").replaceAll("\\n", " ") + ")").slice(0, 3).join(", "));
  })()`);
}
