// Starts the real server and agent as child processes for measurements, and speaks to the server over its API.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import fs from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";

const root = path.dirname(import.meta.dirname);
// One listener for each program that is started.
process.setMaxListeners(0);
export const apiKey = "API-BENCHMARKBENCHMARKBENCHMARK1";
const readyDeadlineMs = 120_000;

export interface Program {
  child: ChildProcess;
  ready: { url: string; thumbprint: string; port: number };
  /** From the start of the process to its ready line. Milliseconds. */
  startedInMs: number;
  /** Lines of its own log so far. */
  log: string[];
  stop(): Promise<void>;
}

export function startServer(options: { home: string; port: number; args?: string[]; env?: Record<string, string> }): Promise<Program> {
  // No agent polls here: a free port for them, on this machine only.
  const comms = ["--commsListenPort", "0", "--commsListenAddress", "127.0.0.1"];
  const args = ["run", "--home", options.home, "--webListenPrefixes", `http://127.0.0.1:${options.port}`, ...comms, "--ready-line"];
  return start("server/cuttle-server.mjs", [...args, ...(options.args ?? [])], { ADMIN_API_KEY: apiKey, ...options.env });
}

export function startAgent(options: { home: string; port: number; trust: string }): Promise<Program> {
  return start("agent/cuttle-agent.mjs", [
    "run",
    "--home",
    options.home,
    "--port",
    String(options.port),
    "--listen-address",
    "127.0.0.1",
    "--trust",
    options.trust,
  ]);
}

async function start(main: string, args: string[], env: Record<string, string> = {}): Promise<Program> {
  const startedMs = performance.now();
  // Flags of this process count there too, so that a benchmark run with --cpu-prof leaves the server's profile as well.
  const child = spawn(process.execPath, [...process.execArgv, path.join(root, main), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  // A benchmark that fails leaves nothing behind that runs.
  process.once("exit", () => child.kill("SIGTERM"));
  const log: string[] = [];
  createInterface({ input: child.stderr! }).on("line", (line) => log.push(line));
  const ready = await new Promise<Program["ready"]>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${main} was not ready in time:\n${log.join("\n")}`)), readyDeadlineMs);
    child.once("exit", (code) => reject(new Error(`${main} ended with ${code}:\n${log.join("\n")}`)));
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (!line.startsWith("{")) return;
      clearTimeout(timer);
      resolve(JSON.parse(line) as Program["ready"]);
    });
  });
  return {
    child,
    ready,
    startedInMs: performance.now() - startedMs,
    log,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once("exit", () => resolve());
        child.kill("SIGTERM");
      }),
  };
}

// oxlint-disable-next-line typescript/no-explicit-any -- documents of the API whose shape the benchmark states itself
type Document = any;

export async function call(url: string, method: string, at: string, body?: object): Promise<Document> {
  const response = await fetch(`${url}/api${at}`, {
    method,
    headers: { "X-Octopus-ApiKey": apiKey, ...(body ? { "Content-Type": "application/json" } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${at} answered ${response.status}: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

export interface Stage {
  releaseId: string;
  environmentIds: string[];
}

/** Environments, agents as their machines, and a project with one script step; answers a release ready to be deployed. */
export async function prepare(url: string, agents: Program[], environments: number, script: string): Promise<Stage> {
  const environmentIds: string[] = [];
  for (let n = 0; n < environments; n++) environmentIds.push((await call(url, "POST", "/environments", { Name: `Environment ${n}` })).Id);
  for (const [n, agent] of agents.entries()) {
    const machine = await call(url, "POST", "/machines", {
      Name: `machine ${n}`,
      EnvironmentIds: environmentIds,
      Roles: ["bench"],
      Endpoint: {
        CommunicationStyle: "TentaclePassive",
        Uri: `https://127.0.0.1:${agent.ready.port}/`,
        Thumbprint: agent.ready.thumbprint,
      },
    });
    await until(async () => (await call(url, "GET", `/machines/${machine.Id}`)).HealthStatus === "Healthy");
  }
  const group = (await call(url, "GET", "/projectgroups/all"))[0];
  // One phase for all, so that no environment has to wait for another.
  const lifecycle = await call(url, "POST", "/lifecycles", {
    Name: "Any order",
    Phases: [{ Name: "All", OptionalDeploymentTargets: environmentIds, MinimumEnvironmentsBeforePromotion: 0 }],
  });
  const project = await call(url, "POST", "/projects", {
    Name: `Project ${Date.now()}`,
    ProjectGroupId: group.Id,
    LifecycleId: lifecycle.Id,
  });
  const process = await call(url, "GET", `/projects/${project.Id}/deploymentprocesses`);
  process.Steps = [
    {
      Name: "Script",
      Properties: { "Octopus.Action.TargetRoles": "bench" },
      Actions: [
        {
          Name: "Script",
          ActionType: "Octopus.Script",
          Properties: {
            "Octopus.Action.Script.ScriptBody": script,
            "Octopus.Action.Script.Syntax": "Bash",
            OctopusBypassDeploymentMutex: "True",
          },
        },
      ],
    },
  ];
  await call(url, "PUT", `/projects/${project.Id}/deploymentprocesses`, process);
  const release = await call(url, "POST", "/releases", { ProjectId: project.Id, Version: "1.0.0" });
  return { releaseId: release.Id, environmentIds };
}

export async function until(look: () => Promise<boolean>, deadlineMs = 60_000): Promise<void> {
  const startedMs = performance.now();
  while (!(await look())) {
    if (performance.now() - startedMs > deadlineMs) throw new Error(`Not within ${deadlineMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Memory of a process that is its own: proportional share of what it shares. MB. */
export async function memoryMb(pid: number): Promise<number> {
  const rollup = await fs.readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024;
}

/** The largest resident memory since the process began. MB. */
export async function residentMb(pid: number): Promise<number> {
  const status = await fs.readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
}

/** Of all threads of a process since it began. */
export async function processorSeconds(pid: number): Promise<number> {
  const fields = (await fs.readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
