// The trial of chaos: several nodes on one database and one folder, deployments going out all the time, and meanwhile nodes that are killed
// (kill -9), frozen for longer than their lease, and a database that is killed and started again, or whose standby takes its place. The outside
// observer judges what came of it.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createCluster } from "../support/cluster.ts";
import type { Cluster, ServerProcess } from "../support/cluster.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ApiAnswer, ClusterApi, Document } from "../support/cluster-api.ts";
import { createObserver } from "../support/observer.ts";
import type { Acknowledged } from "../support/observer.ts";
import { startPostgresPair } from "../support/postgres-pair.ts";
import { createNodeClocks } from "./chaos-clocks.ts";
import { createRandom } from "./random.ts";

export interface ChaosTrial {
  nodes: number;
  agents: number;
  /** At least so many; more when the disturbances are not over by then. */
  deployments: number;
  kills: number;
  /** Of a node, each longer than the lease. */
  pauses: number;
  databaseKills: number;
  /** The primary is killed, its synchronous standby promoted, and a new standby made. */
  failovers: number;
  /** The clocks of the nodes are wrong, each in another way; needs libfaketime. */
  clocks: boolean;
  /** The same seed chooses the same victims, moments and lengths. */
  seed: number;
  /** Leaves the folder with all logs when something is wrong. */
  keepFolderOnFaults: boolean;
  /** Told as it happens, a sentence each. */
  report(line: string): void;
}

export interface ChaosResult {
  acknowledged: number;
  inSuccess: number;
  /** From the kill or freezing of a node until its task went on, for each task that this was seen of. */
  takeoversMs: number[];
  seconds: number;
  faults: string[];
}

/** Deployments under way at once, each to an environment of its own. */
const inFlight = 8;
const steps = Array.from({ length: 3 }, () => ({ lines: 8, pauseMs: 25 }));
/** A node is frozen for longer than a lease (4 s), some time more. */
const freezeMs = { min: 4_500, more: 2_500 };
/** A killed node stays away for up to so long. */
const awayMsMax = 2_000;
/** Between two disturbances. */
const gapMs = { min: 200, more: 1_200 };
/** A deployment that is disturbed again and again takes long; one that takes longer than this is lost. */
const finalMsMax = 240_000;
const takeoverLookMs = 50;
const takeoverMsMax = 20_000;
/** A lease and a second. */
const slowTakeoverMs = 5_000;
const lookMsMax = 500;
/** What a node says in its log when it goes on with a task. */
const takeoverWords = "Goes on with a task that another owner had before.";
/** What a node had sent before it was killed or frozen is written by then. */
const lastWordsMs = 300;

/** Until somebody promotes the standby. */
const unnoticedMsMax = 1_000;

type Disturbance = "kill" | "pause" | "database" | "failover";

