// What goes wrong through public doors, against real processes: an agent that is gone, one with another certificate, a script that
// never ends, a script that floods. Each ends in a clear answer, with nothing half done and memory bounded.
import assert from "node:assert/strict";
import { copyFileSync, existsSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { createIdentity } from "@cuttle/halibut";
import { createAgents, createPollingQueue } from "../../server/engine/agents/agents.ts";
import { runPlan } from "../../server/engine/execution/execution.ts";
import { enqueueTask } from "../../server/engine/tasks/tasks.ts";
import { createStepTypes } from "../../server/features/runs/runs.ts";
import { noPackages } from "../support/no-packages.ts";
import { systemActor } from "../../server/platform/audit/audit.ts";
import { openDatabase } from "../../server/platform/database/database.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi, Document } from "../support/cluster-api.ts";
import { createCluster, freePort, processesBelow } from "../support/cluster.ts";
import type { AgentProcess, Cluster, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { createMemoryLogFolder } from "../support/memory-log-folder.ts";
import { startMortalNode } from "../support/mortal-node.ts";
import { createObserver } from "../support/observer.ts";
import type { Observer } from "../support/observer.ts";
import { startPostgres } from "../support/postgres.ts";
import { createMasterKey, createSecrets } from "../../server/platform/secrets/secrets.ts";
import { scriptPlan } from "../support/script-plan.ts";
import { floodGrowthMiBMax, floodThrough } from "../trials/flood-run.ts";

const linux = { skip: process.platform === "linux" ? false : "looks at processes through /proc" } as const;
const oneStep = [{ lines: 1, pauseMs: 0 }];

describe("bad input, through real processes", { ...linux, timeout: 240_000 }, () => {
  let cluster: Cluster;
  let server: ServerProcess;
  let agent: AgentProcess;
  let api: ClusterApi;
  let observer: Observer;

  before(async () => {
    cluster = await createCluster();
    server = await cluster.server({ name: "node-1" });
    await server.start();
    agent = await cluster.agent({ name: "web-1", trust: server.ready.thumbprint });
    await agent.start();
    api = createClusterApi(() => [server.ready.url]);
    observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
  });
  after(() => cluster?.close());

  test("S4: an agent registered with another thumbprint is refused by name, and nothing is sent to it", async () => {
    const project = await observer.prepare({
      name: "stranger",
      environments: 1,
      machines: [{ name: "web-1", port: agent.port, thumbprint: "AB".repeat(20) }],
      steps: oneStep,
    });
    const deployment = await observer.deploy(project);
    const task = await observer.final(deployment);
    assert.equal(task.State, "Failed");
    assert.match(task.ErrorMessage, /web-1 of stranger.*Nothing was sent\./);
    assert.match(
      await api.getText(`/api/tasks/${deployment.taskId}/raw`),
      new RegExp(agent.ready.thumbprint, "i"),
      "the log shows whose certificate it is",
    );
    assert.deepEqual(observer.traces(deployment, 1), []);
    assert.deepEqual(readdirSync(path.join(agent.home, "Tickets")), [], "no script has reached the agent");
  });

  test("S4 D2: two listening agents with one certificate are two targets: a deployment runs once on each, at its own address", async () => {
    const twin = await cluster.agent({ name: "web-2", trust: server.ready.thumbprint });
    copyFileSync(path.join(agent.home, "identity.pem"), path.join(twin.home, "identity.pem"));
    await twin.start();
    assert.equal(twin.ready.thumbprint, agent.ready.thumbprint);
    const both = [agent, twin];
    const project = await observer.prepare({
      name: "twins",
      environments: 1,
      machines: both.map(({ name, port, ready }) => ({ name, port, thumbprint: ready.thumbprint })),
      steps: oneStep,
      scripts: [observer.scriptFor(1, oneStep[0]!, `touch "$TentacleHome/ran-$machine"`)],
    });
    const deployment = await observer.deploy(project);
    assert.deepEqual(await observer.faultsOf(deployment), []);
    const machines = await api.get("/api/machines/all");
    for (const { home, port } of both) {
      const here = machines.find(
        (machine: Document) => machine.Endpoint.Uri === `https://127.0.0.1:${port}/` && machine.Name.endsWith("twins"),
      );
      assert.deepEqual(
        readdirSync(home).filter((name) => name.startsWith("ran-")),
        [`ran-${here.Id}`],
      );
    }
    await twin.stop();
  });

  test("D8: a script that never ends and ignores polite signals is ended by a cancel, with all its children", async () => {
    const note = path.join(cluster.root, "family");
    const project = await observer.prepare({
      name: "endless",
      environments: 1,
      machines: [{ name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint }],
      steps: oneStep,
      scripts: [
        observer.scriptFor(
          1,
          oneStep[0]!,
          `trap '' TERM INT HUP; (trap '' TERM; (sleep 1001 & sleep 1002)) & nohup sleep 1003 >/dev/null & touch ${note}; while :; do sleep 1; done`,
        ),
      ],
    });
    const deployment = await observer.deploy(project);
    await eventually("the script and its children run", () => existsSync(note));
    const work = path.join(agent.home, "Work");
    assert.ok(processesBelow(work).length >= 4, "they are found by their working folder");
    const answer = await api.once(server.ready.url, "POST", `/api/tasks/${deployment.taskId}/cancel`, {});
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await observer.final(deployment)).State, "Canceled");
    assert.deepEqual(processesBelow(work), [], "nothing of it is left");
  });

  test("D5: an agent that loses what it knew of a running script: the task fails as unknown, names the machine, and runs nothing again", async () => {
    const project = await observer.prepare({
      name: "forgetful",
      environments: 1,
      machines: [{ name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint }],
      steps: oneStep,
      scripts: [observer.scriptFor(1, oneStep[0]!, "sleep 1004")],
    });
    const deployment = await observer.deploy(project);
    const { pid } = await observer.began(deployment, 1);
    // Until its start is answered, the start would be sent again, and an agent without memory would run it again.
    const running = async () => (await api.getText(`/api/tasks/${deployment.taskId}/raw`)).includes("step 1 line 1");
    await eventually("the server knows that it runs", running);
    await agent.kill();
    for (const folder of ["Tickets", "Runs"]) {
      rmSync(path.join(agent.home, folder), { recursive: true });
    }
    await agent.start();
    const task = await observer.final(deployment);
    assert.equal(task.State, "Failed");
    assert.match(task.ErrorMessage, /The outcome of the script on web-1 of forgetful is unknown.*Check on web-1/);
    assert.equal(observer.traces(deployment, 1).length, 1);
    process.kill(pid, "SIGKILL");
  });

  test("S5: a script that prints 64 MiB is carried whole, and takes no memory that grows with it", async (t) => {
    const result = await floodThrough({ server, agent, observer }, 64, 150_000);
    t.diagnostic(JSON.stringify(result));
    assert.equal(result.state, "Success");
    assert.equal(result.linesRead, result.linesPrinted);
    for (const who of [result.serverMiB, result.agentMiB]) assert.ok(who.after - who.before <= floodGrowthMiBMax, JSON.stringify(result));
  });
});

