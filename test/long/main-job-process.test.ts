// The main job as a newcomer runs it, through the launcher, on free ports and in a home of its own: the page answers with the version,
// everything is kept, and nothing is left behind. Real server, real database, real agent.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";

const root = path.dirname(path.dirname(import.meta.dirname));
/** A first start makes a database; on two busy cores all of it takes some seconds. */
const startMsMax = 100_000;

interface Home {
  folder: string;
  ports: { web: number; comms: number; agent: number; page: number };
}

function setUp(t: TestContext, ports: Home["ports"]): Home {
  const folder = mkdtempSync(path.join(tmpdir(), "cuttle main job "));
  chmodSync(folder, 0o711); // as root the embedded database runs under another account, which must get through
  t.after(async () => {
    // Nothing is there unless the test failed.
    for (const line of (await leftBehind(folder)).split("\n")) if (line !== "") process.kill(Number.parseInt(line, 10), "SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, ports };
}

/** Ports that are free now, below the range from which the system hands out its own. */
async function freePorts(): Promise<Home["ports"]> {
  const found: number[] = [];
  // The last two lie side by side: the second environment's page takes the port after the first one's.
  for (let port = 20_000 + (process.pid % 8_000); found.length < 5; port++) {
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (isFree) found.push(port);
    else if (found.length === 4) found.pop();
  }
  const [web, comms, agent, page] = found as [number, number, number, number];
  return { web, comms, agent, page };
}

function begin(
  t: TestContext,
  { folder, ports }: Home,
  ...flags: string[]
): { child: ChildProcess; output: () => string; waitFor: (text: string) => Promise<void> } {
  const args = [
    "start",
    `--home=${folder}`,
    `--web-port=${ports.web}`,
    `--comms-port=${ports.comms}`,
    `--agent-port=${ports.agent}`,
    `--page-port=${ports.page}`,
  ];
  const child = spawn(process.execPath, [path.join(root, "launch.mjs"), ...args, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      for (const check of waiting) check();
    });
  }
  const waitFor = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        if (!output.includes(text)) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      child.once("exit", () => reject(new Error(`it ended before it said "${text}":\n${output}`)));
      check();
    });
  return { child, output: () => output, waitFor };
}

async function endOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode;
}

async function versionOnPage(port: number): Promise<string | null> {
  const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => null);
  return answer === null ? null : (/Version (\d[\w.]*)/.exec(await answer.text())?.[1] ?? null);
}

/** Every process that still has the home in its command line. */
async function leftBehind(folder: string): Promise<string> {
  const ps = spawn("ps", ["-eo", "pid=,args="], { stdio: ["ignore", "pipe", "ignore"] });
  let all = "";
  for await (const chunk of ps.stdout) all += String(chunk);
  return all
    .split("\n")
    .filter((line) => line.includes(folder))
    .join("\n");
}

test(
  "the first release is deployed and its page answers; a second start keeps key and releases; nothing is left behind",
  { timeout: 2 * startMsMax },
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
    second.child.kill("SIGTERM");
    assert.equal(await endOf(second.child), 0, second.output());
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
  const { child, output } = begin(t, { folder: tmpdir(), ports: { web: 1, comms: 2, agent: 3, page: 4 } }, "--frsh");
  assert.equal(await endOf(child), 2);
  assert.match(output(), /'--frsh'[^]*--fresh +begin anew/);
});
