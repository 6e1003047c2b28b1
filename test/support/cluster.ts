// A real cluster for trials: server nodes, agents and PostgreSQL as processes of their own on loopback ports, which can be killed,
// frozen and started again on the same home. All of them, the scripts they started and their folder go when the cluster is closed and
// also when the process that made it dies. Knows nothing of what the nodes are asked to do.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import fs from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";

/** Below the range from which systems take ports for outgoing connections, so that nobody else gets one between two starts. */
const portMin = 20_000;
const portMax = 32_000;
/** A start includes a new database on a busy machine. */
const readyMsMax = 60_000;
const stopMsMax = 20_000;
const commandMsMax = 60_000;

/** The administrator's key on every node of every cluster made here. */
export const clusterApiKey = "API-TRIALTRIALTRIALTRIALTRIAL0001";

/** A program that says in one line of JSON when it is ready, and that may be started many times with the same words. */
export interface ClusterProcess<Ready> {
  readonly name: string;
  readonly pid: number;
  /** What it said at its last start. */
  readonly ready: Ready;
  isRunning(): boolean;
  /** Starts it, at first or again; resolves when it is ready. */
  start(): Promise<Ready>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP; resolves when every thread stands still. */
  freeze(): Promise<void>;
  /** SIGCONT. */
  thaw(): void;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** Resolves with the exit code when it ends. */
  ended(): Promise<number | null>;
  /** Most memory it has had resident since its last start, in bytes. */
  memoryPeakBytes(): number;
  /** The end of what it wrote to standard error, over all its starts. */
  lastWords(lines?: number): string;
}

export interface ServerReady {
  url: string;
  thumbprint: string;
  nodeName: string;
  commsPort: number;
}
export interface AgentReady {
  thumbprint: string;
  port: number;
}
export interface PostgresReady {
  connectionString: string;
  pid: number;
}
export type ServerProcess = ClusterProcess<ServerReady> & { readonly home: string };
export type AgentProcess = ClusterProcess<AgentReady> & { readonly home: string; readonly port: number };
export type PostgresProcess = ClusterProcess<PostgresReady> & {
  /** kill -9 of PostgreSQL, and of what would start it again at once. `start()` brings it back on the same data. */
  killDatabase(): Promise<void>;
};

export interface ServerOptions {
  name: string;
  /** Without it the node brings its own database. */
  connectionString?: string;
  masterKey?: string;
  taskCap?: number;
  environment?: NodeJS.ProcessEnv;
}

export interface CommandResult {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface Cluster {
  /** Everything lies below it. */
  readonly root: string;
  /** Made, not started. Nodes with one connection string share one folder. */
  server(options: ServerOptions): Promise<ServerProcess>;
  /** Without `poll` it listens; with several ports it polls each of them. */
  agent(options: { name: string; trust: string; poll?: { port: number | readonly number[]; subscription: string } }): Promise<AgentProcess>;
  /** Runs a command of the server to its end, with the home and the settings of that node. */
  serverCommand(server: ServerProcess, ...words: string[]): Promise<CommandResult>;
  /** Runs a command of the agent to its end, on a machine whose instances are this cluster's. */
  agentCommand(...words: string[]): Promise<CommandResult>;
  /** The agent of an instance that commands have made; `home` as its settings say. */
  agentInstance(options: { name: string; home: string }): AgentProcess;
  /** `connectionsMax`: for more nodes than what comes with the programs can take. */
  postgres(options?: { connectionsMax?: number }): Promise<PostgresProcess>;
  /** The master key of the node with that home, as its operator would look it up. */
  masterKeyOf(server: ServerProcess): Promise<string>;
  /** Ends everything. `keepFolder` leaves the folder with all logs. */
  close(options?: { keepFolder?: boolean }): Promise<void>;
}

/** Runs a program of ours to its end. */
function runCommand(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, words, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
      timeout: commandMsMax,
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (piece: Buffer) => stdout.push(piece));
    child.stderr.on("data", (piece: Buffer) => stderr.push(piece));
    child.once("error", reject);
    child.once("close", (exitCode) =>
      resolve({ exitCode, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
    );
  });
}

const repository = fileURLToPath(new URL("../../", import.meta.url));
/** The programs to test: of this checkout, or of the folder with bundles that CUTTLE_TEST_PROGRAMS names. */
const programs = process.env["CUTTLE_TEST_PROGRAMS"] ?? repository;

