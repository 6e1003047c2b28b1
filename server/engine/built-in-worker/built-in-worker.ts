// The node's built-in worker: our own agent as a child process under another account, with an environment and a home of its own, which polls
// its node like any agent. It is started when it is first needed, and from then on with the node. It ends with the node, its scripts do not:
// the next one follows them.

import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { chmod, lchown, mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { monotonicMs, pause } from "../../base/clock.ts";
import { nodeIdOf, offlineAfterMs } from "../../platform/cluster/cluster.ts";
import type { Database } from "../../platform/database/database.ts";
import type { PollingAgent } from "../agents/agents.ts";
import type { PlannedTarget } from "../execution/execution.ts";
import * as store from "./built-in-worker-store.ts";
import { chooseWorkerAccount } from "./worker-account.ts";
import type { WorkerAccount, WorkerMode } from "./worker-account.ts";

export { isRegistered as isBuiltInWorker } from "./built-in-worker-store.ts";
export type { WorkerMode } from "./worker-account.ts";

export interface BuiltInWorker {
  /** Starts it again where it was used before this start of the node. */
  start(): Promise<void>;
  /** The one of this node, started if need be; else that of another node; else why there is none, as the rest of a sentence. */
  find(): Promise<{ worker: PlannedTarget } | { refusal: string }>;
  stop(): Promise<void>;
}

/** Making a certificate on a busy machine takes seconds. */
const prepareTimeoutMs = 60_000;
/** A transfer must not keep questions about running scripts waiting. */
const pollConnections = 3;
const restartPauseMs = { first: 1_000, factor: 2, max: 60_000 };
/** One that ran for so long ended for a reason of its own. */
const calmMs = 60_000;
/** A node that was taken from the registry enters itself again; its worker does too. */
const registerEveryMs = 60_000;
const stopMsMax = 6_000;
const lastWordsCharactersMax = 2_000;
const subscriptionCharacters = 20;
/** All that its scripts inherit: nothing of the server's own environment. */
const environment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" };

export function createBuiltInWorker(parts: {
  database: Database;
  nodeName: string;
  /** The node's own folder. */
  home: string;
  mode: WorkerMode;
  /** The agent's entry file; undefined when it is not there. */
  program: string | undefined;
  /** Where this node waits for agents, and the certificate it shows them. */
  server: { host: string; port: number; thumbprint: string };
  log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}): BuiltInWorker {
  const { database, nodeName, log } = parts;
  const nodeId = nodeIdOf(nodeName);
  const folder = path.join(parts.home, "built-in-worker");
  const agentHome = path.join(folder, "home");
  const stopping = new AbortController();
  let launching: Promise<PollingAgent> | undefined;
  let running: Promise<unknown> = Promise.resolve();

  const targetOf = (name: string, { subscription, thumbprint }: PollingAgent): PlannedTarget => ({
    machineId: `BuiltInWorkers-${name}`,
    name: `the built-in worker of ${name}`,
    agent: { subscription, thumbprint },
  });

  /** The account of the process, as `spawn` takes it. */
  function asAccount(account: WorkerAccount): { uid?: number; gid?: number; env: NodeJS.ProcessEnv; cwd: string } {
    const ids = account.kind === "own" ? { uid: account.uid, gid: account.gid } : {};
    return { ...ids, env: { ...environment, HOME: agentHome }, cwd: agentHome };
  }

  /** Resolves once any node can reach it; its process may be on its way yet. */
  async function launch(account: WorkerAccount, program: string): Promise<PollingAgent> {
    await makeHome(folder, agentHome, account);
    const name = `built-in-worker-${nodeName}`;
    const thumbprint = await ask([program, "show-thumbprint", "--home", agentHome, "--name", name], asAccount(account));
    if (!/^[0-9A-F]{40}$/.test(thumbprint)) throw new Error(`Its program said '${thumbprint.slice(0, 100)}' instead of a thumbprint.`);
    const known = await store.findWorker(database, nodeId);
    const agent = { subscription: known?.subscription ?? newSubscription(), thumbprint };
    await store.registerWorker(database, nodeId, agent);
    const { host, port, thumbprint: trust } = parts.server;
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const polling = ["--no-listen", "--poll", address, "--subscription", agent.subscription, "--poll-connections", String(pollConnections)];
    const words = [program, "run", "--home", agentHome, "--name", name, "--trust", trust, ...polling, "--end-with-input"];
    if (account.kind === "same")
      log.warn({}, "The built-in worker runs under the server's own account: scripts on the server can read what the server can.");
    running = Promise.all([keepRunning(words, account), keepRegistered(agent)]);
    return agent;
  }

  async function keepRegistered(agent: PollingAgent): Promise<void> {
    while (await pause(registerEveryMs, stopping.signal))
      await store
        .registerWorker(database, nodeId, agent)
        .catch((error: unknown) => log.warn({ err: error }, "The built-in worker could not be entered; trying again."));
  }

  async function keepRunning(words: readonly string[], account: WorkerAccount): Promise<void> {
    let pauseMs = restartPauseMs.first;
    while (!stopping.signal.aborted) {
      const startedMs = monotonicMs();
      const how = await runToEnd(words, account);
      if (stopping.signal.aborted) return;
      log.warn({ how }, "The built-in worker ended by itself and is started again. Its scripts go on meanwhile.");
      if (monotonicMs() - startedMs > calmMs) pauseMs = restartPauseMs.first;
      await pause(pauseMs, stopping.signal);
      pauseMs = Math.min(pauseMs * restartPauseMs.factor, restartPauseMs.max);
    }
  }

  function runToEnd(words: readonly string[], account: WorkerAccount): Promise<string> {
    return new Promise((resolve) => {
      // A session of its own: what a terminal sends to the server is not for it.
      const child = spawn(process.execPath, words, { ...asAccount(account), stdio: ["pipe", "ignore", "pipe"], detached: true });
      let lastWords = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (lastWords = `${lastWords}${text}`.slice(-lastWordsCharactersMax)));
      // It may be gone already.
      child.stdin.on("error", () => {});
      const stop = (): void => void endInTime(child);
      stopping.signal.addEventListener("abort", stop, { once: true });
      const ended = (how: string): void => {
        stopping.signal.removeEventListener("abort", stop);
        resolve(`${how} ${lastWords}`.trim());
      };
      child.once("error", (error) => ended(`It could not be started: ${error.message}.`));
      child.once("exit", (code, signal) => ended(signal === null ? `It ended with exit code ${code}.` : `It was ended by ${signal}.`));
      if (stopping.signal.aborted) stop();
    });
  }

  return {
    async start() {
      const account = await chooseWorkerAccount(parts.mode);
      const known = await store.findWorker(database, nodeId);
      if (known === undefined) return;
      if (account.kind === "none" || parts.program === undefined) return await store.removeWorker(database, nodeId);
      const { program } = parts;
      launching = launch(account, program);
      launching.catch((error: unknown) => {
        launching = undefined;
        log.warn({ err: error }, "The built-in worker could not be started; the next step that needs it tries again.");
      });
    },
    async find() {
      const account = await chooseWorkerAccount(parts.mode);
      let why = account.kind === "none" ? account.why : "its program is not there";
      if (account.kind !== "none" && parts.program !== undefined && !stopping.signal.aborted) {
        try {
          return { worker: targetOf(nodeName, await (launching ??= launch(account, parts.program))) };
        } catch (error) {
          launching = undefined;
          why = `its built-in worker could not be started there: ${(error as Error).message}`;
        }
      }
      const [other] = await store.listLiveWorkers(database, offlineAfterMs);
      return other === undefined ? { refusal: `node ${nodeName} does not run it: ${why}` } : { worker: targetOf(other.nodeName, other) };
    },
    async stop() {
      stopping.abort();
      await launching?.catch(() => {});
      await running;
    },
  };
}

