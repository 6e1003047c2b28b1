// The trial of schedules: several nodes on one database, machine policies whose health checks are due every few seconds, and meanwhile nodes
// that are killed (kill -9) or frozen. The driver never reads a table: it compares the due times that the API's tasks name with those that the
// policies' intervals ask for.
import { setTimeout as pause } from "node:timers/promises";
import { createCluster } from "../support/cluster.ts";
import type { ServerProcess } from "../support/cluster.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi, Document } from "../support/cluster-api.ts";
import { eventually } from "../support/eventually.ts";
import { shiftedClock } from "../support/shifted-clock.ts";
import { createRandom } from "./random.ts";

export interface SchedulesTrial {
  nodes: number;
  /** At least so many due times; more when the disturbances are not over by then. */
  due: number;
  /** Each with a health check of its own. */
  policies: number;
  intervalSeconds: number;
  kills: number;
  /** Of a node, each longer than the lease. */
  pauses: number;
  /** kill -9 of PostgreSQL, which is started again on the same data. */
  databaseKills: number;
  /** How many hours the clock of each node is wrong, in turn; none without libfaketime. */
  clockHours?: readonly number[];
  /** The same seed chooses the same victims, moments and lengths. */
  seed: number;
  keepFolder?: boolean;
  keepFolderOnFaults: boolean;
  report(line: string): void;
}

export interface SchedulesResult {
  /** Due times that the intervals ask for. */
  due: number;
  fired: number;
  /** Passed over by FireLatestOnce, as the tasks after them say. */
  passedOver: number;
  /** From the due time until the task was queued, by the database's clock. */
  lateMs: number[];
  /** From queued to ended. A task that takes longer than the interval has its successors passed over. */
  tookMs: number[];
  /** Those that took longest, each with where its time went. */
  slowest: string[];
  /** How many tasks each node ended. */
  nodesOfTasks: Record<string, number>;
  seconds: number;
  faults: string[];
}

const freezeMs = { min: 4_500, more: 2_500 };
const awayMsMax = 2_000;
/** Between two disturbances on average, at least: nodes that are away all the time run nothing, and then nothing is tried. */
const gapMsMin = 1_300;
/** From the change of a policy until its first due time is set: a look of any node that lives. */
const noticedMsMax = 15_000;
const startsMax = 5;
const startPauseMs = 5_000;
const finalMsMax = 120_000;
const dueMsMax = 120_000;
const pageSize = 200;
const slowestTold = 12;

interface Policy {
  document: Document;
  intervalMs: number;
  /** By the clock of this machine, which is the database's: the due times count from a moment in between. */
  setBetween: [number, number];
}

