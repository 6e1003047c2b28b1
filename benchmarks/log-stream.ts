// From the moment a script on an agent prints a line to the moment a person sees it: two real nodes, a real agent, and a browser with a tab at
// the node that runs the task and one at the other node; further readers take the same log as events. Lines come at a person's pace, with
// pauses of random length so that nothing can keep in step with them, and now and then many at once.
//   npm run bench:log-stream -- --lines 300 --burst-lines 20 --readers 10

import fs from "node:fs/promises";
import path from "node:path";
import { buildPortal } from "../scripts/portal/build-portal.ts";
import { openBrowser } from "../test/support/browser.ts";
import type { Page } from "../test/support/browser.ts";
import { createClusterApi } from "../test/support/cluster-api.ts";
import { clusterApiKey, createCluster } from "../test/support/cluster.ts";
import type { ServerProcess } from "../test/support/cluster.ts";
import { openEvents } from "../test/support/event-reader.ts";
import { eventually } from "../test/support/eventually.ts";
import { createObserver } from "../test/support/observer.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import { percentile } from "./programs.ts";

const counts = readCounts({ lines: 300, "burst-lines": 20, readers: 10 });
/** Of a line to the eye. */
const reachMs = 300;
/** Lines between two bursts. */
const burstEvery = 30;
const password = "Correct horse 1!";
const command = commandOf("bench:log-stream", counts);
const linesExpected = counts.lines + Math.floor(counts.lines / burstEvery) * counts["burst-lines"];
/** The longest pauses, and as much again for a machine that is busy. */
const endMsMax = counts.lines * 400 + 60_000;

await buildPortal(path.dirname(import.meta.dirname));
const cluster = await createCluster();
const go = path.join(cluster.root, "go");
// $EPOCHREALTIME is read by bash itself at the moment of printing. The pauses are 50 to 200 ms.
const script = `until [ -e "${go}" ]; do sleep 0.1; done
for n in $(seq ${counts.lines}); do
  echo "at $EPOCHREALTIME"
  sleep "0.$(printf %03d $((RANDOM % 151 + 50)))"
  if [ $((n % ${burstEvery})) = 0 ]; then for m in $(seq ${counts["burst-lines"]}); do echo "at $EPOCHREALTIME"; done; fi
done`;

/** Notes in the page when each line can first be seen: behind the frame that follows its coming into the document. */
const watcher = `(() => {
  const seen = new Map(), fresh = new Map();
  window.seenLines = seen;
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    const now = Date.now();
    for (const [number, printed] of fresh) seen.set(number, now - printed);
    fresh.clear();
  };
  const look = () => {
    for (const row of document.querySelectorAll("[data-line]")) {
      const number = Number(row.dataset.line);
      if (seen.has(number) || fresh.has(number)) continue;
      const found = /at (\\d+[.,]\\d+)/.exec(row.textContent);
      if (found === null) continue;
      if (fresh.size === 0) requestAnimationFrame(() => channel.port2.postMessage(0));
      fresh.set(number, Number(found[1].replace(",", ".")) * 1000);
    }
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  look();
})()`;

try {
  const postgres = await cluster.postgres();
  const { connectionString } = await postgres.start();
  const environment = { ADMIN_PASSWORD: password };
  const owner = await cluster.server({ name: "owner", connectionString, environment });
  await owner.start();
  const masterKey = await cluster.masterKeyOf(owner);
  const other = await cluster.server({ name: "other", connectionString, masterKey, taskCap: 0, environment });
  await other.start();
  const agent = await cluster.agent({ name: "web-1", trust: owner.ready.thumbprint });
  await agent.start();
  const api = createClusterApi(() => [owner.ready.url]);
  const observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
  const machines = [{ name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint }];
  const project = await observer.prepare({ name: "shop", environments: 1, machines, steps: [{ lines: 1, pauseMs: 0 }], scripts: [script] });
  const deployment = await observer.deploy(project);
  await eventually("the task is running", async () => (await api.get(`/api/tasks/${deployment.taskId}`)).State === "Executing");

  const browser = await openBrowser();
  async function open(node: ServerProcess): Promise<Page> {
    const { url } = node.ready;
    const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
    const answer = await context.request.post(`${url}/api/users/login`, { data: { Username: "admin", Password: password } });
    if (!answer.ok()) throw new Error(`Signing in answered ${answer.status()}: ${await answer.text()}`);
    const page = await context.newPage();
    await page.goto(`${url}/app/Spaces-1/tasks/${deployment.taskId}`);
    await page.locator("[data-testid=log][data-kind=live]").waitFor();
    await page.evaluate(watcher);
    return page;
  }
  async function read(node: ServerProcess): Promise<number[]> {
    const reader = await openEvents(`${node.ready.url}/api/tasks/${deployment.taskId}/log/events`, { apiKey: clusterApiKey });
    const latencies: number[] = [];
    for (let event = await reader.next(); event !== undefined && event.event !== "end"; event = await reader.next()) {
      const printed = event.event === "line" ? /^at (\d+[.,]\d+)$/.exec(event.data.MessageText as string)?.[1] : undefined;
      if (printed !== undefined) latencies.push(Date.now() - Number(printed.replace(",", ".")) * 1000);
    }
    return latencies;
  }
  const pages = [await open(owner), await open(other)];
  const readers = Array.from({ length: counts.readers }, (_, n) => read(n % 2 === 0 ? owner : other));
  await fs.writeFile(go, "");
  await observer.final(deployment, endMsMax);
  const received = (await Promise.all(readers)).flat();
  const seen: number[][] = [];
  for (const page of pages) {
    await page.locator("[data-testid=log][data-kind=over]").waitFor();
    seen.push(await page.evaluate("[...window.seenLines.values()]"));
  }
  await browser.close();

  const say = (what: string, latencies: number[], expected: number): void => {
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => Math.round(percentile(latencies, share))) as [number, number, number];
    sayRow({
      what,
      reach: `p95 < ${reachMs} ms`,
      measured: `p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms over ${latencies.length} lines`,
      ofLimit: p95 / reachMs,
      ...(latencies.length === expected ? {} : { missed: `${expected - latencies.length} lines are missing` }),
      command,
    });
  };
  say("a line printed on an agent until it is seen in a browser at the node that runs the task", seen[0]!, linesExpected);
  say("a line printed on an agent until it is seen in a browser at another node", seen[1]!, linesExpected);
  say(
    `a line printed on an agent until it is at each of ${counts.readers} readers of the live log`,
    received,
    linesExpected * counts.readers,
  );
} finally {
  await cluster.close();
}
