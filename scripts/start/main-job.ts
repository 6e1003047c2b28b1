// The main job's course: start the programs, register the agent, deploy, kill and restart on demand, stop in order.
// Says on the terminal what happens; where settings come from and which keys there are is start.ts's matter.
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createExample } from "./example.ts";
import type { HomeFolder } from "./home-folder.ts";
import type { StartOptions } from "./options.ts";
import { bundlePrograms } from "./bundled-programs.ts";
import { askPage, endPages } from "./page.ts";
import { findBusyPorts } from "./ports.ts";
import { type Program, createProgram } from "./program.ts";
import { RestError, Unreachable, createRestClient } from "./rest-client.ts";
import { runToEnd } from "./run-to-end.ts";
import { StartError } from "./start-error.ts";
import { followTask } from "./task-follower.ts";
import type { Terminal } from "./terminal.ts";

export interface MainJobParts {
  options: StartOptions;
  /** The repository. */
  root: string;
  home: HomeFolder;
  terminal: Terminal;
  /** Aborted when everything is to stop. */
  signal: AbortSignal;
}

export interface MainJob {
  /** Server and agents run and know each other. */
  bringUp(): Promise<void>;
  /** Deploys what an earlier start deployed last, or the first release. Says whether the page shows it. */
  deployFirst(): Promise<boolean>;
  /** Prints addresses, key and keys. */
  explain(): void;
  /** A key was pressed. Unknown keys do nothing. */
  press(key: string): void;
  stop(): Promise<void>;
}

/** A first start makes a database; a start after a crash repairs one. */
const serverMsMax = 90_000;
const agentMsMax = 30_000;
const readyPauseMs = 50;
/** Between the lines of the example's first step, where somebody watches: time enough to press a key. */
const watchedPauseSeconds = 1.5;
const logLinesShown = 15;
/** As many as in the names that agents of this kind give themselves. */
const subscriptionCharacters = 20;

