// The agent as it is installed, from its bundle: how long until it listens, what it takes at rest, how large its archives are, and how fast it
// runs small scripts, one after the other and many at once, listening and polling; and what its commands take. `--no-archives` leaves the sizes out.

import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { processState, scriptServiceV2 } from "@cuttle/contract/agent/script";
import type { ScriptStatusResponseV2 } from "@cuttle/contract/agent/script";
import { createHalibutClient, createHalibutListener, createIdentity, createPollingQueue, normalSubscription } from "@cuttle/halibut";
import { makeArchive } from "../scripts/bundle/archive.ts";
import { makeBundle } from "../scripts/bundle/make-bundle.ts";
import { percentile, residentMb } from "./programs.ts";

const root = path.dirname(import.meta.dirname);
const rounds = 11;
const commandRounds = 7;
const scriptsInSequence = 50;
const scriptsAtOnce = 20;
const restMs = 10_000;
/** What the answer to a start may wait for the script's end, so that a small script takes one call. */
const startWaitMs = 5_000;
/** A script that is not waited for, since that would keep its connection from the others, is asked for this often. */
const askMs = 100;
const subscription = "poll://benchmarkagent000001/";

const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-agent-"));
const server = await createIdentity("benchmark");
const results: Record<string, number> = {};
const children = new Set<ChildProcess>();

/** Starts the bundled agent and waits until it says that it listens, or polls. */
async function startAgent(home: string, args: readonly string[]) {
  const startedMs = performance.now();
  const child = spawn(
    process.execPath,
    [path.join(folder, "agent", "cuttle-agent.mjs"), "run", "--home", path.join(folder, home), "--trust", server.thumbprint, ...args],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  children.add(child);
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`The agent ended with ${code} before it was ready.`)));
  });
  const startMs = performance.now() - startedMs;
  const ready = JSON.parse(line) as { port: number; thumbprint: string };
  return {
    pid: child.pid!,
    startMs,
    ready,
    async stop() {
      child.kill("SIGTERM");
      await gone;
      children.delete(child);
    },
  };
}

type Call = (method: string, param: unknown) => Promise<unknown>;
let tickets = 0;

/** Start, look until it is over, complete: as a server does it. */
async function runScript(call: Call, body: string, waitMs: number | null = startWaitMs): Promise<void> {
  const Ticket = { TaskId: `bench-${process.pid}-${++tickets}` };
  let status = (await call("StartScript", {
    ScriptTicket: Ticket,
    ScriptBody: body,
    TaskId: "ServerTasks-1",
    DurationToWaitForScriptToFinish: waitMs,
    Isolation: 0,
    ScriptIsolationMutexTimeout: 0,
    IsolationMutexName: null,
    Scripts: {},
    Files: [],
    Arguments: [],
  })) as ScriptStatusResponseV2;
  while (status.State !== processState.complete) {
    if (waitMs === null) await new Promise((resolve) => setTimeout(resolve, askMs));
    status = (await call("GetStatus", { Ticket, LastLogSequence: status.NextLogSequence })) as ScriptStatusResponseV2;
  }
  if (status.ExitCode !== 0) throw new Error(`A script ended with ${status.ExitCode}: ${JSON.stringify(status.Logs)}`);
  await call("CompleteScript", { Ticket });
}

async function measure(mode: string, call: Call): Promise<void> {
  await runScript(call, "true");
  const sequence: number[] = [];
  const atOnce: number[] = [];
  for (let round = 0; round < 3; round++) {
    let startedMs = performance.now();
    for (let n = 0; n < scriptsInSequence; n++) await runScript(call, "echo hello");
    sequence.push(performance.now() - startedMs);
    startedMs = performance.now();
    await Promise.all(Array.from({ length: scriptsAtOnce }, () => runScript(call, "sleep 1", null)));
    atOnce.push(performance.now() - startedMs);
  }
  results[`${mode}: ${scriptsInSequence} scripts in sequence, s, median of 3`] = percentile(sequence, 0.5) / 1000;
  results[`${mode}: ${scriptsAtOnce} one-second scripts at once, s, median of 3`] = percentile(atOnce, 0.5) / 1000;
}

