// A cluster to play with: nodes behind a load balancer, two PostgreSQL servers, agents of both kinds, and deployments going out all the time.
// Whoever plays kills, freezes and brings back its parts; the outside observer counts what is done, lost and doubled.
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { clusterApiKey, createCluster } from "../support/cluster.ts";
import type { ServerProcess } from "../support/cluster.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi, Document } from "../support/cluster-api.ts";
import { startFront } from "../support/front.ts";
import { createObserver } from "../support/observer.ts";
import type { Acknowledged, ObservedProject, Observer } from "../support/observer.ts";
import { startPostgresPair } from "../support/postgres-pair.ts";
import type { PostgresPair } from "../support/postgres-pair.ts";

export type NodeState = "up" | "killed" | "frozen" | "starting";

export interface ShowState {
  nodes: readonly { name: string; state: NodeState; runningTasks: number }[];
  database: "two servers" | "failing over" | "one server, making another";
  /** Final, each script run once on each machine, the log whole. */
  done: number;
  /** Acknowledged, and did not end in success or has not ended at all for minutes. */
  lost: number;
  /** Something ran or was made twice. */
  doubled: number;
  underWay: number;
}

export interface ClusterShow {
  readonly url: string;
  readonly apiKey: string;
  /** What stands in front. */
  readonly front: string;
  /** Where all logs lie while it runs. */
  readonly folder: string;
  /** The log of each node and agent, by its name. */
  readonly logs: readonly { name: string; file: string }[];
  state(): ShowState;
  /** Each answers a sentence on what it did. Nodes are counted from 1; without a number some node is chosen for which it makes sense. */
  kill(node?: number): Promise<string>;
  freeze(node?: number): Promise<string>;
  /** All that are killed or frozen. */
  bringBack(): Promise<string>;
  failDatabaseOver(): Promise<string>;
  /** Lets the deployments under way end; afterwards the counts are final. Answers what is wrong, a sentence each. */
  finish(): Promise<string[]>;
  close(): Promise<void>;
}

/** Each to an environment of its own. */
const deploymentsInFlight = 6;
const steps = Array.from({ length: 3 }, () => ({ lines: 10, pauseMs: 60 }));
/** Long enough for a failover and a few kills in a row. */
const finalMsMax = 300_000;
const lookAtNodesMs = 500;
/** The longest list of faults that is kept; more are counted only. */
const faultsMax = 100;

