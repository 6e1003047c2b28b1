// The main job's course: start the programs, register the agent, deploy, kill and restart on demand, stop in order.
// Says on the terminal what happens; where settings come from and which keys there are is start.ts's matter.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  explain(): Promise<void>;
  /** A key was pressed, or its letter was typed as a line. Resolves when what it began is done; a key that is unknown or comes too early does nothing. */
  press(key: string): Promise<void>;
  /** The second node joins the first one, and both go on. */
  addSecondNode(): Promise<void>;
  stop(): Promise<void>;
}

interface Node {
  name: string;
  address: string;
  webPort: number;
  commsPort: number;
  program: Program;
}

/** A first start makes a database; a start after a crash repairs one. */
const serverMsMax = 90_000;
const agentMsMax = 30_000;
/** A node that joined is known to the others within two seconds, and to their agents a moment later. */
const learnMsMax = 20_000;
const readyPauseMs = 50;
/** A log is read this often for what a start does. */
const logLookMs = 500;
/** Between the lines of the example's first step, where somebody watches: time enough to press a key. */
const watchedPauseSeconds = 1.5;
const logLinesShown = 15;
/** What a key that kills does: the scripts pause so long, and everything up to the kill and to the takeover is done within. */
const strikePauseSeconds = 3;
const strikeMsMax = 120_000;
const keyTexts = [
  ["2", "deploy the next release"],
  ["f", "deploy a release that fails, and find out why"],
  ["b", "roll back to the release before"],
  ["k", "kill the server in mid-deployment, and watch it go on"],
  ["n", "add a second node and kill the first one in mid-deployment"],
  ["a", "kill the agent that listens"],
  ["p", "kill the agent that polls"],
  ["q", "stop everything; it is kept for the next start"],
] as const;
/** As many as in the names that agents of this kind give themselves. */
const subscriptionCharacters = 20;

