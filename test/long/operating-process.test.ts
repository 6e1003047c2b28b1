// What the people who run a node do to it and see of it, through real processes: a folder that is away, draining, task caps, why a task
// waits, joining with the wrong folder, stopping behind a load balancer.
import assert from "node:assert/strict";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { parseConnectionString } from "../../server/connection-string.ts";
import { openDatabase } from "../../server/platform/database/database.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi, Document } from "../support/cluster-api.ts";
import { createCluster } from "../support/cluster.ts";
import type { AgentProcess, Cluster, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { createObserver } from "../support/observer.ts";
import type { Acknowledged, ObservedProject, Observer } from "../support/observer.ts";

const linux = { skip: process.platform === "linux" ? false : "stops and looks at processes as Linux does" } as const;
const oneStep = [{ lines: 1, pauseMs: 0 }];

describe("operating a node", { ...linux, timeout: 180_000 }, () => {
  let cluster: Cluster;
  let server: ServerProcess;
  let agent: AgentProcess;
  let api: ClusterApi;
  let observer: Observer;
  let brief: ObservedProject;

  before(async () => {
    cluster = await createCluster();
    server = await cluster.server({ name: "node-1", environment: { CUTTLE_STOP_DELAY: "2" } });
    await server.start();
    agent = await cluster.agent({ name: "web-1", trust: server.ready.thumbprint });
    await agent.start();
    api = createClusterApi(() => [server.ready.url]);
    observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    brief = await project("brief");
  });
  after(() => cluster?.close());

  const status = async (address: string): Promise<number> => (await api.once(server.ready.url, "GET", address)).status;
  const waiting = async (deployment: Acknowledged): Promise<Document> => api.get(`/api/tasks/${deployment.taskId}/waiting`);
  const kinds = async (deployment: Acknowledged): Promise<string[]> =>
    (await waiting(deployment)).Reasons.map((reason: Document) => reason.Kind);
  const node = (...words: string[]) => cluster.serverCommand(server, "node", "--serverNodeName", "node-1", ...words);

  function project(name: string, script?: string, port = agent.port): Promise<ObservedProject> {
    return observer.prepare({
      name,
      environments: 1,
      machines: [{ name: "web-1", port, thumbprint: agent.ready.thumbprint }],
      steps: oneStep,
      ...(script === undefined ? {} : { scripts: [observer.scriptFor(1, oneStep[0]!, script)] }),
    });
  }

  /** A deployment whose script runs until `let go` is called. */
  async function heldDeployment(name: string): Promise<{ deployment: Acknowledged; project: ObservedProject; letGo: () => void }> {
    const go = path.join(cluster.root, `go-${name}`);
    const held = await project(name, `until [ -e ${go} ]; do sleep 0.05; done`);
    const deployment = await observer.deploy(held);
    await observer.began(deployment, 1);
    return { deployment, project: held, letGo: () => writeFileSync(go, "") };
  }

  test("A3: a node without its shared folder says so to balancers, takes no task, and goes on when the folder is back", async () => {
    const folder = path.join(server.home, "shared");
    renameSync(folder, `${folder}.away`);
    await eventually("it is not ready", async () => (await status("/api/health/ready")) === 503);
    assert.deepEqual((await api.once(server.ready.url, "GET", "/api/health/ready")).body.Checks, [
      { Name: "Database", Status: "ok", Message: null },
      { Name: "Shared folder", Status: "failing", Message: "The Shared folder is not available." },
    ]);
    assert.equal(await status("/api/octopusservernodes/ping"), 503);
    assert.equal(await status("/api/health/live"), 200);
    const deployment = await observer.deploy(brief);
    await eventually("its record says why it waits", async () => {
      const { Reasons: reasons } = await waiting(deployment);
      return reasons.length === 1 && reasons[0].Kind === "NoNode" && /node-1 cannot reach its shared folder/.test(reasons[0].Message);
    });
    assert.equal((await api.get(`/api/tasks/${deployment.taskId}`)).State, "Queued");

    // An empty folder in its place, as a mount point without its mount is one, does not deceive it.
    mkdirSync(folder);
    assert.equal(await status("/api/health/ready"), 503);
    assert.equal((await api.get(`/api/tasks/${deployment.taskId}`)).State, "Queued");
    renameSync(folder, `${folder}.empty`);
    renameSync(`${folder}.away`, folder);
    assert.equal((await observer.final(deployment)).State, "Success");
    assert.equal(await status("/api/octopusservernodes/ping"), 200);
    assert.deepEqual(await observer.faultsOf(deployment), []);
  });

  test("draining: nothing new begins, what runs goes on, the ping says 418; undrained, it works again", async () => {
    const { deployment, letGo } = await heldDeployment("drained");
    const drained = await node("--drain=true");
    assert.deepEqual(
      [drained.exitCode, drained.stdout, drained.stderr],
      [
        1,
        "Node node-1 is drained: it starts no task.\n",
        `It still runs ${deployment.taskId}. Wait longer with --wait, or cancel them with --cancel-tasks.\n`,
      ],
    );
    assert.equal(await status("/api/octopusservernodes/ping"), 418);
    assert.equal(await status("/api/health/ready"), 200);
    const next = await observer.deploy(brief);
    assert.match((await waiting(next)).Reasons[0].Message, /No node takes tasks now: node-1 is drained\./);
    const waited = node("--drain=true", "--wait=50");
    letGo();
    assert.deepEqual([(await waited).exitCode, (await waited).stderr], [0, ""]);
    assert.equal((await observer.final(deployment)).State, "Success");
    assert.equal((await api.get(`/api/tasks/${next.taskId}`)).State, "Queued");
    assert.deepEqual(
      (await api.get("/api/octopusservernodes/summary")).Nodes.map((one: Document) => [one.IsInMaintenanceMode, one.RunningTaskCount]),
      [[true, 0]],
    );
    assert.equal((await node("--drain=false")).exitCode, 0);
    assert.equal((await observer.final(next)).State, "Success");
    const { Items: events } = await api.get(`/api/events?regarding=OctopusServerNodes-node-1`);
    assert.ok(events.some((event: Document) => event.Username === "command line" && /draining/.test(event.Message)));
  });

  test("draining with --cancel-tasks cancels what still runs after the wait", async () => {
    const { deployment } = await heldDeployment("cancelled");
    const drained = await node("--drain=true", "--wait=1", "--cancel-tasks");
    assert.equal(drained.exitCode, 0, drained.stderr);
    assert.match(drained.stdout, new RegExp(`node-1 still runs ${deployment.taskId}\\.\nCancelled: ${deployment.taskId}\\.`));
    assert.equal((await observer.final(deployment)).State, "Canceled");
    assert.equal((await node("--drain=false")).exitCode, 0);
  });

  test("D1, D3: a deployment for later is kept by a node that is killed, and starts once, at its time", async () => {
    const startsAt = Date.now() + 8_000;
    const later = await observer.deploy(brief, 0, { QueueTime: new Date(startsAt).toISOString() });
    assert.deepEqual(await kinds(later), ["Scheduled"]);
    await server.kill();
    await server.start();
    assert.equal((await observer.final(later)).State, "Success");
    const [trace] = observer.traces(later, 1);
    assert.ok(trace!.atMs >= startsAt, `It began ${startsAt - trace!.atMs} ms before its time.`);
    assert.deepEqual(await observer.faultsOf(later), []);
  });

  test("a queued task says whether tasks before it, the cap, or nothing holds it up; a running one, which agent is silent", async () => {
    assert.equal((await node("--taskCap=1")).stdout, "Node node-1 runs up to 1 tasks at once.\n");
    // A node reads its cap with each sign of life; the second one after the change was surely begun after it.
    for (const beat of ["first", "second"]) {
      const lastSeen = async (): Promise<string> => (await api.get("/api/octopusservernodes/summary")).Nodes[0].LastSeen;
      const before = await lastSeen();
      await eventually(`the node's ${beat} sign of life`, async () => (await lastSeen()) !== before);
    }
    const { deployment, project: held, letGo } = await heldDeployment("waiting");
    const behind = await observer.deploy(held);
    const elsewhere = await observer.deploy(brief);
    assert.deepEqual(
      (await waiting(behind)).Reasons.map((reason: Document) => [reason.Kind, reason.RelatedDocumentIds]),
      [["TasksAhead", [deployment.taskId]]],
    );
    assert.deepEqual(await kinds(elsewhere), ["TaskCap"]);
    assert.match((await waiting(elsewhere)).Reasons[0].Message, /All 1 places .* \(1 running\)/);
    assert.deepEqual(
      (await api.get(`/api/tasks/${elsewhere.taskId}/queued-behind`)).Items.map((task: Document) => task.Id),
      [deployment.taskId],
    );
    assert.deepEqual((await waiting(deployment)).Reasons, []);
    letGo();
    for (const one of [deployment, behind, elsewhere]) assert.equal((await observer.final(one)).State, "Success");
    assert.deepEqual((await waiting(elsewhere)).Reasons, []);

    await agent.freeze();
    const silent = await observer.deploy(brief);
    await eventually("the silent agent is named", async () => {
      const { Reasons: reasons } = await waiting(silent);
      return (
        reasons.length === 1 &&
        reasons[0].Kind === "AgentSilent" &&
        reasons[0].Message.startsWith("web-1 of brief has not taken its script for")
      );
    });
    agent.thaw();
    assert.equal((await observer.final(silent)).State, "Success");
    assert.equal((await node("--taskCap=5")).exitCode, 0);
  });

  test("wrong words of the command node are refused with what to write, and change nothing", async () => {
    for (const [words, message] of [
      [[], /Say what to change/],
      [["--drain=perhaps"], /--drain is true or false, not "perhaps"/],
      [["--wait=5"], /Say what to change/],
      [["--drain=false", "--wait=5"], /only go with --drain=true/],
      [["--drain=true", "--wait=soon"], /--wait is a number of seconds/],
      [["--taskCap=-1"], /must be a number from 0 to/],
    ] as const) {
      const answer = await node(...words);
      assert.equal(answer.exitCode, 2, words.join(" "));
      assert.match(answer.stderr, message);
    }
    const stranger = await cluster.serverCommand(server, "node", "--serverNodeName", "node-9", "--drain=true");
    assert.equal(stranger.exitCode, 1);
    assert.match(stranger.stderr, /No node named 'node-9' is known to this cluster/);
    assert.equal(await status("/api/octopusservernodes/ping"), 200);
  });

  test("a node that is told to stop first tells balancers, still answers requests for its delay, and then ends", async () => {
    const stopped = server.stop();
    await eventually("it is not ready", async () => (await status("/api/health/ready")) === 503);
    assert.equal(await status("/api/octopusservernodes/ping"), 418);
    assert.equal(await status("/api/users/me"), 200);
    assert.equal(await stopped, 0);
  });

  test("A1: a node with another shared folder than its cluster's is refused with what to do, and joins when it is told to adopt it", async () => {
    const folder = path.join(server.home, "shared");
    renameSync(folder, `${folder}.lost`);
    await assert.rejects(server.start());
    assert.match(server.lastWords(), /is not the shared folder of this cluster.*--adoptSharedFolder true/);
    const adopting = await cluster.serverCommand(server, "run", "--adoptSharedFolder", "perhaps");
    assert.equal(adopting.exitCode, 2);
    assert.match(adopting.stderr, /--adoptSharedFolder \(CUTTLE_ADOPT_SHARED_FOLDER\) is true or false/);
    renameSync(folder, `${folder}.other`);
    renameSync(`${folder}.lost`, folder);
    await server.start();
    assert.equal((await observer.final(await observer.deploy(brief))).State, "Success");
  });

  test("D11: a node of a taken name is refused, and one older than the schema; one that runs already goes on beside a newer version", async () => {
    const { connectionString } = await (await cluster.postgres()).start();
    const first = await cluster.server({ name: "twin", connectionString });
    await first.start();
    const words = ["--serverNodeName", "twin", "--clusterShared", path.join(cluster.root, "shared"), "--commsListenPort", "0"];
    const masterKey = await cluster.masterKeyOf(first);
    const second = await cluster.server({ name: "second", connectionString, masterKey });
    const refused = await cluster.serverCommand(second, "run", ...words, "--webListenPrefixes", "http://127.0.0.1:0");
    assert.equal(refused.exitCode, 1, refused.stderr);
    assert.match(
      refused.stderr,
      /Another node named 'twin' is running in this cluster\. Give each node a name of its own with --serverNodeName\./,
    );
    await first.kill();
    await first.start();
    const { Nodes: nodes } = (await api.once(first.ready.url, "GET", "/api/octopusservernodes/summary")).body;
    assert.deepEqual(
      nodes.map((one: Document) => [one.Name, one.IsOffline]),
      [["twin", false]],
    );

    // What a newer version leaves when it joins: a migration that this one does not know.
    const { connection } = parseConnectionString(connectionString);
    const database = openDatabase({ connection, applicationName: "a newer version", connectionsMax: 1 });
    await database.execute(`INSERT INTO schema_migrations (name, timestamp) VALUES ('9999-from-the-future', now()::text)`);
    await database.close();
    assert.equal((await api.once(first.ready.url, "POST", "/api/environments", { Name: "beside a newer node" })).status, 201);
    await first.stop();
    await assert.rejects(first.start());
    assert.match(first.lastWords(), /upgraded by a newer version of Cuttle \(it holds 9999-from-the-future/);
  });
});
