// Agents that poll another node than the one that runs their task, several nodes, or a balancer in front of them: real nodes on one real
// database, real agents over real TLS. The outside observer judges; of the servers' tables only the waiting requests are looked at, to know
// when to go on.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { openDatabase } from "../../server/platform/database/database.ts";
import type { Database } from "../../server/platform/database/database.ts";
import { parseConnectionString } from "../../server/connection-string.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi, Document } from "../support/cluster-api.ts";
import { createCluster } from "../support/cluster.ts";
import type { AgentProcess, Cluster, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { createObserver } from "../support/observer.ts";
import type { Acknowledged, ObservedProject, Observer } from "../support/observer.ts";
import { startTcpBalancer } from "../support/tcp-balancer.ts";
import type { TcpBalancer } from "../support/tcp-balancer.ts";

const names = { one: "polls-b", both: "polls-a-and-b", balanced: "polls-a-balancer" } as const;
type Kind = keyof typeof names;
const kinds = Object.keys(names) as Kind[];
const subscriptionOf = (kind: Kind): string => `poll://${names[kind]}/`;
const steps = [
  { lines: 40, pauseMs: 50 },
  { lines: 10, pauseMs: 10 },
];
const linux = { skip: process.platform === "linux" ? false : "stops processes by signals and looks at them through /proc" } as const;

describe("agents that poll any node", { ...linux, timeout: 300_000 }, () => {
  let cluster: Cluster;
  let database: Database;
  /** Runs the tasks. */
  let owner: ServerProcess;
  /** Runs none. */
  let holder: ServerProcess;
  let connectionString: string;
  let balancer: TcpBalancer;
  const nodes: ServerProcess[] = [];
  const agents = {} as { [kind in Kind]: AgentProcess };
  let api: ClusterApi;
  let observer: Observer;
  const projects = {} as { [kind in Kind]: ObservedProject };

  before(async () => {
    cluster = await createCluster();
    ({ connectionString } = await (await cluster.postgres()).start());
    owner = await cluster.server({ name: "node-a", connectionString });
    await owner.start();
    holder = await cluster.server({ name: "node-b", connectionString, masterKey: await cluster.masterKeyOf(owner), taskCap: 0 });
    await holder.start();
    nodes.push(owner, holder);
    const [a, b] = [owner.ready.commsPort, holder.ready.commsPort];
    balancer = await startTcpBalancer([b, a]);
    const ports = { one: b, both: [a, b], balanced: balancer.port };
    api = createClusterApi(() => nodes.filter((node) => node.isRunning()).map((node) => node.ready.url));
    observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    for (const kind of kinds) {
      const poll = { port: ports[kind], subscription: subscriptionOf(kind) };
      const agent = await cluster.agent({ name: names[kind], trust: owner.ready.thumbprint, poll });
      await agent.start();
      agents[kind] = agent;
      projects[kind] = await observer.prepare({
        name: names[kind],
        environments: 1,
        machines: [{ name: names[kind], subscription: poll.subscription, thumbprint: agent.ready.thumbprint }],
        steps,
      });
    }
    database = openDatabase({
      connection: parseConnectionString(connectionString).connection,
      applicationName: "cuttle-trial",
      connectionsMax: 2,
    });
  });

  after(async () => {
    await database?.close();
    await balancer?.close();
    await cluster?.close();
  });

  const machineOf = async (kind: Kind): Promise<Document> =>
    (await api.get("/api/machines/all")).find((one: Document) => one.Uri === subscriptionOf(kind));

  async function connectedNodes(kind: Kind): Promise<string> {
    const { ConnectedNodes } = await api.get((await machineOf(kind)).Links.Connection);
    return ConnectedNodes.map((one: Document) => one.NodeName).join(" ");
  }

  async function nodesAre(kind: Kind, expected: string): Promise<void> {
    await eventually(`${names[kind]} is connected to ${expected}`, async () => (await connectedNodes(kind)) === expected, 90_000);
  }

  const ownerOf = async (deployment: Acknowledged): Promise<string> => (await api.get(`/api/tasks/${deployment.taskId}`)).ServerNode;

  test("it is told to which nodes each is connected now", async () => {
    await nodesAre("one", "node-b");
    await nodesAre("both", "node-a node-b");
    await nodesAre("balanced", "node-b");
  });

  test("D1 D2 D7: deployments at once to an agent of one other node, of both, and behind a balancer: each step once, the logs whole", async () => {
    const deployments = await Promise.all(kinds.map((kind) => observer.deploy(projects[kind])));
    for (const deployment of deployments) {
      assert.deepEqual(await observer.faultsOf(deployment), []);
      assert.equal(await ownerOf(deployment), "OctopusServerNodes-node-a");
    }
    for (const kind of kinds) assert.match((await machineOf(kind)).HealthStatus, /^(Healthy|HasWarnings)$/);
  });

  test("D1 D2 D7: the node that holds the connection is killed in mid-script; the agent comes back elsewhere, or the node does", async () => {
    const deployments = await Promise.all(kinds.map((kind) => observer.deploy(projects[kind])));
    for (const deployment of deployments) await observer.began(deployment, 1);
    await holder.kill();
    await nodesAre("balanced", "node-a");
    await holder.start();
    for (const deployment of deployments) assert.deepEqual(await observer.faultsOf(deployment), []);
    await nodesAre("one", "node-b");
  });

  test("D1 D2 D7: the node that holds the connection is frozen in mid-script until it counts as dead, and wakes up", async () => {
    const deployment = await observer.deploy(projects.one);
    await observer.began(deployment, 1);
    await holder.freeze();
    nodes.splice(nodes.indexOf(holder), 1);
    try {
      await nodesAre("one", "");
    } finally {
      holder.thaw();
      nodes.push(holder);
    }
    assert.deepEqual(await observer.faultsOf(deployment), []);
    await nodesAre("one", "node-b");
  });

  test("D2 D4 D7: the owner is frozen while its request waits as a row; another node takes over; the old request is given to nobody", async () => {
    const taker = await cluster.server({ name: "node-c", connectionString, masterKey: await cluster.masterKeyOf(owner) });
    await agents.one.stop();
    const deployment = await observer.deploy(projects.one);
    const waiting = await eventually("the owner's request waits", async () => {
      const [row] = await database.query<{ id: string }>(
        `SELECT id FROM agent_requests WHERE task_id = $1 AND epoch = 1 AND state = 'waiting'`,
        [deployment.taskId],
      );
      return row;
    });
    await owner.freeze();
    try {
      nodes.splice(nodes.indexOf(owner), 1);
      await taker.start();
      nodes.push(taker);
      await eventually("the other node owns the task", async () => (await ownerOf(deployment)) === "OctopusServerNodes-node-c", 60_000);
      await agents.one.start();
      await eventually("the old request is gone", async () => {
        return (await database.query(`SELECT 1 FROM agent_requests WHERE id = $1`, [waiting.id])).length === 0;
      });
      await observer.began(deployment, 1);
    } finally {
      owner.thaw();
      nodes.push(owner);
    }
    assert.deepEqual(await observer.faultsOf(deployment), []);
  });

  test("D2 D9: nothing was made that nobody asked for, and nothing has begun again since", async () => {
    for (const one of observer.acknowledged) assert.deepEqual(await observer.faultsOf(one), []);
    assert.deepEqual(await observer.faultsOverall(), []);
  });
});