export async function createCluster(): Promise<Cluster> {
  const root = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-cluster-"));
  await fs.chmod(root, 0o711); // the embedded database's account passes through
  const dismiss = watchOver(root);
  const processes: ClusterProcess<unknown>[] = [];
  /** What each server is started with, by its name. */
  const environments = new Map<string, NodeJS.ProcessEnv>();
  /** Where the agent's commands keep what all instances of a machine share. */
  const instances = { TentacleMachineConfigurationHomeDirectory: path.join(root, "machine") };

  async function home(name: string): Promise<string> {
    const folder = path.join(root, name);
    await fs.mkdir(folder, { mode: 0o711 });
    return folder;
  }

  function made<Ready>(name: string, words: string[], environment: NodeJS.ProcessEnv = {}): ClusterProcess<Ready> {
    const process = createProcess<Ready>({ name, words, environment, logFile: path.join(root, `${name}.log`) });
    processes.push(process);
    return process;
  }

  return {
    root,
    async server({ name, connectionString, masterKey, taskCap, environment = {} }) {
      const folder = await home(name);
      const port = await freePort();
      const words = [
        path.join(programs, "server", "cuttle-server.mjs"),
        "run",
        "--ready-line",
        ...flags({
          home: folder,
          serverNodeName: name,
          webListenPrefixes: `http://127.0.0.1:${port}`,
          commsListenPort: await freePort(),
          commsListenAddress: "127.0.0.1",
          clusterShared: connectionString === undefined ? undefined : path.join(root, "shared"),
          taskCap,
        }),
      ];
      environments.set(name, {
        ADMIN_USERNAME: "admin",
        ADMIN_API_KEY: clusterApiKey,
        ...(connectionString === undefined ? {} : { DB_CONNECTION_STRING: connectionString }),
        ...(masterKey === undefined ? {} : { MASTER_KEY: masterKey }),
        ...environment,
      });
      return Object.assign(made<ServerReady>(name, words, environments.get(name)), { home: folder });
    },
    async agent({ name, trust, poll }) {
      const folder = await home(name);
      const port = await freePort();
      const words = [
        path.join(programs, "agent", "cuttle-agent.mjs"),
        "run",
        ...flags({ home: folder, trust, name, "free-disk-min": 1 }),
        ...(poll === undefined
          ? flags({ port, "listen-address": "127.0.0.1" })
          : [
              "--no-listen",
              ...[poll.port].flat().flatMap((one) => flags({ poll: `127.0.0.1:${one}` })),
              ...flags({ subscription: poll.subscription }),
            ]),
      ];
      return Object.assign(made<AgentReady>(name, words), { home: folder, port });
    },
    serverCommand(server, ...words) {
      const [command = "", ...rest] = words;
      return runCommand(
        [path.join(programs, "server", "cuttle-server.mjs"), command, ...flags({ home: server.home }), ...rest],
        environments.get(server.name),
      );
    },
    agentCommand(...words) {
      return runCommand([path.join(programs, "agent", "cuttle-agent.mjs"), ...words], instances);
    },
    agentInstance(options) {
      const words = [path.join(programs, "agent", "cuttle-agent.mjs"), "run", "--instance", options.name, "--noninteractive"];
      return Object.assign(made<AgentReady>(options.name, words, instances), { home: options.home, port: 0 });
    },
    async postgres({ connectionsMax } = {}) {
      const folder = await home("postgres");
      const process = made<PostgresReady>("postgres-launcher", [
        fileURLToPath(new URL("cluster-postgres.ts", import.meta.url)),
        folder,
        String(await freePort()),
        ...(connectionsMax === undefined ? [] : [String(connectionsMax)]),
      ]);
      return Object.assign(process, {
        async killDatabase() {
          const { pid } = process.ready;
          await process.kill();
          signal(pid, "SIGKILL");
          // Its children notice and end; until then the data folder is in use.
          await eventually("all of PostgreSQL has ended", () => processesBelow(folder).length === 0);
        },
      });
    },
    async masterKeyOf(server) {
      return (await fs.readFile(path.join(server.home, "master-key"), "utf8")).trim();
    },
    async close({ keepFolder = false } = {}) {
      // In the order they were made, databases last, since those who use them were made after them.
      for (const process of processes.reverse()) await process.stop();
      endAllBelow(root);
      await eventually("all processes of the cluster have ended", () => processesBelow(root).length === 0);
      dismiss();
      if (!keepFolder) await fs.rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

function createProcess<Ready>(parts: {
  name: string;
  words: string[];
  environment: NodeJS.ProcessEnv;
  logFile: string;
}): ClusterProcess<Ready> {
  let child: ChildProcess | undefined;
  let gone: Promise<number | null> = Promise.resolve(null);
  let ready: Ready | undefined;

  function current(): ChildProcess & { pid: number } {
    if (child?.pid === undefined) throw new Error(`${parts.name} was never started.`);
    return child as ChildProcess & { pid: number };
  }
  const isRunning = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null;

  const own: ClusterProcess<Ready> = {
    name: parts.name,
    get pid() {
      return current().pid;
    },
    get ready() {
      if (ready === undefined) throw new Error(`${parts.name} was never ready.`);
      return ready;
    },
    isRunning,
    async start() {
      if (isRunning()) throw new Error(`${parts.name} runs already.`);
      const log = openSync(parts.logFile, "a");
      const begun = spawn(process.execPath, parts.words, {
        stdio: ["ignore", "pipe", log],
        env: {
          PATH: process.env["PATH"],
          NODE_COMPILE_CACHE: path.join(repository, "node_modules", ".cache", "cuttle-cluster-code"),
          HOME: process.env["HOME"],
          CUTTLE_TEST_PGBIN: process.env["CUTTLE_TEST_PGBIN"],
          ...parts.environment,
        },
      });
      closeSync(log);
      child = begun;
      gone = new Promise((resolve) => begun.once("exit", (code) => resolve(code)));
      const line = await new Promise<string>((resolve, reject) => {
        const late = setTimeout(() => {
          begun.kill("SIGKILL");
          reject(new Error(`${parts.name} was not ready within ${readyMsMax} ms:\n${own.lastWords()}`));
        }, readyMsMax);
        createInterface({ input: begun.stdout! }).once("line", (text) => {
          clearTimeout(late);
          resolve(text);
        });
        begun.once("close", (code) => {
          clearTimeout(late);
          reject(new Error(`${parts.name} ended with ${code} before it was ready:\n${own.lastWords()}`));
        });
      });
      begun.stdout!.resume();
      ready = JSON.parse(line) as Ready;
      return ready;
    },
    async kill() {
      current().kill("SIGKILL");
      await gone;
    },
    async freeze() {
      current().kill("SIGSTOP");
      await eventually(`${parts.name} stands still`, () => /^State:\s+T/m.test(readFileSync(`/proc/${own.pid}/status`, "utf8")));
    },
    thaw: () => void current().kill("SIGCONT"),
    async stop() {
      if (!isRunning()) return child?.exitCode ?? null;
      child?.kill("SIGCONT");
      child?.kill("SIGTERM");
      const late = setTimeout(() => child?.kill("SIGKILL"), stopMsMax);
      const code = await gone;
      clearTimeout(late);
      return code;
    },
    ended: () => gone,
    memoryPeakBytes() {
      const kib = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${own.pid}/status`, "utf8"))?.[1];
      if (kib === undefined) throw new Error(`${parts.name} has no memory to look at.`);
      return Number(kib) * 1024;
    },
    lastWords: (lines = 20) => readFileSync(parts.logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n"),
  };
  return own;
}

/** Command-line words for the settings that are given. */
function flags(given: Readonly<Record<string, string | number | undefined>>): string[] {
  return Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));
}

/** A port on loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin));
    const isFree = await new Promise<boolean>((resolve) => {
      const server = net.createServer();
      server.once("error", () => resolve(false));
      server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/** Processes whose working folder or command line lies below a folder; never this one. */
export function processesBelow(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        const place = `${readlinkSync(`/proc/${pid}/cwd`)}/`;
        return place.startsWith(`${folder}/`) || readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${folder}/`);
      } catch {
        return false; // it ended meanwhile, or is nothing we may look at
      }
    });
}

function endAllBelow(folder: string): void {
  for (const pid of processesBelow(folder)) signal(pid, "SIGKILL");
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * A shell that waits for the end of its input, which comes with the end of this process however it ends, and then ends everything
 * below the folder and removes it. Answers what sends it away with nothing done.
 */
function watchOver(root: string): () => void {
  // The folder comes through the input, so that the shell does not find itself.
  const script = `
    read -r root
    read -r order
    [ "$order" = dismissed ] && exit
    for round in 1 2 3; do
      for process in /proc/[0-9]*; do
        case "$(readlink "$process/cwd" 2>/dev/null)/" in "$root"/*) kill -9 "\${process#/proc/}"; continue ;; esac
        case "$(tr '\\0' ' ' <"$process/cmdline" 2>/dev/null)" in *"$root"/*) kill -9 "\${process#/proc/}" ;; esac
      done
      sleep 0.2
    done
    rm -rf "$root"`;
  const shell = spawn("/bin/sh", ["-c", script], { stdio: ["pipe", "ignore", "ignore"], detached: true, cwd: "/" });
  shell.unref();
  shell.stdin.write(`${root}\n`);
  (shell.stdin as unknown as { unref(): void }).unref();
  return () => void shell.stdin.end("dismissed\n");
}
