// Polling agents as processes of their own, asking a real node for work over real TLS. The outside observer judges.
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

const subscription = "poll://web1pollingagent0001/";
const steps = [
  { lines: 20, pauseMs: 50 },
  { lines: 10, pauseMs: 10 },
];
const linux = { skip: process.platform === "linux" ? false : "kills processes by signals and looks at them through /proc" } as const;

describe("a polling agent", { ...linux, timeout: 180_000 }, () => {
  let cluster: Cluster;
  let server: ServerProcess;
  let agent: AgentProcess;
  let api: ClusterApi;
  let observer: Observer;
  let project: ObservedProject;

  before(async () => {
    cluster = await createCluster();
    server = await cluster.server({ name: "node-a" });
    await server.start();
    agent = await cluster.agent({ name: "web-1", trust: server.ready.thumbprint, poll: { port: server.ready.commsPort, subscription } });
    await agent.start();
    api = createClusterApi(() => [server.ready.url]);
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

  test("is found healthy once it is registered, though it asked before and was turned away", async () => {
    const machine = await eventually("it was examined", async () => {
      const [found] = await api.get("/api/machines/all");
      return found.HealthStatus === "Unknown" ? undefined : found;
    });
    assert.match(machine.HealthStatus, /^(Healthy|HasWarnings)$/);
    assert.equal(machine.ShellName, "Bash");
    assert.notEqual(machine.OperatingSystem, "Unknown");
    assert.match(server.lastWords(), /A polling agent was turned away/);
    assert.match(agent.lastWords(), /Polling 127\.0\.0\.1/);
  });

  test("D1 D7: runs a deployment: each step once, the log whole", async () => {
    assert.deepEqual(await observer.faultsOf(await observer.deploy(project)), []);
  });

  test("D1 D2 D5: is killed in mid-script and started again: each step once, the log whole", async () => {
    const deployment = await observer.deploy(project);
    await observer.began(deployment, 1);
    await agent.kill();
    await agent.start();
    assert.deepEqual(await observer.faultsOf(deployment), []);
  });

  test("D1 D2 D7: its server is killed in mid-script and started again: each step once, the log whole", async () => {
    const deployment = await observer.deploy(project);
    await observer.began(deployment, 1);
    await server.kill();
    await server.start();
    assert.deepEqual(await observer.faultsOf(deployment), []);
  });

  test("S4: an agent with another certificate is turned away from its subscription and is given nothing", async () => {
    await agent.stop();
    const impostor = await cluster.agent({
      name: "impostor",
      trust: server.ready.thumbprint,
      poll: { port: server.ready.commsPort, subscription },
    });
    await impostor.start();
    const deployment = await observer.deploy(project);
    await eventually("it was turned away", () => server.lastWords(50).includes(impostor.ready.thumbprint));
    assert.deepEqual(observer.traces(deployment, 1), []);
    await impostor.stop();
    await agent.start();
    assert.deepEqual(await observer.faultsOf(deployment), []);
    assert.deepEqual(await observer.faultsOverall(), []);
  });
});
