// Where journeys of people happen: a real server process that serves the built portal, agents as processes of their own, and a real browser.
// With CUTTLE_TEST_SHOTS every stop leaves pictures in that folder, to be looked at.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { buildPortal } from "../../scripts/portal/build-portal.ts";
import { openBrowser, openPage } from "./browser.ts";
import type { Browser, Page } from "./browser.ts";
import { createClusterApi } from "./cluster-api.ts";
import type { ClusterApi, Document } from "./cluster-api.ts";
import { createCluster } from "./cluster.ts";
import type { AgentProcess, Cluster, ServerProcess } from "./cluster.ts";
import { eventually } from "./eventually.ts";
import { makeAgentArchive } from "./pasted-line.ts";
import { checkAccess, portalPassword } from "./portal-stage.ts";

const root = path.dirname(path.dirname(import.meta.dirname));
/** A deployment of a few scripts on a machine where everything else runs too. */
const endMsMax = 120_000;

export interface JourneyStage {
  cluster: Cluster;
  /** The first of them serves what is opened, as long as it runs. */
  servers: readonly ServerProcess[];
  api: ClusterApi;
  /** A page of a browser of its own; `path` as in "/app". Signed in as the administrator unless said otherwise. */
  open(
    path: string,
    options?: { signedIn?: boolean; theme?: "light" | "dark" },
  ): Promise<{ page: Page; faults: string[]; close(): Promise<void> }>;
  /** An agent process that is a target of these environments. */
  target(options: { name: string; environments: readonly Document[]; roles: readonly string[] }): Promise<AgentProcess>;
  /** The task whose page is open, once it has ended. */
  endOf(page: Page): Promise<Document>;
  /** A stop of the journey: examined in light and dark and at 320 px, and pictured. */
  stop(page: Page, name: string): Promise<void>;
  close(): Promise<void>;
}

export async function startJourneyStage(options: { withAgentArchive?: boolean; nodes?: 1 | 2 } = {}): Promise<JourneyStage> {
  await buildPortal(root);
  const cluster = await createCluster();
  const archives = path.join(cluster.root, "archives");
  let browser: Browser | undefined;
  try {
    const environment = {
      ADMIN_PASSWORD: portalPassword,
      ...(options.withAgentArchive === true ? { CUTTLE_AGENT_ARCHIVES: archives } : {}),
    };
    const database = options.nodes === 2 ? { connectionString: (await (await cluster.postgres()).start()).connectionString } : {};
    const server = await cluster.server({ name: "node-1", environment, ...database });
    [browser] = await Promise.all([
      openBrowser(),
      server.start(),
      ...(options.withAgentArchive === true ? [makeAgentArchive(archives)] : []),
    ]);
    const servers = [server];
    if (options.nodes === 2) {
      const masterKey = await cluster.masterKeyOf(server);
      servers.push(await cluster.server({ name: "node-2", environment, ...database, masterKey }));
      await servers[1]!.start();
    }
    return createStage(cluster, servers, browser);
  } catch (error) {
    await browser?.close();
    await cluster.close();
    throw error;
  }
}

function createStage(cluster: Cluster, servers: readonly ServerProcess[], browser: Browser): JourneyStage {
  const running = (): ServerProcess[] => servers.filter((one) => one.isRunning());
  const api = createClusterApi(() => running().map(({ ready }) => ready.url));
  return {
    cluster,
    servers,
    api,
    async open(where, { signedIn = true, theme = "light" } = {}) {
      const context = await browser.newContext({
        colorScheme: theme,
        viewport: { width: 1280, height: 800 },
        reducedMotion: "reduce",
      });
      const { url } = running()[0]!.ready;
      if (signedIn) {
        const answer = await context.request.post(`${url}/api/users/login`, { data: { Username: "admin", Password: portalPassword } });
        assert.equal(answer.status(), 200, await answer.text());
      }
      const { page, faults } = await openPage(context);
      await page.goto(url + where);
      return { page, faults, close: () => context.close() };
    },
    async target({ name, environments, roles }) {
      const agent = await cluster.agent({ name, trust: servers[0]!.ready.thumbprint });
      const { thumbprint } = await agent.start();
      await api.create("/api/machines", {
        Name: name,
        EnvironmentIds: environments.map(({ Id }) => Id),
        Roles: roles,
        Endpoint: { CommunicationStyle: "TentaclePassive", Uri: `https://127.0.0.1:${agent.port}/`, Thumbprint: thumbprint },
      });
      return agent;
    },
    endOf(page) {
      const id = /ServerTasks-\d+/.exec(page.url())![0];
      return eventually(
        `the end of ${id}`,
        async () => {
          const task = await api.get(`/api/tasks/${id}`);
          return task.IsCompleted ? task : undefined;
        },
        endMsMax,
      );
    },
    async stop(page, name) {
      await takePictures(page, name);
      await checkAccess(page, name);
    },
    async close() {
      await browser.close();
      await cluster.close();
    },
  };
}

/** Of the whole page in both themes, when somebody wants to look at them. */
export async function takePictures(page: Page, name: string): Promise<void> {
  const folder = process.env["CUTTLE_TEST_SHOTS"];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.screenshot({ path: path.join(folder, `${name.replaceAll(/\W+/g, "-")}.${colorScheme}.png`) });
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
}