export async function runChaosTrial(trial: ChaosTrial): Promise<ChaosResult> {
  const random = createRandom(trial.seed);
  const ended = new AbortController();
  const cluster = await createCluster();
  const startedMs = performance.now();
  const faults: string[] = [];
  const takeoversMs: number[] = [];
  let inSuccess = 0;
  try {
    const database = await startDatabase(cluster, trial);
    const { connectionString } = database;
    const clocks = trial.clocks ? createNodeClocks(cluster.root) : undefined;
    if (trial.clocks && clocks === undefined) throw new Error("There is no libfaketime on this machine.");
    const environmentOf = (n: number): NodeJS.ProcessEnv => clocks?.environmentOf(n) ?? {};
    const first = await cluster.server({ name: "node-1", connectionString, environment: environmentOf(1) });
    await first.start();
    const masterKey = await cluster.masterKeyOf(first);
    const nodes = [first];
    for (let n = 2; n <= trial.nodes; n++)
      nodes.push(await cluster.server({ name: `node-${n}`, connectionString, masterKey, environment: environmentOf(n) }));
    await Promise.all(nodes.slice(1).map((node) => node.start()));
    faults.push(...((await clocks?.faultsOf(nodes)) ?? []));
    const agents = await Promise.all(
      Array.from({ length: trial.agents }, async (_, index) => {
        const agent = await cluster.agent({ name: `web-${index + 1}`, trust: first.ready.thumbprint });
        await agent.start();
        return agent;
      }),
    );
    /** Nodes that are dead or frozen at the moment. */
    const disturbed = new Set<ServerProcess>();
    const api = createClusterApi(() => nodes.filter((node) => !disturbed.has(node)).map((node) => node.ready.url));
    const look = createTaskLook(api, () => nodes.filter((node) => !disturbed.has(node)));
    const said = followTakeoverLines(
      nodes.map(({ name }) => path.join(cluster.root, `${name}.log`)),
      ended.signal,
    );
    const observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    const project = await observer.prepare({
      name: "shop",
      environments: inFlight,
      machines: agents.map((agent) => ({ name: agent.name, port: agent.port, thumbprint: agent.ready.thumbprint })),
      steps,
    });
    trial.report(`${trial.nodes} nodes, ${trial.agents} agents in ${cluster.root}; seed ${trial.seed}.`);

    const underWay = new Set<Acknowledged>();
    let isDisturbing = true;
    let done = 0;
    async function deployOn(environment: number): Promise<void> {
      while (observer.acknowledged.length < trial.deployments || isDisturbing) {
        const deployment = await observer.deploy(project, environment);
        underWay.add(deployment);
        await observer.final(deployment, finalMsMax);
        underWay.delete(deployment);
        if (++done % 50 === 0) trial.report(`  ${done} deployments are final.`);
      }
    }

    const order: Disturbance[] = shuffled(
      [
        ...Array.from({ length: trial.kills }, () => "kill" as const),
        ...Array.from({ length: trial.pauses }, () => "pause" as const),
        ...Array.from({ length: trial.databaseKills }, () => "database" as const),
        ...Array.from({ length: trial.failovers }, () => "failover" as const),
      ],
      random,
    );
    async function disturbAll(): Promise<void> {
      const recovering = new Set<Promise<void>>();
      for (const disturbance of order) {
        await pause(gapMs.min + random() * gapMs.more);
        const [share, length] = [random(), random()];
        if (disturbance === "database" || disturbance === "failover") {
          // Alone, so that what follows it can be told apart in the logs.
          await Promise.all(recovering);
          await (disturbance === "database" ? database.kill() : database.failOver(length * unnoticedMsMax));
          continue;
        }
        // One node is always left alone: "with at least one healthy node …" is what is promised.
        while (disturbed.size >= trial.nodes - 1) await Promise.race(recovering);
        const healthy = nodes.filter((node) => !disturbed.has(node));
        const victim = healthy[Math.floor(share * healthy.length)]!;
        const recovery = disturb(disturbance, victim, length).finally(() => recovering.delete(recovery));
        recovering.add(recovery);
      }
      await Promise.all(recovering);
      isDisturbing = false;
    }
    async function disturb(how: "kill" | "pause", victim: ServerProcess, length: number): Promise<void> {
      disturbed.add(victim);
      const itsTasks = await tasksOf(api, victim, underWay);
      const atMs = performance.now();
      if (how === "kill") await victim.kill();
      else await victim.freeze();
      const seen = Promise.all(itsTasks.map(async (taskId) => takeover({ look, said }, taskId, idOf(victim), atMs)));
      await pause(how === "kill" ? length * awayMsMax : freezeMs.min + length * freezeMs.more);
      if (how === "kill") await victim.start();
      else victim.thaw();
      disturbed.delete(victim);
      for (const [index, ms] of (await seen).entries()) {
        if (ms === undefined) continue;
        takeoversMs.push(ms);
        if (ms > slowTakeoverMs)
          trial.report(`  ${itsTasks[index]} of ${victim.name} (${how}) went on after ${(ms / 1000).toFixed(1)} s only.`);
      }
    }

    const stepping = clocks?.stepAlong(first, () => done / trial.deployments, ended.signal);
    await Promise.all([disturbAll(), ...Array.from({ length: inFlight }, (_, environment) => deployOn(environment))]);
    faults.push(...((await stepping) ?? []));
    trial.report("All disturbances are over and all deployments final; the observer looks at each of them.");
    for (const deployment of observer.acknowledged) {
      const found = await observer.faultsOf(deployment);
      if (found.length === 0) inSuccess += 1;
      faults.push(...found);
    }
    faults.push(...(await observer.faultsOverall()));
    return { acknowledged: observer.acknowledged.length, inSuccess, takeoversMs, seconds: (performance.now() - startedMs) / 1000, faults };
  } catch (error) {
    faults.push(`The trial did not come to its end: ${String(error)}`);
    throw error;
  } finally {
    ended.abort();
    const keepFolder = trial.keepFolderOnFaults && faults.length > 0;
    await cluster.close({ keepFolder });
    if (keepFolder) trial.report(`Logs and homes are kept in ${cluster.root}.`);
  }
}

interface DisturbedDatabase {
  connectionString: string;
  /** And starts it again. */
  kill(): Promise<void>;
  failOver(unnoticedMs: number): Promise<void>;
}

async function startDatabase(cluster: Cluster, trial: ChaosTrial): Promise<DisturbedDatabase> {
  if (trial.failovers === 0) {
    const postgres = await cluster.postgres();
    const { connectionString } = await postgres.start();
    return {
      connectionString,
      async kill() {
        await postgres.killDatabase();
        await postgres.start();
      },
      failOver: () => Promise.reject(new Error("This database has no standby.")),
    };
  }
  const pair = await startPostgresPair(cluster.root);
  return {
    connectionString: pair.connectionString,
    async kill() {
      await pair.kill(pair.primary);
      await pair.startAsItWas(pair.primary);
    },
    async failOver(unnoticedMs) {
      await pair.kill(pair.primary);
      await pause(unnoticedMs);
      await pair.promote();
      await pair.rebuildStandby();
    },
  };
}