export function createMainJob({ options, root, home, terminal, signal }: MainJobParts): MainJob {
  const address = `http://127.0.0.1:${options.webPort}`;
  const rest = createRestClient(address, home.keys.apiKey);
  const example = createExample(rest, path.join(root, "examples", options.example), {
    node: process.execPath,
    folder: home.page,
    port: String(options.pagePort),
    nextPort: String(options.pagePort + 1),
  });
  const pagePort = (environment: string): number => options.pagePort + example.environments.indexOf(environment);
  const pageAddress = (environment: string): string => `http://127.0.0.1:${pagePort(environment)}/`;
  let serverThumbprint = "";
  /** Somebody sees it and can press keys. */
  const isWatched = process.stdin.isTTY === true && !options.once;
  let isUp = false;
  let isDeploying = false;
  const restarting = new Set<Program>();
  let lastVersion: string | null = null;

  const onUnexpectedEnd = (name: string, key: string) => (how: string) => {
    if (isUp) terminal.say(`The ${name} ${how}. Its log is ${logFile(name)}. Press ${key} to start it again.`);
  };
  const logFile = (name: string): string => path.join(home.logs, `${name.replace(" ", "-")}.log`);
  /** Entry files of the bundles; made before the first program is started. */
  let programs = { server: "", agent: "" };
  const server = createProgram({
    name: "server",
    args: () => [
      programs.server,
      "run",
      `--home=${home.server}`,
      "--serverNodeName=first-node",
      `--webListenPrefixes=${address}/`,
      `--commsListenPort=${options.commsPort}`,
      "--commsListenAddress=127.0.0.1",
    ],
    environment: { ADMIN_USERNAME: "admin", ADMIN_PASSWORD: home.keys.adminPassword, ADMIN_API_KEY: home.keys.apiKey },
    // This server brings its own database, whatever the shell we run in says.
    withoutVariables: ["DB_CONNECTION_STRING", "MASTER_KEY"],
    cwd: home.path,
    logFile: logFile("server"),
    home,
    onUnexpectedEnd: onUnexpectedEnd("server", "k"),
  });
  /** Scripts inherit the agent's environment: this is how the example's scripts learn their settings. */
  const agentParts = {
    environment: {
      PAGE_FOLDER: home.page,
      PAGE_PORT: String(options.pagePort),
      PAGE_NODE: process.execPath,
      PAGE_PAUSE_SECONDS: isWatched ? String(watchedPauseSeconds) : "0",
    },
    withoutVariables: [],
    cwd: home.path,
    home,
  };
  const agent = createProgram({
    ...agentParts,
    name: "agent",
    args: () => [
      programs.agent,
      "run",
      `--home=${home.agent}`,
      `--port=${options.agentPort}`,
      "--listen-address=127.0.0.1",
      `--trust=${serverThumbprint}`,
    ],
    logFile: logFile("agent"),
    onUnexpectedEnd: onUnexpectedEnd("agent", "a"),
  });
  let subscription = "";
  const pollingAgent = createProgram({
    ...agentParts,
    name: "polling agent",
    args: () => [
      programs.agent,
      "run",
      `--home=${home.pollingAgent}`,
      "--no-listen",
      `--poll=127.0.0.1:${options.commsPort}`,
      `--subscription=${subscription}`,
      `--trust=${serverThumbprint}`,
    ],
    logFile: logFile("polling agent"),
    onUnexpectedEnd: onUnexpectedEnd("polling agent", "p"),
  });

  async function bringUp(): Promise<void> {
    await refuseBusyPorts();
    const what = home.isNew ? "Starting the server for the first time (it makes its database)" : "Starting the server";
    programs = await bundlePrograms(root, terminal);
    const [listening, polling] = await terminal.during(what, async () => {
      server.start();
      // Programs of their own, on the other core meanwhile.
      const [told] = await Promise.all([Promise.all([showThumbprint(home.agent), showThumbprint(home.pollingAgent)]), waitForServer()]);
      return told;
    });
    serverThumbprint = (await rest.get<{ Thumbprint: string }>("/api/configuration/certificates/certificate-global")).Thumbprint;
    // Any letters and digits would do; these are its own, at each start.
    subscription = `poll://${polling.slice(0, subscriptionCharacters).toLowerCase()}/`;
    await terminal.during("Starting two agents, one that listens and one that polls, and registering them", async () => {
      agent.start();
      await waitForAgent();
      await example.prepare({
        listening: { port: options.agentPort, thumbprint: listening },
        polling: { subscription, thumbprint: polling },
      });
      pollingAgent.start();
      await example.waitUntilHealthy(signal);
    });
    isUp = true;
  }

  async function refuseBusyPorts(): Promise<void> {
    const busy = await findBusyPorts([
      { port: options.webPort, what: "the REST API", flag: "--web-port" },
      { port: options.commsPort, what: "agents that call the server", flag: "--comms-port" },
      { port: options.agentPort, what: "the agent", flag: "--agent-port" },
      ...example.environments.map((name) => ({ port: pagePort(name), what: `what is deployed to ${name}`, flag: "--page-port" })),
    ]);
    if (busy.length === 0) return;
    const lines = busy.map(({ wanted, code }) => {
      const why = code === "EADDRINUSE" ? "is in use by another program" : `cannot be used (${code})`;
      return `Port ${wanted.port}, wanted for ${wanted.what}, ${why}. Choose another: npm start -- ${wanted.flag} ${wanted.port + 100}`;
    });
    throw new StartError(lines.join("\n"));
  }

  async function waitForServer(): Promise<void> {
    await waitUntil(server, "server", serverMsMax, async () => (await rest.probe("/api/octopusservernodes/ping")) === 200);
  }

  async function waitForAgent(): Promise<void> {
    // The port is ours to find busy: that is the agent, listening.
    await waitUntil(
      agent,
      "agent",
      agentMsMax,
      async () => (await findBusyPorts([{ port: options.agentPort, what: "", flag: "" }])).length > 0,
    );
  }

  async function waitUntil(program: Program, name: string, msMax: number, isReady: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + msMax;
    while (!(await isReady())) {
      signal.throwIfAborted();
      if (!program.isRunning()) throw new StartError(`The ${name} did not start. The end of its log:\n${program.lastLines(logLinesShown)}`);
      if (performance.now() > deadline) {
        throw new StartError(`The ${name} is not ready after ${msMax / 1000} s. The end of its log:\n${program.lastLines(logLinesShown)}`);
      }
      await pause(readyPauseMs);
    }
  }

  async function showThumbprint(agentHome: string): Promise<string> {
    const { code, output } = await runToEnd([programs.agent, "show-thumbprint", `--home=${agentHome}`], { msMax: agentMsMax });
    const thumbprint = output.trim();
    if (code !== 0 || !/^[0-9A-F]{40}$/.test(thumbprint)) throw new StartError(`The agent did not tell its thumbprint: ${output.trim()}`);
    return thumbprint;
  }

  async function deployFirst(): Promise<boolean> {
    const last = await example.findLast();
    if (last !== null && last.taskId !== null && last.environment !== null && !(await example.isOver(last.taskId))) {
      lastVersion = last.release.Version;
      terminal.say(`Release ${last.release.Version} was being deployed to ${last.environment} when this was stopped; it goes on`);
      const later = example.environments.slice(example.environments.indexOf(last.environment) + 1);
      return (await follow(last.taskId, last.release.Version, last.environment)) && (await deployRelease(last.release, later));
    }
    const release = last?.release ?? (await example.createRelease(null));
    return await deployRelease(release);
  }

  /** From one environment to the next, as long as all goes well. */
  async function deployRelease(release: { Id: string; Version: string }, environments = example.environments): Promise<boolean> {
    lastVersion = release.Version;
    for (const environment of environments) {
      terminal.say(`Deploying release ${release.Version} of ${example.project} to ${environment}`);
      if (!(await follow(await example.deploy(release, environment), release.Version, environment))) return false;
    }
    return true;
  }

  async function follow(taskId: string, version: string, environment: string): Promise<boolean> {
    isDeploying = true;
    if (isWatched) terminal.say("  Meanwhile: k kills the server, a and p kill an agent, q stops everything");
    try {
      const end = await followTask(rest, taskId, { say: terminal.say, signal });
      const seconds = (end.elapsedMs / 1000).toFixed(1);
      if (!end.succeeded) {
        terminal.say(`Release ${version} was not deployed to ${environment} (${end.state} after ${seconds} s). ${end.message}`);
        return false;
      }
      const page = await askPage(pagePort(environment));
      const isRight = page?.version === version;
      const answer = page === null ? "but does not answer" : isRight ? `shows version ${version}` : `but shows version ${page.version}`;
      terminal.say(`Release ${version} deployed to ${environment} in ${seconds} s; ${pageAddress(environment)} ${answer}`);
      return isRight;
    } finally {
      isDeploying = false;
    }
  }

  function explain(): void {
    const rows = [
      ...example.environments.map((name) => [name, pageAddress(name)]),
      ["REST API", `${address}/api`],
      ["Key", home.keys.apiKey],
      ["Try", `curl -H "X-Octopus-ApiKey: ${home.keys.apiKey}" ${address}/api/Spaces-1/deployments`],
      ["Logs", home.logs],
      ["Running", `${(performance.now() / 1000).toFixed(1)} s after npm start`],
    ];
    if (isWatched)
      rows.push([
        "Keys",
        "2 deploys the next release; k kills the server, a the listening agent, p the polling one, hard; q stops everything",
      ]);
    else rows.push(["Stop", `kill ${process.pid}`]);
    terminal.say(`\n${rows.map(([name, value]) => `  ${(name ?? "").padEnd(11)} ${value}`).join("\n")}\n`);
  }

  function press(key: string): void {
    if (!isUp) return;
    if (key === "2") attempt(deployNext());
    if (key === "k") attempt(killAndRestart(server, "server", waitForServer));
    if (key === "a") attempt(killAndRestart(agent, "agent", waitForAgent));
    // It is there as soon as it runs: the server waits for it to ask.
    if (key === "p") attempt(killAndRestart(pollingAgent, "polling agent", async () => {}));
  }

  /** What a key started must not end the whole start when it fails. */
  function attempt(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (signal.aborted) return;
      const isKnown = error instanceof RestError || error instanceof Unreachable || error instanceof StartError;
      terminal.say(isKnown ? error.message : String(error instanceof Error ? error.stack : error));
    });
  }

  async function deployNext(): Promise<void> {
    if (isDeploying) return terminal.say("  One release at a time: wait until this one is deployed");
    isDeploying = true;
    try {
      await deployRelease(await example.createRelease(lastVersion));
    } finally {
      isDeploying = false;
    }
  }

  async function killAndRestart(program: Program, name: string, wait: () => Promise<void>): Promise<void> {
    if (restarting.has(program)) return;
    restarting.add(program);
    try {
      const processId = await program.killHard();
      terminal.say(
        processId === null ? `  Starting the ${name} again` : `  Killed the ${name} (process ${processId}, SIGKILL); starting it again`,
      );
      const startedAt = performance.now();
      program.start();
      await wait();
      terminal.say(`  The ${name} runs again after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    } finally {
      restarting.delete(program);
    }
  }

  async function stop(): Promise<void> {
    isUp = false;
    const parts: string[] = (await endPages(home.page)) ? ["page"] : [];
    if (parts.length === 0 && ![server, agent, pollingAgent].some((each) => each.isRunning())) return home.close();
    await terminal.during("Stopping", async () => {
      for (const [name, program] of [
        ["polling agent", pollingAgent],
        ["agent", agent],
        ["server", server],
      ] as const) {
        if (!program.isRunning()) continue;
        const { killed } = await program.stop();
        parts.push(killed ? `${name} (it had to be killed)` : name);
      }
    });
    home.close();
    if (parts.length > 0) terminal.say(`Stopped: ${parts.join(", ")}. Everything is kept in ${home.path}; npm start goes on from there.`);
  }

  return { bringUp, deployFirst, explain, press, stop };
}
