// Agents that poll another node than the one that runs their task: real nodes on one real database, real agents over real TLS. The outside
// observer judges.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi } from "../support/cluster-api.ts";
import { createCluster } from "../support/cluster.ts";
import type { AgentProcess, Cluster, PostgresProcess, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { createObserver } from "../support/observer.ts";
import type { Acknowledged, ObservedProject, Observer } from "../support/observer.ts";

const subscription = "poll://anynodeagent00000001/";
const steps = [
  { lines: 30, pauseMs: 50 },
  { lines: 10, pauseMs: 10 },
];
const linux = { skip: process.platform === "linux" ? false : "stops processes by signals and looks at them through /proc" } as const;

describe("an agent that polls another node than the one that runs its task", { ...linux, timeout: 240_000 }, () => {
  let cluster: Cluster;
  let postgres: PostgresProcess;
  /** Runs the tasks. */
  let owner: ServerProcess;
  /** Runs none. */
  let holder: ServerProcess;
  let agent: AgentProcess;
  let api: ClusterApi;
  let observer: Observer;
  let project: ObservedProject;

  before(async () => {
    cluster = await createCluster();
    postgres = await cluster.postgres();
    const { connectionString } = await postgres.start();
    owner = await cluster.server({ name: "node-a", connectionString });
    await owner.start();
    holder = await cluster.server({ name: "node-b", connectionString, masterKey: await cluster.masterKeyOf(owner), taskCap: 0 });
    await holder.start();
    agent = await cluster.agent({ name: "web-1", trust: owner.ready.thumbprint, poll: { port: holder.ready.commsPort, subscription } });
    await agent.start();
    api = createClusterApi(() => [owner, holder].filter((node) => node.isRunning()).map((node) => node.ready.url));
    observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    project = await observer.prepare({
      name: "shop",
      environments: 1,
      machines: [{ name: "web-1", subscription, thumbprint: agent.ready.thumbprint }],
      steps,
    });
  });

  after(async () => {
    await cluster?.close();
  });

  async function ownerOf(deployment: Acknowledged): Promise<string> {
    return (await api.get(`/api/tasks/${deployment.taskId}`)).ServerNode;
  }

  test("D1 D2 D7: runs a deployment and a health check: each step once, the log whole", async () => {
    const deployment = await observer.deploy(project);
    assert.deepEqual(await observer.faultsOf(deployment), []);
    assert.equal(await ownerOf(deployment), "OctopusServerNodes-node-a");
    const machine = await eventually("it was examined", async () => {
      const [found] = await api.get("/api/machines/all");
      return found.HealthStatus === "Unknown" ? undefined : found;
    });
    assert.match(machine.HealthStatus, /^(Healthy|HasWarnings)$/);
  });
});
