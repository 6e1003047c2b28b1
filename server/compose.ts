// Builds a node layer by layer and fills the extension points: database, secrets, certificate, agents, task engine, API. Everything
// with a life is made here, handed down as parameters, and stopped in the opposite order.

import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { pause } from "./base/clock.ts";
import type { ServerConfig } from "./config.ts";
import {
  createAddressTeller,
  createAgents,
  createAnyNodePolling,
  createDiscovery,
  createPollingQueue,
  loadServerIdentity,
  openAgentPort,
} from "./engine/agents/agents.ts";
import { createBuiltInWorker, isBuiltInWorker } from "./engine/built-in-worker/built-in-worker.ts";
import { createArtifactMessages, sweepArtifactFiles } from "./engine/artifacts/artifacts.ts";
import { createLateCompleter } from "./engine/execution/execution.ts";
import { createScheduler, scheduleLookMs } from "./engine/schedules/schedules.ts";
import {
  createTaskEngine,
  createTaskLogFeed,
  createTaskLogIndex,
  createTaskTimers,
  enqueueTask,
  timerLookMs,
} from "./engine/tasks/tasks.ts";
import type { LogFiles, LogFolder } from "./engine/tasks/tasks.ts";
import { createAgentArchives, findProxy, isPollingAgent } from "./features/infrastructure/infrastructure.ts";
import { createRetentionTask, createSweepTask, retentionSchedule, sweepSchedule } from "./features/operations/operations.ts";
import { createDeployTask, createHealthTask, healthArgumentsVersion, healthSchedule, createStepTypes } from "./features/runs/runs.ts";
import {
  createDeployablePackages,
  ensureAdministrator,
  incomingArchiveFolder,
  ensureFirstSpace,
  featureRoutes,
  hashOfNewPassword,
  sweepPackageFiles,
} from "./features/features.ts";
import { migrations } from "./migrations/migrations.ts";
import { checkJoin, createBackgroundLoop, createFitness, createNodeRegistry, readInstallationId } from "./platform/cluster/cluster.ts";
import { findDatabaseHosts, forgetOldCommitMarks, migrate, openDatabase, openTimelineRecord } from "./platform/database/database.ts";
import { openSharedFolder } from "./platform/files/files.ts";
import { createEventStreams, createHttpServer } from "./platform/http/http.ts";
import { createPortalFiles } from "./platform/portal-files/portal-files.ts";
import { readKeptSecrets } from "./platform/kept-secrets/kept-secrets.ts";
import { prepareMasking, openSecrets } from "./platform/secrets/secrets.ts";
import type { ServerLog } from "./platform/telemetry/telemetry.ts";
import { findAgentArchives } from "./own-agent-archive.ts";
import type { ReachedDatabase } from "./reach-database.ts";

/** Statements of requests and tasks. Nodes times this must stay well below the server's max_connections. */
const databaseConnectionsMax = 15;
/** Lease renewals never wait behind anything else. */
const renewalConnectionsMax = 2;
/** Where task logs lie in the shared folder. */
const taskLogFolder = "taskLogs";
/** Where streams of calls lie while they pass between nodes. */
const streamFolder = "agentStreams";
const lateCompletionEveryMs = 60_000;
/** Marks are small and kept for an hour; ten minutes keep the table within a sixth more. */
const forgetMarksEveryMs = 10 * 60_000;
/** What a killed node or a deleted space left of packages costs only disk space. */
const sweepPackageFilesEveryMs = 10 * 60_000;
/** The same for artifacts, whose tasks retention deletes. */
const sweepArtifactFilesEveryMs = 10 * 60_000;
/** In the home: the fence against an old primary of the database. */
const timelineFile = "database-timeline.json";
/** In the home: the name of the process that had it last. */
const processFile = "node-process";
const administratorNameDefault = "admin";
/** Where the web portal's files lie: beside a bundled server, and in a checkout where they are built. */
const portalFolders = ["portal", "../portal/dist"].map((folder) => path.join(import.meta.dirname, folder));

export interface ServerNode {
  ready: { url: string; thumbprint: string; nodeName: string; commsPort: number };
  /** Orderly: takes no more tasks, lets go of the running ones, finishes requests, closes what it opened. */
  stop(): Promise<void>;
}

