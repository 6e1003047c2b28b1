// Which pictures there are, what each shows, and how one is taken: the window's size, the theme, and what has to be seen before.
import type { Browser, Page } from "playwright-core";
import type { Stage } from "./stage.ts";

export type Theme = "light" | "dark";

export interface Picture {
  /** Of its file, without ending. */
  name: string;
  /** Below /app/Spaces-1. */
  where: (stage: Stage) => string;
  theme: Theme;
  /** What has to happen on the page before. */
  before: (page: Page, stage: Stage) => Promise<void>;
}

const size = { width: 1280, height: 800 };
const pageMsMax = 60_000;

const heading = (text: string | RegExp) => (page: Page) => page.getByRole("heading", { level: 1, name: text }).waitFor();

/** The token is good for one machine of a server that is gone; a picture shows none all the same, and so it is the same each time. */
async function hideToken(page: Page): Promise<void> {
  await page.evaluate(`(() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const secret = /(?<=[=\\/ "'])[A-Za-z0-9_-]{24,}(?=["' ]|$)/g;
    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replace(secret, (found) => "x".repeat(found.length));
  })()`);
}

export const pictures: readonly Picture[] = [
  ...(["light", "dark"] as const).map((theme): Picture => ({
    name: theme === "light" ? "dashboard" : "dashboard-dark",
    where: () => "",
    theme,
    before: async (page) => {
      await page.getByRole("gridcell", { name: /3\.2\.0/ }).waitFor();
    },
  })),
  {
    name: "task",
    where: ({ runningTask }) => `/tasks/${runningTask}`,
    theme: "light",
    before: (page) => page.getByText("Waiting for the scales").waitFor(),
  },
  {
    name: "failed-task",
    where: ({ failedTask }) => `/tasks/${failedTask}`,
    theme: "light",
    before: async (page) => {
      await page.getByRole("heading", { name: /1\.2\.0/ }).waitFor();
      await page.locator("[data-line]").first().waitFor();
    },
  },
  {
    name: "palette",
    where: () => "/projects/web-shop",
    theme: "light",
    before: async (page) => {
      await page.getByRole("link", { name: "1.2.0", exact: true }).waitFor();
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox", { name: /Go to/ }).waitFor();
      await page.keyboard.type("shop");
      await page.getByRole("option", { name: /Deploy Web shop release 1.2.0/ }).waitFor();
      await page.getByText("Searching …").waitFor({ state: "detached" });
    },
  },
  {
    name: "release",
    where: ({ release }) => `/releases/${release}`,
    theme: "light",
    before: (page) => page.getByText("Production").first().waitFor(),
  },
  {
    name: "deploy",
    where: ({ nextRelease, production }) => `/releases/${nextRelease}/deploy?to=${encodeURIComponent(JSON.stringify([production]))}`,
    theme: "light",
    before: (page) => page.getByText("Pay for a mug").first().waitFor(),
  },
  {
    name: "process",
    where: () => "/projects/web-shop/process",
    theme: "light",
    before: (page) => page.getByText("Buy something").first().waitFor(),
  },
  {
    name: "variables",
    where: () => "/projects/web-shop/variables",
    theme: "light",
    before: (page) => page.getByText("ShopTitle").first().waitFor(),
  },
  {
    name: "approval",
    where: ({ question }) => `/approvals/${question}`,
    theme: "light",
    before: (page) => page.getByText("Read").first().waitFor(),
  },
  {
    name: "targets",
    where: () => "/infrastructure/targets",
    theme: "light",
    before: (page) => page.getByText("This machine, polling").first().waitFor(),
  },
  {
    name: "add-target",
    where: () => "/infrastructure/targets/new",
    theme: "light",
    before: async (page) => {
      await page.getByLabel("Name").fill("warehouse-1");
      await page.getByRole("checkbox", { name: "Production" }).press("Space");
      await page.getByRole("checkbox", { name: "shop" }).press("Space");
      await page.getByRole("button", { name: /line/i }).click();
      await page.getByText("curl").first().waitFor();
      await hideToken(page);
    },
  },
  { name: "cluster", where: () => "/cluster", theme: "light", before: (page) => page.getByText("second-node").first().waitFor() },
  { name: "packages", where: () => "/library/packages", theme: "light", before: (page) => page.getByText("WebShop").first().waitFor() },
];

export async function takePicture(browser: Browser, stage: Stage, picture: Picture, theme: Theme): Promise<Buffer> {
  const context = await browser.newContext({
    colorScheme: theme,
    viewport: size,
    deviceScaleFactor: 1,
    reducedMotion: "reduce",
    locale: "en-US",
    timezoneId: "Etc/UTC",
  });
  try {
    context.setDefaultTimeout(pageMsMax);
    await context.request.post(`${stage.url}/api/users/login`, { data: { Username: "admin", Password: stage.adminPassword } });
    const page = await context.newPage();
    await page.goto(`${stage.url}/app/Spaces-1${picture.where(stage)}`);
    await heading(/./)(page);
    await picture.before(page, stage);
    await page.getByTestId("live-light").getByText("Live").waitFor();
    await page.evaluate("document.fonts.ready");
    return await page.screenshot({ animations: "disabled", caret: "hide" });
  } finally {
    await context.close();
  }
}