export async function startClusterShow(options: { nodes: number; agents: number; report(line: string): void }): Promise<ClusterShow> {
  const { report } = options;
  const cluster = await createCluster();
  try {
    report("Starting two PostgreSQL servers, one following the other …");
    const pair = await startPostgresPair(cluster.root);
    const { connectionString } = pair;
    report(`Starting ${options.nodes} nodes …`);
    const first = await cluster.server({ name: "node-1", connectionString });
    await first.start();
    const masterKey = await cluster.masterKeyOf(first);
    const nodes = [first];
    for (let n = 2; n <= options.nodes; n++) nodes.push(await cluster.server({ name: `node-${n}`, connectionString, masterKey }));
    await Promise.all(nodes.slice(1).map((node) => node.start()));
    const front = await startFront({ folder: cluster.root, nodes });
    const api = createClusterApi(() => [front.url]);
    report(`Starting ${options.agents} agents, every other one polling through the balancer …`);
    const machines = await Promise.all(
      Array.from({ length: options.agents }, async (_, index) => {
        const name = `web-${index + 1}`;
        const subscription = `poll://${name.replace("-", "").padEnd(20, "0")}/`;
        const isPolling = index % 2 === 1;
        const poll = { port: front.agentsPort, subscription };
        const agent = await cluster.agent({ name, trust: first.ready.thumbprint, ...(isPolling ? { poll } : {}) });
        const { thumbprint } = await agent.start();
        return { name, thumbprint, ...(isPolling ? { subscription } : { port: agent.port }) };
      }),
    );
    const observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    const project = await observer.prepare({ name: "shop", environments: deploymentsInFlight, machines, steps });
    const show = createShow({ nodes, pair, api, observer, project, report });
    return {
      ...show,
      url: front.url,
      apiKey: clusterApiKey,
      front: front.name,
      folder: cluster.root,
      logs: [...nodes.map(({ name }) => name), ...machines.map(({ name }) => name)].map((name) => ({
        name,
        file: path.join(cluster.root, `${name}.log`),
      })),
      async close() {
        await show.stop();
        await front.close();
        await cluster.close();
      },
    };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

interface ShowParts {
  nodes: readonly ServerProcess[];
  pair: PostgresPair;
  api: ClusterApi;
  observer: Observer;
  project: ObservedProject;
  report(line: string): void;
}

function createShow({ nodes, pair, api, observer, project, report }: ShowParts) {
  const states = new Map<ServerProcess, NodeState>(nodes.map((node) => [node, "up"]));
  const running = new Map<string, number>();
  const faults: string[] = [];
  const counts = { done: 0, lost: 0, doubled: 0, underWay: 0 };
  let database: ShowState["database"] = "two servers";
  let changing: Promise<unknown> = Promise.resolve();
  let isFinishing = false;
  let isStopped = false;

  function blame(found: readonly string[]): void {
    for (const fault of found) {
      if (faults.length < faultsMax) faults.push(fault);
      report(`FAULT: ${fault}`);
    }
  }

  async function judge(deployment: Acknowledged): Promise<void> {
    try {
      await observer.final(deployment, finalMsMax);
      const found = await observer.faultsOf(deployment);
      if (found.length === 0) counts.done += 1;
      else if (found.some((fault) => /ran [2-9]|made twice/.test(fault))) counts.doubled += 1;
      else counts.lost += 1;
      blame(found);
    } catch (error) {
      if (isStopped) return;
      counts.lost += 1;
      blame([`${deployment.id}: ${(error as Error).message}`]);
    }
  }

  async function deployOn(environment: number): Promise<void> {
    while (!isFinishing) {
      try {
        const deployment = await observer.deploy(project, environment);
        counts.underWay += 1;
        await judge(deployment).finally(() => (counts.underWay -= 1));
      } catch (error) {
        // Nothing was acknowledged: every node is away. It is asked again under a key of its own, as a client would.
        if (!isFinishing) report(`No deployment could be created: ${(error as Error).message.slice(0, 200)}`);
        await pause(1_000);
      }
    }
  }
  const deploying = Array.from({ length: deploymentsInFlight }, (_, environment) => deployOn(environment));

  const looking = (async () => {
    while (!isStopped) {
      const node = nodes.find((one) => states.get(one) === "up");
      const answer = node && (await api.once(node.ready.url, "GET", "/api/octopusservernodes/summary").catch(() => undefined));
      for (const one of (answer?.status === 200 ? answer.body.Nodes : []) as Document[]) running.set(one.Name, one.RunningTaskCount);
      await pause(lookAtNodesMs);
    }
  })();

  function choose(number: number | undefined, from: NodeState): ServerProcess | undefined {
    if (number !== undefined) return nodes[number - 1];
    const fitting = nodes.filter((node) => states.get(node) === from);
    return fitting.toSorted((a, b) => (running.get(b.name) ?? 0) - (running.get(a.name) ?? 0))[0];
  }

  async function disturb(number: number | undefined, to: "killed" | "frozen"): Promise<string> {
    const node = choose(number, "up");
    if (node === undefined) return number === undefined ? "No node is up." : `There is no node ${number}.`;
    if (states.get(node) !== "up") return `${node.name} is ${states.get(node)} already.`;
    states.set(node, to);
    const tasks = running.get(node.name) ?? 0;
    if (to === "killed") await node.kill();
    else await node.freeze();
    return `${node.name} is ${to}${to === "killed" ? " (kill -9)" : " (SIGSTOP)"} with ${tasks} tasks; another node goes on with them within 5 s.`;
  }

  async function revive(node: ServerProcess): Promise<void> {
    const was = states.get(node);
    states.set(node, "starting");
    if (was === "killed") await node.start();
    else node.thaw();
    states.set(node, "up");
  }

  async function failOver(): Promise<string> {
    database = "failing over";
    await pair.kill(pair.primary);
    await pair.promote();
    database = "one server, making another";
    await pair.rebuildStandby();
    database = "two servers";
    return "The database's primary was killed (kill -9), its standby is the primary now, and a new standby follows it.";
  }

  return {
    state: (): ShowState => ({
      nodes: nodes.map((node) => ({ name: node.name, state: states.get(node)!, runningTasks: running.get(node.name) ?? 0 })),
      database,
      ...counts,
    }),
    kill: (node?: number) => disturb(node, "killed"),
    freeze: (node?: number) => disturb(node, "frozen"),
    async bringBack() {
      const away = nodes.filter((node) => states.get(node) === "killed" || states.get(node) === "frozen");
      await Promise.all(away.map(revive));
      return away.length === 0
        ? "All nodes are up."
        : `${away.map((node) => node.name).join(" and ")} is back.`.replace(/ and (.*) is/, " and $1 are");
    },
    failDatabaseOver: (): Promise<string> => {
      if (database !== "two servers") return Promise.resolve("The database is failing over already.");
      const done = failOver();
      changing = done.catch(() => {});
      return done;
    },
    async finish() {
      isFinishing = true;
      await changing;
      await Promise.all(deploying);
      blame(await observer.faultsOverall());
      return faults;
    },
    async stop() {
      isFinishing = true;
      isStopped = true;
      await changing;
      await looking;
    },
  };
}