/** The commands that need no server, on a machine folder of their own, in an order in which each works. */
async function measureCommands(): Promise<void> {
  const config = path.join(folder, "commands", "agent.config");
  const commands: readonly string[][] = [
    ["version"],
    ["help"],
    ["create-instance", "--instance", "bench", "--config", config, "--home", path.dirname(config)],
    ["new-certificate", "--instance", "bench"],
    ["configure", "--instance", "bench", "--port", "10933", "--trust", server.thumbprint],
    ["show-thumbprint", "--instance", "bench"],
    ["show-configuration", "--instance", "bench"],
    ["update-trust", "--instance", "bench", "--oldThumbprint", server.thumbprint, "--newThumbprint", server.thumbprint],
    ["list-instances"],
    ["delete-instance", "--instance", "bench"],
  ];
  const took = new Map(commands.map(([name]) => [name!, [] as number[]]));
  for (let round = 0; round < commandRounds; round++) {
    for (const words of commands) {
      const startedMs = performance.now();
      const { status, stderr } = spawnSync(process.execPath, [path.join(folder, "agent", "cuttle-agent.mjs"), ...words], {
        env: { ...process.env, TentacleMachineConfigurationHomeDirectory: path.join(folder, "machine") },
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(`${words.join(" ")} ended with ${status}: ${stderr}`);
      took.get(words[0]!)!.push(performance.now() - startedMs);
    }
  }
  const medians = [...took].map(([name, values]) => ({ name, ms: percentile(values, 0.5) })).toSorted((a, b) => a.ms - b.ms);
  results[`fastest command, ${medians[0]!.name}, ms, median of ${commandRounds}`] = medians[0]!.ms;
  results[`slowest command, ${medians.at(-1)!.name}, ms, median of ${commandRounds}`] = medians.at(-1)!.ms;
}

try {
  await makeBundle({ root, program: "agent", folder: path.join(folder, "agent"), withNode: false });
  await measureCommands();
  const listening = ["--port", "0", "--listen-address", "127.0.0.1"];
  // The first start makes a certificate and fills the code cache.
  const first = await startAgent("listening", listening);
  results["first start → listening, with a new certificate, ms"] = first.startMs;
  await first.stop();
  const starts: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const agent = await startAgent("listening", listening);
    starts.push(agent.startMs);
    await agent.stop();
  }
  results[`start → listening, ms, median of ${rounds}`] = percentile(starts, 0.5);

  const agent = await startAgent("listening", listening);
  await new Promise((resolve) => setTimeout(resolve, restMs));
  results["memory at rest, MB"] = await residentMb(agent.pid);
  const client = createHalibutClient({ identity: server });
  const peer = { host: "127.0.0.1", port: agent.ready.port, thumbprint: agent.ready.thumbprint };
  await measure("listening", (method, param) => client.call(peer, scriptServiceV2, method, [param], { timeoutMs: 60_000 }));
  results["memory after 240 scripts, MB"] = await residentMb(agent.pid);
  await client.close();
  await agent.stop();

  const queue = createPollingQueue();
  const listener = createHalibutListener({
    identity: server,
    isTrusted: () => true,
    services: [],
    polling: { queue, mayPoll: (name) => name === normalSubscription(subscription) },
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const poll = ["--no-listen", "--poll", `127.0.0.1:${port}`, "--subscription", subscription];
  for (const [connections, name] of [
    ["1", "polling, one connection"],
    ["20", "polling, 20 connections"],
  ] as const) {
    const poller = await startAgent(`polling-${connections}`, [...poll, "--poll-connections", connections]);
    const polling = { subscription, thumbprint: poller.ready.thumbprint };
    await measure(name, (method, param) => queue.call(polling, scriptServiceV2, method, [param], { timeoutMs: 60_000 }));
    await poller.stop();
  }
  queue.close();
  await listener.close();

  if (!process.argv.includes("--no-archives")) {
    for (const [withNode, name] of [
      [false, "archive without Node, MB"],
      [true, "archive with Node, MB"],
    ] as const) {
      const made = await makeBundle({ root, program: "agent", folder: path.join(folder, name, "agent"), withNode });
      const archive = await makeArchive({ folder: path.join(folder, name, "agent"), name: "agent", platform: made.platform });
      results[name] = archive.bytes / 1e6;
    }
  }
  for (const [name, value] of Object.entries(results)) console.log(`${name}: ${value >= 100 ? value.toFixed(0) : value.toFixed(2)}`);
} finally {
  for (const child of children) child.kill("SIGKILL");
  await fs.rm(folder, { recursive: true, force: true });
}
