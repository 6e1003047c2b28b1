// A cluster for measurements whose nodes each speak to PostgreSQL through a counter of statements, with agents and a project. One more node,
// which runs no tasks and is not counted, is asked what becomes of the tasks, so that asking does not change what is counted.

import path from "node:path";
import { createCluster } from "../test/support/cluster.ts";
import type { ServerProcess } from "../test/support/cluster.ts";
import { createClusterApi } from "../test/support/cluster-api.ts";
import type { ClusterApi, Document } from "../test/support/cluster-api.ts";
import { createObserver } from "../test/support/observer.ts";
import type { ObservedProject, ObservedStep, Observer } from "../test/support/observer.ts";
import { startStatementCounter } from "../test/support/statement-counter.ts";
import type { StatementCounter } from "../test/support/statement-counter.ts";

/** Each node may hold some 20 connections. */
const connectionsPerNode = 30;

export interface CountedNode {
  process: ServerProcess;
  counter: StatementCounter;
}

export interface CountedCluster {
  readonly nodes: readonly CountedNode[];
  readonly observer: Observer;
  readonly project: ObservedProject;
  /** Of the node that is not counted. */
  readonly watch: ClusterApi;
  /** Of the database itself, past the counters. */
  readonly databaseUrl: string;
  /** Starts one more counted node. */
  addNode(): Promise<CountedNode>;
  /** A create that a counted node, each in turn, acknowledges. */
  deploy(environment: number): Promise<Document>;
  close(): Promise<void>;
}

export async function startCountedCluster(parts: {
  nodesMax: number;
  agents: number;
  environments: number;
  /** One of one line when it is left out. */
  steps?: readonly ObservedStep[];
}): Promise<CountedCluster> {
  const cluster = await createCluster();
  const nodes: CountedNode[] = [];
  try {
    const postgres = await cluster.postgres({ connectionsMax: (parts.nodesMax + 1) * connectionsPerNode });
    const { connectionString } = await postgres.start();
    const part = (name: string): string => encodeURIComponent(new RegExp(`${name}=([^;]+)`).exec(connectionString)?.[1] ?? "");
    const databaseUrl = `postgres://${part("Username")}:${part("Password")}@127.0.0.1:${part("Port")}/${part("Database")}`;
    const databasePort = Number(/Port=(\d+)/.exec(connectionString)?.[1]);
    const watcher = await cluster.server({ name: "watch", connectionString, taskCap: 0 });
    await watcher.start();
    const masterKey = await cluster.masterKeyOf(watcher);
    const watch = createClusterApi(() => [watcher.ready.url]);
    const creates = createClusterApi(() => nodes.map(({ process }) => process.ready.url));

    async function addNode(): Promise<CountedNode> {
      const counter = await startStatementCounter({ target: { host: "127.0.0.1", port: databasePort }, byText: true });
      const process = await cluster.server({
        name: `node-${nodes.length + 1}`,
        connectionString: connectionString.replace(/Port=\d+/, `Port=${counter.port}`),
        masterKey,
      });
      const node = { process, counter };
      await process.start();
      nodes.push(node);
      return node;
    }

    const machines = [];
    for (let n = 1; n <= parts.agents; n++) {
      const agent = await cluster.agent({ name: `web-${n}`, trust: watcher.ready.thumbprint });
      await agent.start();
      machines.push({ name: agent.name, port: agent.port, thumbprint: agent.ready.thumbprint });
    }
    const observer = createObserver({ folder: path.join(cluster.root, "observed"), api: watch });
    const steps = parts.steps ?? [{ lines: 1, pauseMs: 0 }];
    const project = await observer.prepare({ name: "shop", environments: parts.environments, machines, steps });
    return {
      nodes,
      observer,
      project,
      watch,
      databaseUrl,
      addNode,
      deploy: (environment) =>
        creates.create("/api/deployments", { ReleaseId: project.releaseId, EnvironmentId: project.environmentIds[environment] }),
      async close() {
        await cluster.close();
        for (const { counter } of nodes) await counter.close();
      },
    };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}