/** Builds a node on a database that can be reached. What goes wrong half-way is undone, the hold on the database included. */
export async function createServerNode(config: ServerConfig, ground: { log: ServerLog; database: ReachedDatabase }): Promise<ServerNode> {
  const { log } = ground;
  const { connection } = ground.database;
  /** Undone in the opposite order, also when the start fails half-way. */
  const undo: (() => Promise<unknown>)[] = [() => ground.database.letGo()];
  async function stopAll(): Promise<void> {
    for (const step of undo.splice(0).reverse()) {
      await step().catch((error: unknown) => log.error({ err: error }, "A part of the node could not be stopped in order."));
    }
  }

  try {
    const record = openTimelineRecord(path.join(config.home, timelineFile), (message) => log.warn({}, message));
    const hosts = findDatabaseHosts(connection, { applicationName: `cuttle ${config.nodeName} hosts`, record });
    undo.push(async () => hosts.close());
    const applied = await migrate({ ...connection, ...(await hosts.writable()) }, migrations, {
      applicationName: `cuttle ${config.nodeName} migrations`,
      onStep: ({ name, number, of }) =>
        log.info({ migration: name, step: number, steps: of }, `Upgrading the database: step ${number} of ${of}.`),
    });
    if (applied.length > 0) log.info({ migrations: applied }, "The database was brought up to date.");

    const database = openDatabase({
      connection,
      hosts,
      applicationName: `cuttle ${config.nodeName}`,
      connectionsMax: databaseConnectionsMax,
    });
    undo.push(() => database.close());
    const renewals = openDatabase({
      connection,
      hosts,
      applicationName: `cuttle ${config.nodeName} leases`,
      connectionsMax: renewalConnectionsMax,
    });
    undo.push(() => renewals.close());

    const secrets = await openSecrets({ database, masterKey: config.masterKey, home: config.home });
    await welcome(config, database);
    const installationId = await readInstallationId(database);
    const identity = await loadServerIdentity({ database, secrets });

    const shared = await openSharedFolder({ root: config.sharedFolder });
    const folderIdentity = await checkJoin({ database, sharedFolder: shared, adoptFolder: config.adoptSharedFolder, log });
    const fitness = createFitness({
      probes: [
        { name: "Database", check: () => database.query("SELECT 1") },
        { name: "Shared folder", check: () => shared.check(folderIdentity) },
      ],
      log,
    });
    fitness.start();
    undo.push(() => fitness.stop());
    const logFolder: LogFolder = {
      createPart: (file) => shared.createPart(`${taskLogFolder}/${file}`),
      readPart: (file, from, to) => shared.readPart(`${taskLogFolder}/${file}`, from, to),
    };
    const inLogFolder = (name: string): string => (name === "" ? taskLogFolder : `${taskLogFolder}/${name}`);
    const logFiles: LogFiles = {
      list: (folder) => shared.list(inLogFolder(folder)),
      remove: (file) => shared.remove(inLogFolder(file)),
      removeFolder: (folder) => shared.removeFolder(inLogFolder(folder)),
    };

    const instance = randomUUID();
    const collected = createPollingQueue();
    const polling = createAnyNodePolling({
      database,
      secrets,
      streamFolder: {
        writeOnce: (file, content) => shared.writeOnce(`${streamFolder}/${file}`, content),
        readPart: (file, from, to) => shared.readPart(`${streamFolder}/${file}`, from, to),
        remove: (file) => shared.remove(`${streamFolder}/${file}`),
      },
      local: collected,
      nodeName: config.nodeName,
      process: instance,
      log,
    });
    await polling.start();
    undo.push(() => polling.stop());
    const agents = createAgents({ identity, polling, findProxy: (id) => findProxy(database, secrets, id) });
    undo.push(() => agents.close());

    const teller = createAddressTeller({ queue: collected, log });
    undo.push(async () => teller.stop());
    const agentPort = await openAgentPort({
      identity,
      polling: collected,
      presence: {
        connected(peer) {
          polling.connected(peer);
          teller.connected(peer);
        },
        disconnected(peer) {
          polling.disconnected(peer);
          teller.disconnected(peer);
        },
      },
      isRegistered: async (agent) => (await isPollingAgent(database, agent)) || (await isBuiltInWorker(database, agent)),
      host: config.commsHost,
      port: config.commsPort,
      log,
    });
    undo.push(() => agentPort.close());

    let wakeEngine = (): void => {};
    const commsAddress = commsAddressOf(config.commsAddress, agentPort.port);
    const registry = createNodeRegistry({
      database,
      nodeName: config.nodeName,
      instance,
      former: await rememberProcess(config.home, instance),
      version: await ownVersion(),
      taskCap: config.taskCap,
      taskCapForced: config.taskCapGiven,
      impairments: () => fitness.impairments(),
      commsAddress,
      commsAddressesChanged: (Addresses) => teller.announce({ Addresses, OwnAddress: commsAddress }),
      log,
    });
    await registry.start();
    undo.push(() => registry.stop());

    const builtInWorker = createBuiltInWorker({
      database,
      nodeName: config.nodeName,
      home: config.home,
      mode: config.builtInWorker,
      program: agentProgram(),
      server: { host: ownAddress(config.commsHost), port: agentPort.port, thumbprint: identity.thumbprint },
      log,
    });
    await builtInWorker.start();
    undo.push(() => builtInWorker.stop());

    const lateCompletions = createBackgroundLoop({
      name: "late completions",
      everyMs: lateCompletionEveryMs,
      runOnce: () => createLateCompleter({ database, agents }).runOnce(),
      log,
    });
    lateCompletions.start();
    undo.push(() => lateCompletions.stop());

    const commitMarks = createBackgroundLoop({
      name: "commit marks",
      everyMs: forgetMarksEveryMs,
      runOnce: () => forgetOldCommitMarks(database),
      log,
    });
    commitMarks.start();
    undo.push(() => commitMarks.stop());

    const packageSweep = createBackgroundLoop({
      name: "left-over package files",
      everyMs: sweepPackageFilesEveryMs,
      runOnce: () => sweepPackageFiles({ database, folder: shared }),
      log,
    });
    packageSweep.start();
    undo.push(() => packageSweep.stop());

    const artifactSweep = createBackgroundLoop({
      name: "left-over artifact files",
      everyMs: sweepArtifactFilesEveryMs,
      runOnce: () => sweepArtifactFiles({ database, folder: shared }),
      log,
    });
    artifactSweep.start();
    undo.push(() => artifactSweep.stop());

    const eventStreams = createEventStreams({
      reportFault: (error) => log.error({ err: error }, "A stream of events broke off; its reader connects anew."),
    });
    const logFeed = createTaskLogFeed({ database, folder: logFolder });
    const packages = createDeployablePackages({ database, folder: shared });
    const http = createHttpServer({
      database,
      nodeName: config.nodeName,
      pages: createPortalFiles({ folders: portalFolders, installationId }),
      routes: featureRoutes({
        database,
        secrets,
        logFolder,
        logFeed,
        logIndex: createTaskLogIndex({ folder: logFolder }),
        eventStreams,
        packageFolder: shared,
        prepareArchives: packages.prepare,
        installationId,
        certificate: { thumbprint: identity.thumbprint, signatureAlgorithm: "sha256RSA", pem: identity.certificatePem },
        nodeName: config.nodeName,
        nodeChanged: () =>
          void registry.refresh().then(
            () => wakeEngine(),
            () => {},
          ),
        askForHealthCheck: async (tx, machine, actor) => {
          await enqueueTask(tx, {
            spaceId: machine.spaceId,
            name: "Health",
            description: `Check the health of ${machine.name}`,
            arguments: { machineIds: [machine.id] },
            argumentsVersion: healthArgumentsVersion,
            concurrencyTag: null,
            actor,
            relatedDocumentIds: [machine.id],
          });
        },
        agentArchives: createAgentArchives({
          ...findAgentArchives(config, (line) => log.info({}, line)),
          reportFault: (error) =>
            log.error({ err: error }, "The archive of the agent could not be made; machines cannot be added by a pasted line."),
        }),
        commsPort: agentPort.port,
        discoverAgent: createDiscovery({ identity, findProxy: (id) => findProxy(database, secrets, id) }),
        queueableTasks: ["Health"],
        fitness,
      }),
      reportFault: ({ error, route, requestId }) => log.error({ err: error, route, request: requestId }, "A request failed."),
    });
    const addresses = await http.listen(config.webListenPrefixes);
    undo.push(() => http.close());

    const first = addresses[0];
    if (first === undefined) throw new Error("The node listens nowhere.");
    const host = first.host === undefined || first.host === "127.0.0.1" ? "localhost" : first.host;
    const url = `http://${host.includes(":") ? `[${host}]` : host}:${first.port}${first.virtualDirectory}`;

    const engine = createTaskEngine({
      onLogGrown: logFeed.grew,
      database,
      renewals,
      folder: logFolder,
      handlers: [
        createDeployTask({
          agents,
          stepTypes: createStepTypes({ packages }),
          outputCipher: secrets,
          messageHandlers: [createArtifactMessages({ database, folder: shared, agents })],
          webUrl: url,
          builtInWorker,
          prepareMasking,
          readSecrets: async (ids) => {
            const texts = await readKeptSecrets(database, secrets, ids);
            const gone = ids.find((id) => !texts.has(id));
            if (gone !== undefined) throw new Error(`The secret ${gone} of this deployment no longer exists.`);
            return texts;
          },
        }),
        createHealthTask({ agents }),
        createRetentionTask({ files: logFiles }),
        createSweepTask({ database, shared, logFiles, passingFolders: [streamFolder, incomingArchiveFolder] }),
      ],
      nodeName: config.nodeName,
      taskCap: () => (fitness.isAble() ? registry.taskCap() : 0),
      otherNodes: () => registry.otherNodes(),
      isAble: () => fitness.isAble(),
      log,
    });
    await engine.start();
    wakeEngine = () => engine.wake();
    undo.push(() => engine.stop());
    const taskTimers = createTaskTimers({ database, log });
    const timers = createBackgroundLoop({ name: "timers of tasks", everyMs: timerLookMs, runOnce: () => taskTimers.look(), log });
    timers.start();
    undo.push(() => timers.stop());
    const scheduler = createScheduler({ database, sources: [healthSchedule, retentionSchedule, sweepSchedule], log });
    const schedules = createBackgroundLoop({ name: "schedules", everyMs: scheduleLookMs, runOnce: () => scheduler.look(), log });
    schedules.start();
    undo.push(() => schedules.stop());

    // Their readers go to other nodes, to which balancers send them by now.
    undo.push(() => eventStreams.close());

    // First of all: balancers send no more requests here, and have the time they need to notice while everything still works.
    undo.push(async () => {
      fitness.leave();
      await pause(config.stopDelayMs);
    });

    log.info({ url, thumbprint: identity.thumbprint, owner: engine.owner }, "The node is ready.");
    return { ready: { url, thumbprint: identity.thumbprint, nodeName: config.nodeName, commsPort: agentPort.port }, stop: stopAll };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** The agent's entry: beside the server in a checkout, below it in a bundle. */
function agentProgram(): string | undefined {
  const places = ["./agent/cuttle-agent.mjs", "../agent/cuttle-agent.mjs"].map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return places.find((place) => existsSync(place));
}

/** Where this machine reaches what listens on that address; undefined is every address. */
function ownAddress(host: string | undefined): string {
  if (host === undefined || host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

/** The address that agents are told for this node, which listens on that port. */
function commsAddressOf(address: ServerConfig["commsAddress"], listensOn: number): string | null {
  if (address === undefined) return null;
  const { host, port = listensOn } = address;
  return `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** What a new cluster must hold, and the administrator the operator named. Harmless at every start of every node. */
async function welcome(config: ServerConfig, database: ReturnType<typeof openDatabase>): Promise<void> {
  const { username, email, password, apiKey } = config.administrator;
  const name = username ?? administratorNameDefault;
  const passwordHash = password === undefined ? null : await hashOfNewPassword(database, name, password);
  await database.transaction(async (tx) => {
    await ensureFirstSpace(tx);
    if (username === undefined && apiKey === undefined && password === undefined) return;
    await ensureAdministrator(tx, {
      username: name,
      passwordHash,
      email: email ?? null,
      ...(apiKey === undefined ? {} : { apiKey }),
    });
  });
}

/** Keeps the name of this process start in the home folder; answers the one before, whose place in the cluster is this node's own. */
async function rememberProcess(home: string, instance: string): Promise<string | undefined> {
  const file = path.join(home, processFile);
  const former = await readFile(file, "utf8").catch(() => undefined);
  await writeFile(file, instance, { mode: 0o600 });
  return former;
}

async function ownVersion(): Promise<string> {
  const description = JSON.parse(await readFile(new URL("package.json", import.meta.url), "utf8")) as { version: string };
  return description.version;
}
