// For tests: a real agent in a process of its own, on a home in the temporary folder, and a server's view of it over real TLS.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import { processState, scriptServiceV2, type ScriptStatusResponseV2, type StartScriptCommandV2 } from "@cuttle/contract/agent/script";
import { createHalibutClient, createIdentity, type HalibutClient, type Identity } from "@cuttle/halibut";

/** The agent to test: of this checkout, or of the folder with bundles that CUTTLE_TEST_PROGRAMS names. */
const agentProgram = (): string =>
  join(process.env["CUTTLE_TEST_PROGRAMS"] ?? fileURLToPath(new URL("..", import.meta.url)), "agent", "cuttle-agent.mjs");

/** Everything a test waits for comes within this, also on a busy machine. */
export const patienceMs = 60_000;

export interface AgentProcess {
  readonly home: string;
  readonly pid: number;
  readonly client: HalibutClient;
  readonly peer: { host: string; port: number; thumbprint: string };
  readonly ready: { [member: string]: unknown };
  /** What it wrote to standard error so far. */
  errors(): string;
  /** Starts a process in the same home, on the same port, after `kill` or `stop`. */
  startAgain(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  capabilities(): Promise<string[]>;
  start(command: Partial<StartScriptCommandV2> & { ticket: string; body: string; waitMs?: number }): Promise<ScriptStatusResponseV2>;
  status(ticket: string, after?: number): Promise<ScriptStatusResponseV2>;
  cancel(ticket: string, after?: number): Promise<ScriptStatusResponseV2>;
  complete(ticket: string): Promise<void>;
  /** Asks for the status until the script is complete; all lines, and the last answer. */
  finish(ticket: string): Promise<{ lines: string[]; exitCode: number; all: ScriptStatusResponseV2["Logs"] }>;
}

let serverIdentity: Promise<Identity> | undefined;

/** The certificate of the server that all agents of a test file trust. */
export const testServerIdentity = (): Promise<Identity> => (serverIdentity ??= createIdentity("test server"));

/** Starts an agent that trusts the test's client. After the test the process, its scripts and its home are removed. */
export async function startAgentProcess(
  t: Pick<TestContext, "after">,
  options: { arguments?: string[]; environment?: NodeJS.ProcessEnv; home?: string; nodeArguments?: string[]; keepInputOpen?: boolean } = {},
): Promise<AgentProcess> {
  const home = options.home ?? mkdtempSync(join(tmpdir(), "cuttle-agent-"));
  const identity = await testServerIdentity();
  const client = createHalibutClient({ identity, limits: { connectRetryPauseMs: 100 } });
  let port = 0;
  let child: ChildProcess;
  let gone: Promise<number | null>;
  let ready: { [member: string]: unknown } = {};
  let errors = "";

  const begin = async (): Promise<void> => {
    child = spawn(
      process.execPath,
      [
        ...(options.nodeArguments ?? []),
        agentProgram(),
        "run",
        "--home",
        home,
        "--port",
        String(port),
        "--listen-address",
        "127.0.0.1",
        "--trust",
        identity.thumbprint,
        "--name",
        "test-agent",
        "--free-disk-min",
        "1",
        ...(options.arguments ?? []),
      ],
      { stdio: [options.keepInputOpen === true ? "pipe" : "ignore", "pipe", "pipe"], env: { ...process.env, ...options.environment } },
    );
    const begun = child;
    gone = new Promise((resolve) => begun.once("exit", (code) => resolve(code)));
    begun.stderr!.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: begun.stdout! }).once("line", resolve);
      begun.once("exit", (code) => reject(new Error(`The agent ended with ${code} before it was ready: ${errors}`)));
    });
    ready = JSON.parse(line) as { [member: string]: unknown };
    port = ready["port"] as number;
  };
  await begin();
  t.after(async () => {
    await client.close();
    child.kill("SIGKILL");
    await gone;
    endScriptsOf(home);
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  });

  const call = async <T>(
    service: typeof scriptServiceV2 | typeof capabilitiesServiceV2,
    method: string,
    params: readonly unknown[],
  ): Promise<T> => (await client.call(agent.peer, service, method, params, { timeoutMs: patienceMs })) as T;

  const agent: AgentProcess = {
    home,
    get pid() {
      return child.pid!;
    },
    client,
    get peer() {
      return { host: "127.0.0.1", port, thumbprint: ready["thumbprint"] as string };
    },
    get ready() {
      return ready;
    },
    errors: () => errors,
    startAgain: begin,
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
    async stop() {
      child.kill("SIGTERM");
      return gone;
    },
    async capabilities() {
      return (await call<{ SupportedCapabilities: string[] }>(capabilitiesServiceV2, "GetCapabilities", [])).SupportedCapabilities;
    },
    start({ ticket, body, waitMs, ...rest }) {
      return call(scriptServiceV2, "StartScript", [
        {
          ScriptTicket: { TaskId: ticket },
          ScriptBody: body,
          TaskId: "ServerTasks-1",
          DurationToWaitForScriptToFinish: waitMs ?? null,
          Isolation: 0,
          ScriptIsolationMutexTimeout: 0,
          IsolationMutexName: null,
          Scripts: {},
          Files: [],
          Arguments: [],
          ...rest,
        },
      ]);
    },
    status: (ticket, after = 0) => call(scriptServiceV2, "GetStatus", [{ Ticket: { TaskId: ticket }, LastLogSequence: after }]),
    cancel: (ticket, after = 0) => call(scriptServiceV2, "CancelScript", [{ Ticket: { TaskId: ticket }, LastLogSequence: after }]),
    complete: (ticket) => call(scriptServiceV2, "CompleteScript", [{ Ticket: { TaskId: ticket } }]),
    async finish(ticket) {
      const all: ScriptStatusResponseV2["Logs"] = [];
      const deadline = performance.now() + patienceMs;
      for (let after = 0; ;) {
        const answer = await this.status(ticket, after);
        all.push(...answer.Logs);
        after = answer.NextLogSequence;
        if (answer.State === processState.complete) return { all, lines: scriptLines(all), exitCode: answer.ExitCode };
        if (performance.now() > deadline)
          throw new Error(`Ticket ${ticket} is not complete after ${patienceMs} ms; last lines: ${JSON.stringify(all.slice(-5))}`);
        if (answer.Logs.length === 0) await delay(10);
      }
    },
  };
  return agent;
}

/** The texts of a log without the agent's own: Debug lines, and the level blocks around what it says about isolation. */
export function scriptLines(logs: ScriptStatusResponseV2["Logs"]): string[] {
  const texts = logs.filter((line) => line.Source !== 2).map((line) => line.Text);
  if (texts[0] === "##octopus[stdout-verbose]" && texts[1]?.startsWith("Acquiring isolation mutex")) return texts.slice(3);
  return texts;
}

/** Polls until `condition` gives something; for what has no event to wait on. */
export async function eventually<T>(what: string, condition: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (const deadline = performance.now() + patienceMs; ; await delay(10)) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`Not within ${patienceMs} ms: ${what}`);
  }
}

/** Processes whose command line or working directory is below a folder. */
export function processesOf(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        return (
          `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${folder}/`) ||
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${folder}/`)
        );
      } catch {
        return false;
      }
    });
}

/** A failed test must not leave scripts behind. */
function endScriptsOf(home: string): void {
  for (const pid of processesOf(home)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone meanwhile.
    }
  }
}