/** Tasks under way that a node says are its own; empty when nobody can tell now. */
async function tasksOf(api: ClusterApi, node: ServerProcess, underWay: ReadonlySet<Acknowledged>): Promise<string[]> {
  const tasks = await Promise.all([...underWay].map(({ taskId }) => api.get(`/api/tasks/${taskId}`)));
  return tasks.filter((task) => task.State === "Executing" && task.ServerNode === idOf(node)).map(({ Id }) => Id);
}

/**
 * How long after the disturbance the task went on: a process said so in its log, another node had it, or, where the same node was started again
 * and may have it under the same name, the task's log grew. Undefined when it had ended just before. The process that goes on may be disturbed in
 * turn before any node is seen with the task, so that its own word is the one trace of it; the time until the task goes on after that counts for
 * the later disturbance.
 */
async function takeover(
  { look, said }: { look: TaskLook; said: TakeoverLines },
  taskId: string,
  from: string,
  sinceMs: number,
): Promise<number | undefined> {
  await pause(lastWordsMs);
  let before: string | undefined;
  while (performance.now() - sinceMs < takeoverMsMax) {
    const saidAtMs = said.firstAfter(taskId, sinceMs + lastWordsMs);
    if (saidAtMs !== undefined) return saidAtMs - sinceMs;
    const task = await look.task(taskId);
    if (task?.IsCompleted === true && before === undefined) return undefined;
    if (task?.IsCompleted === true || (task?.State === "Executing" && task.ServerNode !== from)) return performance.now() - sinceMs;
    if (task !== undefined && (before === undefined || look.isUp(from))) {
      const log = await look.log(taskId);
      before ??= log;
      if (log !== undefined && log !== before) return performance.now() - sinceMs;
    }
    await pause(takeoverLookMs);
  }
  return takeoverMsMax;
}

/** When nodes said in their logs that they go on with a task of another owner, by the clock of this process: clocks of nodes may be wrong. */
interface TakeoverLines {
  firstAfter(taskId: string, afterMs: number): number | undefined;
}

/** Follows the logs of all nodes, where each takeover is a line. */
function followTakeoverLines(files: readonly string[], ended: AbortSignal): TakeoverLines {
  const seen = new Map<string, number[]>();
  const rests = new Map<string, string>();
  const positions = new Map<string, number>();
  function readOn(file: string): void {
    const opened = openSync(file, "r");
    try {
      const from = positions.get(file) ?? 0;
      const piece = Buffer.alloc(Math.max(0, fstatSync(opened).size - from));
      const length = readSync(opened, piece, 0, piece.length, from);
      positions.set(file, from + length);
      const lines = ((rests.get(file) ?? "") + piece.toString("latin1", 0, length)).split("\n");
      rests.set(file, lines.pop() ?? "");
      for (const line of lines) {
        const taskId = line.includes(takeoverWords) ? /"task":"([^"]+)"/.exec(line)?.[1] : undefined;
        if (taskId !== undefined) seen.set(taskId, [...(seen.get(taskId) ?? []), performance.now()]);
      }
    } finally {
      closeSync(opened);
    }
  }
  const timer = setInterval(() => files.forEach(readOn), takeoverLookMs);
  ended.addEventListener("abort", () => clearInterval(timer), { once: true });
  return { firstAfter: (taskId, afterMs) => seen.get(taskId)?.find((atMs) => atMs > afterMs) };
}

/** What one of the nodes tells of a task. A look at a node that is frozen in that moment is given up soon, so that it is not what is measured. */
interface TaskLook {
  /** Undefined when that node says nothing now; so is the log. */
  task(taskId: string): Promise<Document>;
  log(taskId: string): Promise<string | undefined>;
  isUp(nodeId: string): boolean;
}

function createTaskLook(api: ClusterApi, up: () => readonly ServerProcess[]): TaskLook {
  let turn = 0;
  async function ask(address: string): Promise<ApiAnswer | undefined> {
    const nodes = up();
    try {
      const answer = await api.once(nodes[turn++ % nodes.length]!.ready.url, "GET", address, undefined, {}, lookMsMax);
      return answer.status === 200 ? answer : undefined;
    } catch {
      return undefined;
    }
  }
  return {
    task: async (taskId) => (await ask(`/api/tasks/${taskId}`))?.body,
    log: async (taskId) => (await ask(`/api/tasks/${taskId}/raw`))?.text,
    isUp: (nodeId) => up().some((node) => idOf(node) === nodeId),
  };
}

const idOf = (node: ServerProcess): string => `OctopusServerNodes-${node.name}`;

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