export async function runSchedulesTrial(trial: SchedulesTrial): Promise<SchedulesResult> {
  const random = createRandom(trial.seed);
  const cluster = await createCluster();
  const startedMs = performance.now();
  const faults: string[] = [];
  try {
    const postgres = await cluster.postgres();
    const { connectionString } = await postgres.start();
    const clockOf = (n: number): NodeJS.ProcessEnv => {
      const hours = trial.clockHours?.[(n - 1) % trial.clockHours.length] ?? 0;
      return hours === 0 ? {} : (shiftedClock(hours) ?? {});
    };
    const first = await cluster.server({ name: "node-1", connectionString, environment: clockOf(1) });
    await first.start();
    const masterKey = await cluster.masterKeyOf(first);
    const nodes = [first];
    for (let n = 2; n <= trial.nodes; n++)
      nodes.push(await cluster.server({ name: `node-${n}`, connectionString, masterKey, environment: clockOf(n) }));
    await Promise.all(nodes.slice(1).map((node) => node.start()));
    const agent = await cluster.agent({ name: "web-1", trust: first.ready.thumbprint });
    await agent.start();
    for (const [index, node] of nodes.entries()) {
      const wanted = trial.clockHours?.[index % trial.clockHours.length] ?? 0;
      const shown = Date.parse((await fetch(node.ready.url)).headers.get("date") ?? "");
      const hours = (shown - Date.now()) / 3_600_000;
      if (Math.abs(hours - wanted) > 0.2) faults.push(`The clock of ${node.name} is ${hours.toFixed(1)} h wrong instead of ${wanted} h.`);
    }
    const disturbed = new Set<ServerProcess>();
    const api = createClusterApi(() => nodes.filter((node) => !disturbed.has(node)).map((node) => node.ready.url));
    trial.report(`${trial.nodes} nodes in ${cluster.root}; seed ${trial.seed}.`);

    const policies = await makePolicies(api, trial, { port: agent.port, thumbprint: agent.ready.thumbprint });
    let isDisturbing = true;
    async function disturbAll(): Promise<void> {
      const recovering = new Set<Promise<void>>();
      const kinds = [
        ...Array.from({ length: trial.kills }, () => "kill"),
        ...Array.from({ length: trial.pauses }, () => "pause"),
        ...Array.from({ length: trial.databaseKills }, () => "database"),
      ];
      const order = kinds.map((kind) => ({ kind, at: random() })).toSorted((a, b) => a.at - b.at);
      // Spread over all due times, so that each of them meets some: crowded together they leave most of the trial undisturbed.
      const lastsMs = (trial.due / trial.policies) * trial.intervalSeconds * 1_000;
      const gapMs = Math.max(gapMsMin, lastsMs / Math.max(1, order.length));
      for (const { kind } of order) {
        await pause(gapMs * (0.25 + 1.5 * random()));
        const [share, length] = [random(), random()];
        if (kind === "database") {
          await Promise.all(recovering);
          await postgres.killDatabase();
          await postgres.start();
          continue;
        }
        while (disturbed.size >= trial.nodes - 1) await Promise.race(recovering);
        const healthy = nodes.filter((node) => !disturbed.has(node));
        const victim = healthy[Math.floor(share * healthy.length)]!;
        const recovery = disturb(kind === "kill", victim, length).finally(() => recovering.delete(recovery));
        recovering.add(recovery);
      }
      await Promise.all(recovering);
      isDisturbing = false;
    }
    async function disturb(isKill: boolean, victim: ServerProcess, length: number): Promise<void> {
      disturbed.add(victim);
      if (isKill) await victim.kill();
      else await victim.freeze();
      await pause(isKill ? length * awayMsMax : freezeMs.min + length * freezeMs.more);
      if (isKill) await startAgain(victim);
      else victim.thaw();
      disturbed.delete(victim);
    }
    /** All due times up to the moment it answers count. */
    async function waitForEnd(): Promise<number> {
      let told = 0;
      for (;;) {
        const { TotalResults: count } = await api.get(`/api/tasks?name=Health&take=1`);
        if (count >= trial.due && !isDisturbing) return Date.now();
        if (count >= told + 100) {
          told = Math.floor(count / 100) * 100;
          trial.report(`  ${told} due times were fired.`);
        }
        await pause(500);
      }
    }
    const [untilMs] = await Promise.all([waitForEnd(), disturbAll()]);
    // Each policy fires once more after the end, so that all before it are there; then the policies ask for nothing any more.
    await eventually(
      "each policy has fired a due time after the end",
      async () => {
        const fired = byPolicy(await allHealthTasks(api));
        return policies.every(({ document }) => fired.get(document.Id)?.some((task) => dueOf(task) > untilMs));
      },
      dueMsMax,
    );
    for (const { document } of policies) await setInterval(api, document, null);
    const tasks = await eventually(
      "all tasks have ended",
      async () => {
        const all = await allHealthTasks(api);
        return all.every((task) => task.IsCompleted) ? all : undefined;
      },
      finalMsMax,
    );

    const fired = byPolicy(tasks);
    let [due, firedCount, passedOver] = [0, 0, 0];
    for (const policy of policies) {
      const judged = judge(policy, fired.get(policy.document.Id) ?? [], untilMs);
      due += judged.due;
      firedCount += judged.fired;
      passedOver += judged.passedOver;
      faults.push(...judged.faults);
    }
    const nodesOfTasks: Record<string, number> = {};
    for (const task of tasks) {
      const name = String(task.ServerNode).replace("OctopusServerNodes-", "");
      nodesOfTasks[name] = (nodesOfTasks[name] ?? 0) + 1;
      if (task.State !== "Success") faults.push(`${task.Id} ended as ${task.State}: ${task.ErrorMessage}`);
    }
    const lateMs = tasks.map((task) => Date.parse(task.QueueTime) - dueOf(task));
    const tookMs = tasks.map((task) => spanMs(task, "QueueTime", "CompletedTime"));
    const slowest = tasks.toSorted((a, b) => spanMs(b, "QueueTime", "CompletedTime") - spanMs(a, "QueueTime", "CompletedTime"));
    const toldSlowest = slowest.slice(0, slowestTold).map(tellTimes);
    return {
      due,
      fired: firedCount,
      passedOver,
      lateMs,
      tookMs,
      slowest: toldSlowest,
      nodesOfTasks,
      seconds: (performance.now() - startedMs) / 1000,
      faults,
    };
  } catch (error) {
    faults.push(`The trial did not come to its end: ${String(error)}`);
    throw error;
  } finally {
    const keepFolder = trial.keepFolder === true || (trial.keepFolderOnFaults && faults.length > 0);
    await cluster.close({ keepFolder });
    if (keepFolder) trial.report(`Logs and homes are kept in ${cluster.root}.`);
  }
}

/** Its port was free for a moment, in which another program of a busy machine may have taken it for an outgoing connection of its own. */
async function startAgain(node: ServerProcess): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await node.start();
      return;
    } catch (error) {
      if (attempt === startsMax) throw error;
      await pause(startPauseMs);
    }
  }
}

