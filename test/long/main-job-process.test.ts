// The main job as a newcomer runs it, through the launcher, on free ports and in a home of its own: the page answers with the version,
// everything is kept, and nothing is left behind. Real server, real database, real agent.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { begin, endOf, freePorts, leftBehind, setUp, startMsMax, versionOnPage } from "../support/main-job.ts";

test(
  "the first release is deployed and its page answers; a second start keeps key and releases, a third one what was there before a failure; nothing is left behind",
  { timeout: 3 * startMsMax },
  async (t) => {
    const home = setUp(t, await freePorts());

    const first = begin(t, home, "--once");
    assert.equal(await endOf(first.child), 0, first.output());
    assert.match(first.output(), /Step 2: Buy something: Success/);
    for (const [environment, port] of [
      ["Test", home.ports.page],
      ["Production", home.ports.page + 1],
    ] as const)
      assert.match(
        first.output(),
        new RegExp(`Release 1\\.0\\.0 deployed to ${environment} in .* http://127\\.0\\.0\\.1:${port}/ shows version 1\\.0\\.0`),
      );
    const keys = readFileSync(path.join(home.folder, "keys.json"), "utf8");
    for (const port of [home.ports.page, home.ports.page + 1])
      assert.equal(await versionOnPage(port), null, "the shops are closed with the rest");

    const second = begin(t, home);
    await second.waitFor("Running");
    assert.doesNotMatch(second.output(), /for the first time/);
    for (const port of [home.ports.page, home.ports.page + 1]) assert.equal(await versionOnPage(port), "1.0.0");
    const [inTest, inProduction] = await Promise.all(
      [home.ports.page, home.ports.page + 1].map(async (port) => await (await fetch(`http://127.0.0.1:${port}/`)).text()),
    );
    assert.match(inTest!, /\(test, nothing is sent\)/, "each environment has its own values");
    assert.doesNotMatch(inProduction!, /nothing is sent/);
    assert.equal(readFileSync(path.join(home.folder, "keys.json"), "utf8"), keys);
    const key = (JSON.parse(keys) as { apiKey: string }).apiKey;
    const answer = await fetch(`http://127.0.0.1:${home.ports.web}/api/Spaces-1/deployments`, { headers: { "X-Octopus-ApiKey": key } });
    const deployments = (await answer.json()) as { Items: unknown[] };
    assert.equal(deployments.Items.length, 4, "those of the first start are still there");
    second.child.stdin!.write("f\n");
    await second.waitFor("Press b to roll Test back");
    second.child.kill("SIGTERM");
    assert.equal(await endOf(second.child), 0, second.output());
    const third = begin(t, home, "--once");
    assert.equal(await endOf(third.child), 0, third.output());
    assert.match(third.output(), /Release 1\.0\.0 deployed to Test/);
    assert.doesNotMatch(third.output(), /Deploying release 1\.1\.0/);
    assert.equal(await leftBehind(home.folder), "");
  },
);

test("a start that was killed is tidied up by the next one, and --fresh begins anew", { timeout: 2 * startMsMax }, async (t) => {
  const home = setUp(t, await freePorts());

  const killed = begin(t, home);
  await killed.waitFor("Running");
  const noted = JSON.parse(readFileSync(path.join(home.folder, "processes.json"), "utf8")) as { name: string; processId: number }[];
  const start = noted.find(({ name }) => name === "start");
  assert.ok(start !== undefined);
  process.kill(start.processId, "SIGKILL");
  await endOf(killed.child);
  assert.notEqual(await leftBehind(home.folder), "", "the kill left server and agent running");

  const keysBefore = readFileSync(path.join(home.folder, "keys.json"), "utf8");
  const fresh = begin(t, home, "--fresh", "--once");
  assert.equal(await endOf(fresh.child), 0, fresh.output());
  assert.match(fresh.output(), /Ending the server that an earlier start left behind/);
  assert.match(fresh.output(), /Beginning anew: removing server, agent, polling-agent, page, logs, keys\.json/);
  assert.match(fresh.output(), /for the first time/);
  assert.notEqual(readFileSync(path.join(home.folder, "keys.json"), "utf8"), keysBefore);
  assert.equal(await leftBehind(home.folder), "");
});

test("the example of scripts alone is deployed as well", { timeout: startMsMax }, async (t) => {
  const home = setUp(t, await freePorts());
  const { child, output } = begin(t, home, "--once", "--example=first-deployment");
  assert.equal(await endOf(child), 0, output());
  assert.match(output(), /Step 3: Check the page: Success/);
  assert.match(output(), /Release 1\.0\.0 deployed to Development in .* shows version 1\.0\.0/);
  assert.equal(await leftBehind(home.folder), "");
});

test("a busy port is named together with the flag that changes it, and nothing is started", { timeout: startMsMax }, async (t) => {
  const home = setUp(t, await freePorts());
  const other = createServer().listen(home.ports.agent, "127.0.0.1");
  t.after(() => other.close());
  await once(other, "listening");
  const { child, output } = begin(t, home, "--once");
  assert.equal(await endOf(child), 1);
  assert.match(
    output(),
    new RegExp(`Port ${home.ports.agent}, wanted for the agent, is in use by another program\\. Choose another: npm start -- --agent-port`),
  );
  assert.equal(await leftBehind(home.folder), "");
});

test("a wrong flag is answered with the flags there are", async (t) => {
  const { child, output } = begin(
    t,
    { folder: tmpdir(), ports: { web: 1, comms: 2, agent: 3, page: 4, secondWeb: 5, secondComms: 6 } },
    "--frsh",
  );
  assert.equal(await endOf(child), 2);
  assert.match(output(), /'--frsh'[^]*--fresh +begin anew/);
});
