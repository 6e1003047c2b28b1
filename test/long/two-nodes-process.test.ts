// Two real nodes on one real database with one real agent behind a proxy: a frozen owner, a dead owner, a cancel whose node dies, and a
// database that is killed. The outside observer judges; the servers' tables are not read.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi } from "../support/cluster-api.ts";
import { createCluster } from "../support/cluster.ts";
import type { AgentProcess, Cluster, PostgresProcess, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import type { FaultProxy } from "../support/fault-proxy.ts";
import { createObserver } from "../support/observer.ts";
import type { Acknowledged, ObservedProject, Observer } from "../support/observer.ts";

/** A dead node's work goes on after its lease, and a look at the queue. */
const leaseMs = 4_000;
const noticeMsMax = 1_000;
const steps = [
  { lines: 30, pauseMs: 50 },
  { lines: 20, pauseMs: 20 },
];
const linux = { skip: process.platform === "linux" ? false : "stops processes by signals and looks at them through /proc" } as const;

describe("two nodes on one database", { ...linux, timeout: 240_000 }, () => {
  let cluster: Cluster;
  let postgres: PostgresProcess;
  let nodes: { [name: string]: ServerProcess };
  let agent: AgentProcess;
  let proxy: FaultProxy;
  let api: ClusterApi;
  let observer: Observer;
  let project: ObservedProject;

  before(async () => {
    cluster = await createCluster();
    postgres = await cluster.postgres();
    const { connectionString } = await postgres.start();
    const a = await cluster.server({ name: "node-a", connectionString });
    await a.start();
    const b = await cluster.server({ name: "node-b", connectionString, masterKey: await cluster.masterKeyOf(a) });
    agent = await cluster.agent({ name: "web-1", trust: a.ready.thumbprint });
    await agent.start();
    nodes = { "node-a": a, "node-b": b };
    proxy = await startFaultProxy({ port: agent.port });
    api = createClusterApi(() =>
      Object.values(nodes)
        .filter((node) => node.isRunning())
        .map((node) => node.ready.url),
    );
    observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    project = await observer.prepare({
      name: "shop",
      environments: 1,
      machines: [{ name: "web-1", port: proxy.port, thumbprint: agent.ready.thumbprint }],
      steps,
    });
  });

  after(async () => {
    await proxy?.close();
    await cluster?.close();
  });

  async function ownerOf(deployment: Acknowledged): Promise<ServerProcess> {
    const id: string = (await api.get(`/api/tasks/${deployment.taskId}`)).ServerNode;
    return nodes[id.replace("OctopusServerNodes-", "")]!;
  }

  test("D2 D3 D4: the owner is frozen just before StartScript goes out; the other node completes; the owner wakes and its StartScript arrives: one run, one result", async () => {
    const [frozen, taker] = [nodes["node-a"]!, nodes["node-b"]!];
    // The other node comes later, so that all connections there are belong to the owner.
    // The first deployment is there so that the owner has a connection that it takes again, and the agent is known to it.
    await observer.final(await observer.deploy(project));
    for (const connection of proxy.connections) connection.holdFrom(1_000);
    const before = proxy.connections.length;

    const deployment = await observer.deploy(project);
    const held = await eventually("the owner has sent StartScript into the proxy", () =>
      proxy.connections.find((one) => one.heldBytes > 1_000),
    );
    await frozen.freeze();
    try {
      assert.equal(proxy.connections.length, before, "it went out on a connection that was there");
      assert.deepEqual(observer.traces(deployment, 1), [], "the agent has not seen it");
      await taker.start();
      const began = await observer.began(deployment, 1);
      assert.equal(
        (await api.once(taker.ready.url, "GET", `/api/tasks/${deployment.taskId}`)).body.ServerNode,
        `OctopusServerNodes-${taker.name}`,
      );
      await eventually("the other node completes", async () => {
        const answer = await api.once(taker.ready.url, "GET", `/api/tasks/${deployment.taskId}`);
        return answer.body.IsCompleted;
      });

      // A ticket that is new to the agent is on its disk before it answers; the script itself would begin a little later.
      const tickets = path.join(agent.home, "Tickets");
      const known = readdirSync(tickets).sort();
      const answered = held.passed.back;
      held.release();
      await eventually("the agent has answered the late StartScript", () => held.passed.back > answered);
      assert.deepEqual(readdirSync(tickets).sort(), known, "the agent knew the ticket");
      assert.deepEqual(observer.traces(deployment, 1), [began]);
    } finally {
      // The owner has other connections too, from its health check; one that went on holding would swallow a later StartScript.
      for (const connection of proxy.connections) connection.release();
      frozen.thaw();
    }
    await eventually("the former owner lets go", () => frozen.lastWords(50).includes('"Let go of a task."'));
    assert.deepEqual(await observer.faultsOf(deployment), []);
  });

  test("a node with another master key does not join", async () => {
    const stranger = await cluster.server({
      name: "stranger",
      connectionString: postgres.ready.connectionString,
      masterKey: Buffer.alloc(16, 7).toString("base64"),
    });
    await assert.rejects(stranger.start(), /ended with 1 before it was ready:[^]*master key/);
    const listed = await api.get("/api/octopusservernodes");
    assert.deepEqual(listed.Items.map((node: { Name: string }) => node.Name).sort(), ["node-a", "node-b"]);
  });

  test("A2 D1 D2 D7: a node is killed in mid-script; the other goes on within lease + 1 s", async (t) => {
    const goneOnAfterMs: number[] = [];
    // A machine that does ten other things may be late by itself: it may try three times. A rule that is broken is late each time.
    while (goneOnAfterMs.length < 3 && !goneOnAfterMs.some((ms) => ms <= leaseMs + noticeMsMax)) {
      const deployment = await observer.deploy(project);
      const first = await observer.began(deployment, 1);
      const owner = await ownerOf(deployment);
      // The script ends by itself long before the lease does, so the next step's line tells when the work went on.
      const killedAtMs = Date.now();
      await owner.kill();
      const second = await observer.began(deployment, 2);
      goneOnAfterMs.push(second.atMs - killedAtMs);
      t.diagnostic(`killed ${killedAtMs - first.atMs} ms into step 1; the other node began step 2 after ${second.atMs - killedAtMs} ms`);
      assert.deepEqual(await observer.faultsOf(deployment), []);
      await owner.start();
    }
    assert.ok(
      Math.min(...goneOnAfterMs) <= leaseMs + noticeMsMax,
      `went on after ${goneOnAfterMs.join(", ")} ms, not within ${leaseMs + noticeMsMax} ms`,
    );
  });

  test("D8: a cancel is acknowledged by the node that then dies; the other ends the script on the machine and the task as canceled", async () => {
    const pids = path.join(cluster.root, "pids");
    const endless = await observer.prepare({
      name: "endless",
      environments: 1,
      machines: [{ name: "web-1", port: proxy.port, thumbprint: agent.ready.thumbprint }],
      steps: [{ lines: 1, pauseMs: 0 }],
      scripts: [observer.scriptFor(1, { lines: 1, pauseMs: 0 }, `sleep 1000 & echo "$$ $!" > ${pids}; mv ${pids} ${pids}.whole; wait`)],
    });
    const deployment = await observer.deploy(endless);
    await eventually("the script and its child run", () => existsSync(`${pids}.whole`));
    const { pid } = await observer.began(deployment, 1);
    const owner = await ownerOf(deployment);
    const answer = await api.once(owner.ready.url, "POST", `/api/tasks/${deployment.taskId}/cancel`, {});
    await owner.kill();
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await observer.final(deployment)).State, "Canceled");
    assert.equal(existsSync(`/proc/${pid}`), false, "the script has ended on the machine");
    assert.equal(observer.traces(deployment, 1).length, 1);
    await owner.start();
  });

  test("D1 D2 D7: PostgreSQL is killed in mid-script and comes back: the API says 503 meanwhile, the deployment succeeds, nothing happens twice", async () => {
    const deployment = await observer.deploy(project);
    await observer.began(deployment, 1);
    await postgres.killDatabase();
    for (const node of Object.values(nodes)) {
      for (const [method, address, body] of [
        ["GET", `/api/tasks/${deployment.taskId}`, undefined],
        ["POST", "/api/deployments", { ReleaseId: project.releaseId, EnvironmentId: project.environmentIds[0] }],
      ] as const) {
        const answer = await api.once(node.ready.url, method, address, body);
        assert.equal(answer.status, 503, `${method} ${address}: ${answer.text}`);
        assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
        assert.equal(typeof answer.body.ErrorMessage, "string");
        assert.deepEqual(answer.body.Errors, [answer.body.ErrorMessage]);
      }
    }
    await postgres.start();
    assert.deepEqual(await observer.faultsOf(deployment), []);
  });

  test("D2 D9: nothing was made that nobody asked for, and nothing has begun again since", async () => {
    for (const one of observer.acknowledged.filter(({ project: its }) => its === project))
      assert.deepEqual(await observer.faultsOf(one), []);
    assert.deepEqual(await observer.faultsOverall(), []);
  });
});
