// A cluster that grows behind the back of its polling agents: a machine joins while there is one node, another node joins later, the first one
// dies for good. Real nodes on one PostgreSQL, a real agent that is never touched. The outside observer judges.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi } from "../support/cluster-api.ts";
import { createCluster } from "../support/cluster.ts";
import type { AgentProcess, Cluster, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { createObserver } from "../support/observer.ts";
import type { ObservedProject, Observer } from "../support/observer.ts";

const linux = { skip: process.platform === "linux" ? false : "kills processes by signals and looks at them through /proc" } as const;
const subscription = "poll://web1learnedagent0001/";
/** A call to an agent that polls a dead node is given up after two minutes. */
const deployMsMax = 60_000;
const told = { CUTTLE_COMMS_ADDRESS: "127.0.0.1" };

describe("a polling agent that joined while there was one node", { ...linux, timeout: 300_000 }, () => {
  let cluster: Cluster;
  let first: ServerProcess;
  let second: ServerProcess;
  let agent: AgentProcess;
  let api: ClusterApi;
  let observer: Observer;
  let project: ObservedProject;
  let live: ServerProcess[] = [];

  before(async () => {
    cluster = await createCluster();
    const postgres = await cluster.postgres();
    const { connectionString } = await postgres.start();
    first = await cluster.server({ name: "node-a", connectionString, environment: told });
    await first.start();
    live = [first];
    agent = await cluster.agent({ name: "web-1", trust: first.ready.thumbprint, poll: { port: first.ready.commsPort, subscription } });
    await agent.start();
    api = createClusterApi(() => live.map((node) => node.ready.url));
    observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    project = await observer.prepare({
      name: "shop",
      environments: 1,
      machines: [{ name: "web-1", subscription, thumbprint: agent.ready.thumbprint }],
      steps: [{ lines: 5, pauseMs: 20 }],
    });
    second = await cluster.server({
      name: "node-b",
      connectionString,
      masterKey: await cluster.masterKeyOf(first),
      environment: told,
    });
  });

  after(async () => {
    await cluster?.close();
  });

  /** Names of the nodes to which the agent is connected. */
  async function connectedNodes(): Promise<string[]> {
    const [machine] = await api.get("/api/machines/all");
    const { ConnectedNodes } = await api.get(`/api/machines/${machine.Id}/connection`);
    return ConnectedNodes.map((one: { NodeName: string }) => one.NodeName).sort();
  }

  test("A1 D1: learns of the second node by itself, and goes on when the first one is killed for good", async () => {
    assert.deepEqual(await observer.faultsOf(await observer.deploy(project)), []);
    await second.start();
    live = [first, second];
    await eventually("it is connected to both", async () => (await connectedNodes()).join(" ") === "node-a node-b");
    const { Nodes } = await api.get("/api/octopusservernodes/summary");
    assert.deepEqual(
      Nodes.map((one: { CommsAddress: string }) => one.CommsAddress),
      [first, second].map((node) => `https://127.0.0.1:${node.ready.commsPort}`),
    );
    await first.kill();
    live = [second];
    const startedMs = performance.now();
    assert.deepEqual(await observer.faultsOf(await observer.deploy(project)), []);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < deployMsMax, `it took ${tookMs.toFixed(0)} ms`);
  });

  test("A1: knows the second node after its own restart, while the one that it was given is still dead", async () => {
    await agent.kill();
    await agent.start();
    await eventually("it is connected to the second", async () => (await connectedNodes()).join(" ") === "node-b");
    assert.deepEqual(await observer.faultsOf(await observer.deploy(project)), []);
    assert.deepEqual(await observer.faultsOverall(), []);
  });
});
