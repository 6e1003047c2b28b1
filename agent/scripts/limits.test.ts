// S5: what one agent keeps and runs is bounded, and who meets a bound is told so. The scripts of an agent without its wire.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { processState } from "@cuttle/contract/agent/script";
import { eventually } from "../agent-process.ts";
import { createScripts, type NewScript, type ScriptLimits, type Scripts } from "./scripts.ts";

async function scriptsWith(t: TestContext, limits: Partial<ScriptLimits>): Promise<{ home: string; scripts: Scripts }> {
  const home = mkdtempSync(join(tmpdir(), "cuttle-agent-limits-"));
  const scripts = createScripts({ home, environment: process.env, limits: { freeDiskBytesMin: 0, ...limits }, report: () => {} });
  await scripts.takeUp();
  t.after(async () => {
    for (const ticket of readdirSync(join(home, "Runs"))) await scripts.complete(ticket);
    await scripts.stop();
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  });
  return { home, scripts };
}

const script = (ticket: string, body: string, waitMs = 20_000): NewScript => ({
  ticket,
  taskId: "ServerTasks-1",
  body,
  shell: "bash",
  exclusive: false,
  mutexName: "RunningScript",
  mutexTimeoutMs: Infinity,
  arguments: [],
  files: [],
  waitMs,
  signal: new AbortController().signal,
});

test("S5: output beyond the limit of a stream is dropped, the log says so, and the script comes to its own end", async (t) => {
  const { scripts } = await scriptsWith(t, { streamBytesMax: 64 * 1024 });
  const { lines, exitCode } = await scripts.start(script("flood", "echo short >&2; seq 1 100000; echo end; exit 5"));
  assert.equal(exitCode, 5);
  const numbers = lines.filter(({ Source, Text }) => Source === 0 && /^\d+$/.test(Text)).map(({ Text }) => Text.length + 1);
  const kept = numbers.reduce((sum, length) => sum + length, 0);
  assert.ok(kept > 60 * 1024 && kept <= 64 * 1024 + 1, `${kept} bytes`);
  assert.match(lines.at(-2)!.Text, /The rest of the script's stdout was dropped/);
  assert.ok(!lines.some(({ Text }) => Text.includes("stderr was dropped")));
});

test("S5: with as many scripts as it may have, the agent refuses one more, and takes it when one has ended", async (t) => {
  const { scripts } = await scriptsWith(t, { liveScriptsMax: 2 });
  for (const ticket of ["one", "two"]) await scripts.start(script(ticket, "sleep 7751", 0));
  await assert.rejects(scripts.start(script("three", "exit 3")), { name: "ScriptRefusedError", message: /2 scripts run or wait/ });
  assert.equal((await scripts.status("three", 0)).exitCode, -45);
  await scripts.cancel("one", 0);
  await eventually("one has ended", async () => (await scripts.status("one", 0)).state === processState.complete);
  assert.equal((await scripts.start(script("three", "exit 3"))).exitCode, 3);
});

test("S5: of too many tombstones the oldest go", async (t) => {
  const { home, scripts } = await scriptsWith(t, { tombstonesMax: 2 });
  for (const [n, ticket] of ["first", "second", "third"].entries()) {
    await scripts.cancel(ticket, 0);
    const at = new Date(Date.now() - (60 - n) * 1000);
    utimesSync(join(home, "Tickets", `${ticket}.json`), at, at);
  }
  await scripts.sweep();
  assert.deepEqual(readdirSync(join(home, "Tickets")).sort(), ["second.json", "third.json"]);
});
