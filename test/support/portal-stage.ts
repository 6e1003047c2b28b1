// The portal as people meet it: a built portal served by a node with the production engine, and pages of a real browser in it.

import assert from "node:assert/strict";
import path from "node:path";
import { buildPortal } from "../../scripts/portal/build-portal.ts";
import { hashPassword } from "../../server/platform/secrets/secrets.ts";
import { accessProblems, openBrowser, openPage } from "./browser.ts";
import type { Browser, Page } from "./browser.ts";
import type { Json } from "./api-node.ts";
import { eventually } from "./eventually.ts";
import { startDeployStage } from "./deploy-stage.ts";
import type { DeployStage } from "./deploy-stage.ts";

const root = path.dirname(path.dirname(import.meta.dirname));

export const portalPassword = "Correct horse 1!";

/** 200,000 lines take their time to be written on a busy machine. */
const endMsMax = 150_000;
const laidOutMsMax = 5_000;
/** Nobody dies here, and a browser beside it makes a small machine slow. */
const patientLease = { leaseMs: 30_000, renewalMs: 2_000, selfStopMs: 25_000 };

export interface PortalStage {
  stage: DeployStage;
  browser: Browser;
  url: string;
  /** A page of a browser of its own. `path` as in "/app"; signed in as the administrator unless said otherwise; `at`: another address. */
  open(
    path: string,
    options?: { signedIn?: boolean; theme?: "light" | "dark"; size?: { width: number; height: number }; at?: string },
  ): Promise<{ page: Page; faults: string[]; close(): Promise<void> }>;
  /** The task once it has ended. */
  ended(taskId: string): Promise<Json>;
  /** Examines the page in light and dark, and whether it fits a narrow window. */
  checkAccess(page: Page, where: string): Promise<void>;
  close(): Promise<void>;
}

/** `portalFolder`: another build than that of this checkout. */
export async function startPortalStage(options: { machines?: number; portalFolder?: string } = {}): Promise<PortalStage> {
  const { folder } = await buildPortal(root);
  const [stage, browser] = await Promise.all([startDeployStage({ portalFolder: folder, ...options, lease: patientLease }), openBrowser()]);
  await stage.api.database.execute(`UPDATE users SET password_hash = $1 WHERE username IN ('admin', 'nobody')`, [
    await hashPassword(portalPassword),
  ]);
  const { url } = stage.api;
  return {
    stage,
    browser,
    url,
    async open(where, { signedIn = true, theme = "light", size = { width: 1280, height: 800 }, at = url } = {}) {
      const context = await browser.newContext({ colorScheme: theme, viewport: size, reducedMotion: "reduce" });
      if (signedIn) {
        const answer = await context.request.post(`${url}/api/users/login`, { data: { Username: "admin", Password: portalPassword } });
        assert.equal(answer.status(), 200, await answer.text());
      }
      const { page, faults } = await openPage(context);
      await page.goto(at + where);
      return { page, faults, close: () => context.close() };
    },
    ended: (taskId) =>
      eventually(
        "the task ends",
        async () => {
          const task = await stage.task(taskId);
          return task.IsCompleted ? task : undefined;
        },
        endMsMax,
      ),
    checkAccess,
    async close() {
      await browser.close();
      await stage.close();
    },
  };
}

/** Examines the page in light and dark, and whether it fits a narrow window. */
export async function checkAccess(page: Page, where: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    assert.deepEqual(await accessProblems(page), [], `${where}, ${colorScheme}`);
  }
  const size = page.viewportSize();
  await page.setViewportSize({ width: 320, height: 700 });
  // What is laid out by script, such as an open menu, follows the window a moment later.
  await eventually(
    `${where} is as wide as a window of 320 px`,
    async () => (await page.evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`)) === 0,
    laidOutMsMax,
  );
  if (size !== null) await page.setViewportSize(size);
}