async function makePolicies(api: ClusterApi, trial: SchedulesTrial, agent: { port: number; thumbprint: string }): Promise<Policy[]> {
  const environment = await api.create("/api/environments", { Name: "Production" });
  const policies: Policy[] = [];
  for (let n = 1; n <= trial.policies; n++) {
    const made = await api.create("/api/machinepolicies", {
      Name: `Policy ${n}`,
      MachineHealthCheckPolicy: { HealthCheckInterval: null },
    });
    await api.create("/api/machines", {
      Name: `web-${n}`,
      EnvironmentIds: [environment.Id],
      Roles: ["web"],
      MachinePolicyId: made.Id,
      SkipInitialHealthCheck: true,
      Endpoint: { CommunicationStyle: "TentaclePassive", Uri: `https://127.0.0.1:${agent.port}/`, Thumbprint: agent.thumbprint },
    });
    const before = Date.now();
    const document = await setInterval(api, made, trial.intervalSeconds);
    policies.push({ document, intervalMs: trial.intervalSeconds * 1000, setBetween: [before, Date.now() + noticedMsMax] });
  }
  return policies;
}

async function setInterval(api: ClusterApi, policy: Document, seconds: number | null): Promise<Document> {
  const HealthCheckInterval = seconds === null ? null : `00:00:${String(seconds).padStart(2, "0")}`;
  return api.put(`/api/machinepolicies/${policy.Id}`, {
    ...policy,
    MachineHealthCheckPolicy: { ...policy.MachineHealthCheckPolicy, HealthCheckInterval },
  });
}

/** All scheduled health checks, a page at a time. */
async function allHealthTasks(api: ClusterApi): Promise<Document[]> {
  const all = new Map<string, Document>();
  for (let skip = 0; ; skip += pageSize) {
    const page = await api.get(`/api/tasks?name=Health&skip=${skip}&take=${pageSize}`);
    // New ones come in at the front meanwhile, so a task may be seen on two pages.
    for (const task of page.Items) all.set(task.Id, task);
    if (page.Items.length < pageSize) return [...all.values()];
  }
}

function byPolicy(tasks: readonly Document[]): Map<string, Document[]> {
  return Map.groupBy(tasks, (task) => String(task.Arguments.PolicyId));
}

function spanMs(task: Document, from: string, to: string): number {
  return Date.parse(task[to]) - Date.parse(task[from]);
}

/** Times of a task by the database's clock, to be looked up in the logs of the nodes. */
function tellTimes(task: Document): string {
  const seconds = (from: string, to: string): string => (spanMs(task, from, to) / 1000).toFixed(1);
  return (
    `${task.Id} queued at ${task.QueueTime}, waited ${seconds("QueueTime", "StartTime")} s, ` +
    `ran ${seconds("StartTime", "CompletedTime")} s, ended on ${task.ServerNode}`
  );
}

function dueOf(task: Document): number {
  return Date.parse(task.Arguments.DueAt);
}

/** Compares what a policy's interval asks for with what its tasks say, up to a moment. */
function judge(policy: Policy, tasks: readonly Document[], untilMs: number) {
  const { intervalMs, document } = policy;
  const faults: string[] = [];
  const told = (at: number): string => new Date(at).toISOString();
  const counts = new Map<number, number>();
  const count = (at: number): void => void counts.set(at, (counts.get(at) ?? 0) + 1);
  for (const task of tasks) count(dueOf(task));
  const fired = tasks.map(dueOf).filter((at) => at <= untilMs).length;
  let passedOver = 0;
  for (const task of tasks.filter((one) => one.Arguments.MissedCount !== undefined)) {
    const { MissedFrom, MissedTo, MissedCount } = task.Arguments;
    let seen = 0;
    for (let at = Date.parse(MissedFrom); at <= Date.parse(MissedTo); at += intervalMs) {
      count(at);
      seen += 1;
      if (at <= untilMs) passedOver += 1;
    }
    if (seen !== MissedCount) faults.push(`${task.Id} says it passed over ${MissedCount} due times, but there are ${seen} in its range.`);
  }
  const first = Math.min(...counts.keys());
  const [from, to] = policy.setBetween;
  if (first - intervalMs < from || first - intervalMs > to)
    faults.push(`${document.Id}: the first due time ${told(first)} is not its interval after it was set (${told(from)} to ${told(to)}).`);
  let due = 0;
  for (let at = first; at <= untilMs; at += intervalMs) {
    due += 1;
    if (!counts.has(at)) faults.push(`${document.Id}: the due time ${told(at)} was neither fired nor passed over.`);
  }
  for (const [at, times] of counts) {
    if (times > 1) faults.push(`${document.Id}: the due time ${told(at)} came ${times} times.`);
    if ((at - first) % intervalMs !== 0) faults.push(`${document.Id}: ${told(at)} is no due time.`);
  }
  return { due, fired, passedOver, faults };
}