export function createMainJob({ options, root, home, terminal, signal }: MainJobParts): MainJob {
  /** The node that requests go to; the other one takes its place when it is killed for good. */
  let active = 0;
  const rest = createRestClient(() => nodes[active]!.address, home.keys.apiKey);
  const example = createExample(rest, path.join(root, "examples", options.example), {
    settings: {
      node: process.execPath,
      folder: home.page,
      port: String(options.pagePort),
      nextPort: String(options.pagePort + 1),
    },
    secretsNote: path.join(home.page, "secrets-stored"),
    terminal,
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
  let programs = { server: "", agent: "", agentArchives: "" };
  /** Only the second node needs it told; the first one keeps it in its home. */
  let masterKey = "";
  const nodes: Node[] = [
    { title: "server", name: "first-node", folder: home.server, webPort: options.webPort, commsPort: options.commsPort },
    {
      title: "second server",
      name: "second-node",
      folder: home.secondServer,
      webPort: options.secondWebPort,
      commsPort: options.secondCommsPort,
    },
  ].map(({ title, name, folder, webPort, commsPort }) => ({
    name,
    address: `http://127.0.0.1:${webPort}`,
    webPort,
    commsPort,
    program: createProgram({
      name: title,
      args: () => [
        programs.server,
        "run",
        `--home=${folder}`,
        // The database runs in processes of its own: it lives as long as one of the nodes.
        `--databaseFolder=${path.join(home.server, "database")}`,
        `--clusterShared=${path.join(home.server, "shared")}`,
        `--agentArchives=${programs.agentArchives}`,
        `--serverNodeName=${name}`,
        `--webListenPrefixes=http://127.0.0.1:${webPort}/`,
        `--commsListenPort=${commsPort}`,
        "--commsListenAddress=127.0.0.1",
        // All agents are on this machine: those that poll are told of each node.
        "--commsAddress=127.0.0.1",
      ],
      environment: () => ({
        ADMIN_USERNAME: "admin",
        ADMIN_PASSWORD: home.keys.adminPassword,
        ADMIN_API_KEY: home.keys.apiKey,
        ...(folder === home.server ? {} : { MASTER_KEY: masterKey }),
      }),
      // This server brings its own database, whatever the shell we run in says.
      withoutVariables: ["DB_CONNECTION_STRING", "MASTER_KEY"],
      cwd: home.path,
      logFile: logFile(title),
      home,
      onUnexpectedEnd: onUnexpectedEnd(title, "k"),
    }),
  }));
  const server = nodes[0]!.program;
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

  /** Packs the agent for other machines, once for each state of the sources. */
  const archiveMaker = createProgram({
    name: "archive maker",
    args: () => [path.join(root, "scripts", "agent-archive.ts"), programs.agentArchives],
    environment: {},
    withoutVariables: [],
    cwd: home.path,
    logFile: logFile("archive maker"),
    home,
    onUnexpectedEnd: archiveMade,
  });

  async function bringUp(): Promise<void> {
    await refuseBusyPorts();
    const what = home.isNew ? "Starting the server for the first time (it makes its database)" : "Starting the server";
    programs = await bundlePrograms(root, terminal);
    const [listening, polling] = await terminal.during(what, async (tell) => {
      server.start();
      // Programs of their own, on the other core meanwhile.
      const [told] = await Promise.all([Promise.all([showThumbprint(home.agent), showThumbprint(home.pollingAgent)]), waitForServer(tell)]);
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

  async function waitForServer(tell?: (detail: string) => void): Promise<void> {
    await waitForNode(nodes[active]!, tell);
  }

  /** `tell` hears how far an upgrade of the database is, which a node does before it answers anybody. */
  async function waitForNode(node: Node, tell: (detail: string) => void = () => {}): Promise<void> {
    const itsRest = createRestClient(() => node.address, home.keys.apiKey);
    let lookedAt = performance.now();
    await waitUntil(node.program, `server ${node.name}`, serverMsMax, async () => {
      if (performance.now() - lookedAt > logLookMs) {
        lookedAt = performance.now();
        const step = /Upgrading the database: (step \d+ of \d+)/.exec(node.program.lastLines(1))?.[1];
        if (step !== undefined) tell(`upgrading the database, ${step}`);
      }
      return (await itsRest.probe("/api/octopusservernodes/ping")) === 200;
    });
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
    if (last === null) return await deployRelease(await example.createRelease(null));
    const isRight = await deployAgain(last.release);
    lastVersion = last.release.Version;
    return isRight;
  }

  /** To each environment what was there when this was stopped: the newest release may be one that failed. `release` where nothing was. */
  async function deployAgain(release: { Id: string; Version: string }): Promise<boolean> {
    const present = await example.findPresent();
    let next = release;
    for (const there of present) {
      next = there.release ?? next;
      if (!(await deployRelease(next, [there.environment]))) return false;
    }
    return true;
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
    const wasDeploying = isDeploying;
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
      isDeploying = wasDeploying;
    }
  }

  async function explain(): Promise<void> {
    const { address } = nodes[active]!;
    const last = await example.findLast();
    const link = await rest.send<{ Address: string }>("POST", "/api/users/sign-in-links", {});
    const rows = [
      ...example.environments.map((name) => [name, pageAddress(name)]),
      ...(last?.taskId === null || last === null ? [] : [["Its task", `${address}/app/Spaces-1/tasks/${last.taskId}`]]),
      ["Portal", link.Address],
      ["", `signs you in once, within ten minutes; afterwards ${address}/app, as admin with the adminPassword in`],
      ["", path.join(home.path, "keys.json")],
      ["REST API", `${address}/api`],
      ["Key", home.keys.apiKey],
      ["Try", `curl -H "X-Octopus-ApiKey: ${home.keys.apiKey}" ${address}/api/Spaces-1/deployments`],
      ["Logs", home.logs],
      ["Running", `${((Date.now() - options.launchedAtMs) / 1000).toFixed(1)} s after npm start`],
    ];
    terminal.say(`\n${rows.map(([name, value]) => `  ${(name ?? "").padEnd(11)} ${value}`).join("\n")}\n`);
    terminal.say(
      [
        "  Already have Octopus tools? Point them here:",
        `    OCTOPUS_URL=${address} OCTOPUS_API_KEY=${home.keys.apiKey} OCTOPUS_SPACE=Default octopus release deploy --no-prompt \\`,
        `      --project "${example.project}" --version ${lastVersion ?? "1.0.0"} --environment ${example.environments[0]}`,
        "",
        `  ${isWatched ? "Keys" : "Type a letter and Enter"}:`,
        ...keyTexts.map(([key, text]) => `    ${key}  ${text}`),
        "",
      ].join("\n"),
    );
    makeAgentArchive();
  }

  /** So that the first machine that is added does not wait for it. A server that is asked before it is there has the machine wait. */
  function makeAgentArchive(): void {
    if (existsSync(programs.agentArchives)) return;
    archiveMaker.start();
  }

  function archiveMade(how: string): void {
    if (!isUp) return;
    if (existsSync(programs.agentArchives))
      terminal.say(
        "  The agent for other machines is packed: in the portal, Targets and then Add target make a line to paste into a shell there",
      );
    else terminal.say(`The maker of the agent's archive ${how}. Its log is ${logFile("archive maker")}`);
  }

  async function press(key: string): Promise<void> {
    if (!isUp) return;
    if (key === "2") await attempt(alone(deployNext));
    if (key === "f") await attempt(alone(deployBroken));
    if (key === "b") await attempt(alone(rollBack));
    if (key === "n") await attempt(alone(moveToOtherNode));
    if (key === "k") await attempt(isDeploying ? killActive() : alone(killInMidDeployment));
    if (key === "a") await attempt(killAndRestart(agent, "agent", waitForAgent));
    // It is there as soon as it runs: the server waits for it to ask.
    if (key === "p") await attempt(killAndRestart(pollingAgent, "polling agent", async () => {}));
  }

  const killActive = (): Promise<void> => killAndRestart(nodes[active]!.program, "server", waitForServer);

  /** One deployment at a time, since the pages of all releases take the same ports. */
  async function alone(work: () => Promise<void>): Promise<void> {
    if (isDeploying) return terminal.say("  One release at a time: wait until this one is deployed");
    isDeploying = true;
    try {
      await work();
    } finally {
      isDeploying = false;
      setPause(null);
    }
  }

  /** What a key started must not end the whole start when it fails. */
  async function attempt(work: Promise<unknown>): Promise<void> {
    await work.catch((error: unknown) => {
      if (signal.aborted) return;
      const isKnown = error instanceof RestError || error instanceof Unreachable || error instanceof StartError;
      terminal.say(isKnown ? error.message : String(error instanceof Error ? error.stack : error));
    });
  }

  async function deployNext(): Promise<void> {
    await deployRelease(await example.createRelease(lastVersion));
  }

  async function deployBroken(): Promise<void> {
    const release = await example.createBrokenRelease(lastVersion);
    if (release === null) return terminal.say("  This example has no package that could be damaged; the web shop has one");
    lastVersion = release.Version;
    const environment = example.environments[0]!;
    terminal.say(`Deploying release ${release.Version}, whose package holds a damaged file, to ${environment}`);
    const taskId = await example.deploy(release, environment);
    await follow(taskId, release.Version, environment);
    const startedAt = performance.now();
    const search = `/api/tasks/${taskId}/log/search?level=Error,Fatal&take=1`;
    const found = await rest.get<{ Lines: { Number: number; MessageText: string }[] }>(search);
    const took = ((performance.now() - startedAt) / 1000).toFixed(2);
    const [line] = found.Lines;
    terminal.say(
      line === undefined
        ? "  Its log has no line of an error"
        : `  The first error line, found in ${took} s: line ${line.Number}: ${line.MessageText}`,
    );
    terminal.say(`  Find it yourself: curl -H "X-Octopus-ApiKey: ${home.keys.apiKey}" "${nodes[active]!.address}${search}"`);
    terminal.say(`  The release stopped before ${example.environments.at(-1)}. Press b to roll ${environment} back`);
  }

  async function rollBack(): Promise<void> {
    const ways = await example.findWaysBack();
    const newest = ways[0]?.from;
    if (newest === undefined) return terminal.say("  There is no earlier release that was deployed well");
    for (const { environment, from, to } of ways) {
      if (from !== newest) continue;
      terminal.say(`Rolling ${environment} back from release ${from} to ${to.Version}`);
      if (!(await follow(await example.deploy(to, environment), to.Version, environment))) return;
    }
  }

  /** How long the example's scripts pause: long enough to be killed in the middle. Null lets them decide. */
  function setPause(seconds: number | null): void {
    const file = path.join(home.page, "pause");
    if (seconds === null) rmSync(file, { force: true });
    else writeFileSync(file, `${seconds}\n`);
  }

  /** The steps that a release ran in an environment, as its scripts noted them on the machine: how often each. */
  function countRuns(version: string, environment: string): Map<string, number> {
    const counted = new Map<string, number>();
    const file = path.join(home.page, "runs");
    if (!existsSync(file)) return counted;
    for (const line of readFileSync(file, "utf8").split("\n")) {
      const step = line.startsWith(`${version} ${environment} `) ? line.slice(version.length + environment.length + 2) : undefined;
      if (step !== undefined) counted.set(step, (counted.get(step) ?? 0) + 1);
    }
    return counted;
  }

  function sayCounted(version: string, environment: string): void {
    const counted = [...countRuns(version, environment)];
    if (counted.length === 0) return;
    const isOnce = counted.every(([, times]) => times === 1);
    terminal.say(
      `  Counted on the machine: ${counted.map(([step, times]) => `${step} ran ${times === 1 ? "once" : `${times} times`}`).join(", ")}${isOnce ? " - nothing was lost, nothing was done twice" : ""}`,
    );
  }

  /** The deployment of a next release, as soon as its first script runs; calls `strike` then, and tells how it ended. */
  async function strikeInMidDeployment(strike: (taskId: string) => Promise<void>): Promise<void> {
    setPause(strikePauseSeconds);
    const environment = example.environments[0]!;
    const release = await example.createRelease(lastVersion);
    lastVersion = release.Version;
    terminal.say(`Deploying release ${release.Version} of ${example.project} to ${environment}`);
    const taskId = await example.deploy(release, environment);
    const following = follow(taskId, release.Version, environment);
    // The failure is told by whoever awaits it below.
    following.catch(() => {});
    const deadline = performance.now() + strikeMsMax;
    while (countRuns(release.Version, environment).size === 0) {
      signal.throwIfAborted();
      if (performance.now() > deadline || (await example.isOver(taskId)))
        throw new StartError("The deployment ended before it could be disturbed.");
      await pause(readyPauseMs);
    }
    await strike(taskId);
    await following;
    sayCounted(release.Version, environment);
  }

  async function killInMidDeployment(): Promise<void> {
    await strikeInMidDeployment(killActive);
  }

  /** Adds the other node, and kills the one that deploys: for good. */
  async function moveToOtherNode(): Promise<void> {
    const [old, other] = [nodes[active]!, nodes[1 - active]!];
    if (!other.program.isRunning()) await addNode(other);
    const record = async (isDraining: boolean): Promise<void> => {
      const page = await rest.get<{ Items: { Id: string; Name: string }[] }>("/api/octopusservernodes?take=100");
      const found = page.Items.find(({ Name }) => Name === other.name);
      if (found === undefined) throw new StartError(`The node ${other.name} is not in the cluster.`);
      await rest.send("PUT", `/api/octopusservernodes/${found.Id}`, { IsInMaintenanceMode: isDraining });
    };
    // So that it is the node to be killed that begins the deployment.
    await record(true);
    let struckAt = 0;
    await strikeInMidDeployment(async (taskId) => {
      await record(false);
      const processId = await old.program.killHard();
      struckAt = performance.now();
      terminal.say(`  Killed the node ${old.name} (process ${processId}, SIGKILL) in mid-deployment; it stays dead`);
      active = 1 - active;
      for (;;) {
        signal.throwIfAborted();
        const { ServerNode } = await rest.get<{ ServerNode: string | null }>(`/api/tasks/${taskId}`);
        if (ServerNode !== null && ServerNode.endsWith(other.name)) break;
        if (performance.now() - struckAt > strikeMsMax) throw new StartError(`The node ${other.name} did not take the task over.`);
        await pause(readyPauseMs);
      }
      terminal.say(`  The node ${other.name} took the deployment over after ${((performance.now() - struckAt) / 1000).toFixed(1)} s`);
    });
    terminal.say(`  Everything is at ${nodes[active]!.address} now. Press n again: ${old.name} comes back, and ${other.name} is killed`);
  }

  async function addNode(node: Node): Promise<void> {
    const busy = await findBusyPorts([
      { port: node.webPort, what: `the REST API of ${node.name}`, flag: "--second-web-port" },
      { port: node.commsPort, what: `agents of ${node.name}`, flag: "--second-comms-port" },
    ]);
    if (busy.length > 0) {
      const ports = busy.map(({ wanted }) => `${wanted.port} (${wanted.flag})`).join(", ");
      throw new StartError(`The second node needs ports that other programs use: ${ports}. Start again with others.`);
    }
    if (masterKey === "") {
      const told = await runToEnd([programs.server, "show-master-key", `--home=${home.server}`], { msMax: agentMsMax });
      if (told.code !== 0) throw new StartError(`The server did not tell its master key: ${told.output.trim()}`);
      masterKey = told.output.trim();
    }
    await terminal.during(`Adding the node ${node.name} at ${node.address}/app: same database, same key, same folder`, async () => {
      node.program.start();
      await waitForNode(node);
    });
    const late = await terminal.during(
      `Waiting until the agents that poll have learned of ${node.name}, from the node that they poll`,
      () => waitUntilPolled(node),
    );
    for (const name of late) terminal.say(`  ${name} does not poll ${node.name} yet; without another node it is away until it does`);
  }

  /** Names of the machines that poll another node and, when the time is over, not this one: agents of others never learn. */
  async function waitUntilPolled(node: Node): Promise<string[]> {
    const deadline = performance.now() + learnMsMax;
    for (;;) {
      signal.throwIfAborted();
      const machines =
        await rest.get<{ Id: string; Name: string; Endpoint: { CommunicationStyle: string } }[]>("/api/Spaces-1/machines/all");
      const late: string[] = [];
      for (const { Id, Name, Endpoint } of machines) {
        if (Endpoint.CommunicationStyle !== "TentacleActive") continue;
        const path = `/api/Spaces-1/machines/${Id}/connection`;
        const { ConnectedNodes } = await rest.get<{ ConnectedNodes: { NodeName: string }[] }>(path);
        if (ConnectedNodes.length > 0 && !ConnectedNodes.some(({ NodeName }) => NodeName === node.name)) late.push(Name);
      }
      if (late.length === 0 || performance.now() > deadline) return late;
      await pause(logLookMs);
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
    const all = [
      ["archive maker", archiveMaker],
      ["polling agent", pollingAgent],
      ["agent", agent],
      ["second server", nodes[1]!.program],
      ["server", server],
    ] as const;
    if (parts.length === 0 && !all.some(([, program]) => program.isRunning())) return home.close();
    await terminal.during("Stopping", async () => {
      for (const [name, program] of all) {
        if (!program.isRunning()) continue;
        const { killed } = await program.stop();
        if (program === archiveMaker) continue;
        parts.push(killed ? `${name} (it had to be killed)` : name);
      }
    });
    home.close();
    if (parts.length > 0) terminal.say(`Stopped: ${parts.join(", ")}. Everything is kept in ${home.path}; npm start goes on from there.`);
  }

  return { bringUp, deployFirst, explain, press, addSecondNode: () => addNode(nodes[1]!), stop };
}