/** SIGTERM, and SIGKILL after a while. Its scripts are not touched. */
async function endInTime(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  child.kill("SIGTERM");
  const gone = new AbortController();
  child.once("exit", () => gone.abort());
  if (child.exitCode === null && child.signalCode === null && (await pause(stopMsMax, gone.signal))) child.kill("SIGKILL");
}

/** Where the agent lives. The folder around it is the server's, so that a script cannot put anything else in its place. */
async function makeHome(folder: string, agentHome: string, account: WorkerAccount): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, account.kind === "own" ? 0o711 : 0o700);
  await mkdir(agentHome, { recursive: true });
  const found = await stat(agentHome);
  if (account.kind === "own" && found.uid !== account.uid) await lchown(agentHome, account.uid, account.gid);
  await chmod(agentHome, 0o700);
}

/** Runs the agent's program to its end; what it printed. */
function ask(words: readonly string[], options: { uid?: number; gid?: number; env: NodeJS.ProcessEnv; cwd: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, words, { ...options, timeout: prepareTimeoutMs, encoding: "utf8" }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout.trim());
      const said = stderr.trim().split("\n").slice(-3).join(" ");
      reject(new Error(said || error.message));
    });
  });
}

function newSubscription(): string {
  const signs = "abcdefghijklmnopqrstuvwxyz0123456789";
  return `poll://${Array.from({ length: subscriptionCharacters }, () => signs[randomInt(signs.length)]).join("")}/`;
}
