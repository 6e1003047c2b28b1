// A log that is read through one of two real nodes while it is printed: the node is killed, the page goes on through the other one, and shows
// every line once, as a third party reads them from the API.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { buildPortal } from "../../scripts/portal/build-portal.ts";
import { needsBrowser, openBrowser, openPage, pageMsMax } from "../support/browser.ts";
import { createCluster } from "../support/cluster.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import { eventually } from "../support/eventually.ts";
import { createObserver } from "../support/observer.ts";
import { startTcpBalancer } from "../support/tcp-balancer.ts";

const root = path.dirname(path.dirname(import.meta.dirname));
const password = "Correct horse 1!";
const steps = [{ lines: 400, pauseMs: 20 }];

test(
  "D7: the node that serves a log's page is killed; the page goes on through another one and shows every line once",
  needsBrowser,
  async (t) => {
    await buildPortal(root);
    const cluster = await createCluster();
    t.after(() => cluster.close());
    const { connectionString } = await (await cluster.postgres()).start();
    const environment = { ADMIN_PASSWORD: password };
    const a = await cluster.server({ name: "node-a", connectionString, environment });
    await a.start();
    const b = await cluster.server({ name: "node-b", connectionString, masterKey: await cluster.masterKeyOf(a), environment });
    const agent = await cluster.agent({ name: "web-1", trust: a.ready.thumbprint });
    await Promise.all([b.start(), agent.start()]);
    const api = createClusterApi(() => [a, b].filter((node) => node.isRunning()).map((node) => node.ready.url));
    const observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    const browser = await openBrowser();
    t.after(() => browser.close());
    const machines = [{ name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint }];
    const deployment = await observer.deploy(await observer.prepare({ name: "switched", environments: 1, machines, steps }));
    await observer.began(deployment, 1);
    const owner: string = (await api.get(`/api/tasks/${deployment.taskId}`)).ServerNode;
    // The task itself goes on undisturbed; only who reads it changes.
    const [reading, other] = owner.endsWith("node-a") ? [b, a] : [a, b];
    const balancer = await startTcpBalancer([reading, other].map((node) => Number(new URL(node.ready.url).port)));

    const url = `http://127.0.0.1:${balancer.port}`;
    t.after(() => balancer.close());
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
    const answer = await context.request.post(`${url}/api/users/login`, { data: { Username: "admin", Password: password } });
    assert.equal(answer.status(), 200, await answer.text());
    const { page, faults } = await openPage(context);
    await page.goto(`${url}/app/Spaces-1/tasks/${deployment.taskId}`);
    await page.evaluate(`window.stillHere = true`);
    const log = page.getByTestId("log");
    const linesShown = async (): Promise<number> => Number(await log.getAttribute("data-lines"));
    await eventually("the log is read", async () => (await linesShown()) >= 30, pageMsMax);
    assert.equal(balancer.taken()[1], 0, "somebody else than the one that is killed served the page");
    await reading.kill();
    const lost = await linesShown();
    await eventually("the log goes on", async () => (await linesShown()) > lost, pageMsMax);
    assert.ok(balancer.taken()[1]! > 0);
    assert.equal((await observer.final(deployment)).State, "Success");
    await page.locator("[data-testid=log][data-kind=over]").waitFor();
    await page.getByTestId("live-light").getByText("Live").waitFor();

    const { Lines, LineCount } = await api.get(`/api/tasks/${deployment.taskId}/log/lines?from=1&take=500`);
    assert.equal(Lines.length, LineCount);
    assert.ok(LineCount > 400);
    assert.equal(await linesShown(), LineCount);
    const shown = new Map<number, string>();
    for (let from = 1; from <= LineCount; from += 20) {
      await log.evaluate((element: { scrollTop: number }, line: number) => void (element.scrollTop = (line - 1) * 20), from);
      const wanted = Math.min(from + 19, LineCount);
      await page.locator(`[data-line="${wanted}"]`).waitFor({ state: "attached" });
      const rows: [string, string][] = await page.evaluate(
        `[...document.querySelectorAll("[data-line]")].map((row) => [row.dataset.line, row.lastElementChild.textContent])`,
      );
      for (const [number, text] of rows) shown.set(Number(number), text);
    }
    assert.deepEqual(
      [...shown].toSorted(([one], [two]) => one - two).map(([, text]) => text),
      Lines.map((line: { MessageText: string }) => line.MessageText),
    );
    assert.equal(await page.evaluate(`window.stillHere`), true, "the page was loaded anew");
    assert.deepEqual(faults, []);
  },
);