test("D1 D5: an agent that is gone for good: the deployment fails and names the machine and its address", { timeout: 60_000 }, async () => {
  // In this process, because no setting shortens the two minutes that a node waits; engine, wire and database are the real ones.
  const created = await (await startPostgres()).createDatabase();
  const database = openDatabase({ connection: created.connection, applicationName: "cuttle-test-gone", connectionsMax: 3 });
  const agents = createAgents({
    identity: await createIdentity("test server"),
    polling: createPollingQueue(),
    findProxy: async () => undefined,
  });
  const port = await freePort();
  const node = await startMortalNode({
    name: "only",
    connection: created.connection,
    folder: createMemoryLogFolder(),
    agents,
    handler: (own) => ({
      name: "Deploy",
      run: async (run) =>
        runPlan(
          scriptPlan({
            taskId: run.task.id,
            title: "Deploy Shop 1.0.0 to Production",
            steps: [
              {
                id: "1",
                body: "true",
                targets: [{ machineId: "Machines-1", name: "web-1", agent: { host: "127.0.0.1", port, thumbprint: "AB".repeat(20) } }],
              },
            ],
          }),
          run,
          {
            agents: own,
            stepTypes: createStepTypes({ packages: noPackages }),
            outputCipher: createSecrets(createMasterKey()),
            readSecrets: async () => new Map(),
            prepareMasking: () => ({ createMasker: () => ({ push: (line) => [line], flush: () => [] }) }),
            agentGoneMs: 1_500,
          },
        ),
    }),
  });
  try {
    const taskId = await database.transaction((tx) =>
      enqueueTask(tx, {
        spaceId: null,
        name: "Deploy",
        description: "Deploy",
        arguments: {},
        argumentsVersion: 1,
        concurrencyTag: null,
        actor: systemActor,
      }),
    );
    const row = await eventually("the task ends", async () => {
      const [found] = await database.query<{ state: string; error_message: string }>(
        `SELECT state, error_message FROM tasks WHERE id = $1 AND completed_at IS NOT NULL`,
        [taskId],
      );
      return found;
    });
    assert.equal(row.state, "Failed");
    assert.match(row.error_message, new RegExp(`web-1 at 127\\.0\\.0\\.1:${port} could not be reached: .*The script was not started\\.`));
  } finally {
    await node.close();
    await agents.close();
    await database.close();
    await created.drop();
  }
});
