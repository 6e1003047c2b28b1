// Scripts that run on the server itself, and scripts of packages on target, worker and server, through real nodes and real agents. The observer
// is the task's log and what lies on the agents' disks. Holds D1, D2 and D3 (a killed node), S1 (the server's secrets stay its own), A1.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { makeZip } from "../support/archives.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi, Document } from "../support/cluster-api.ts";
import { clusterApiKey, createCluster } from "../support/cluster.ts";
import type { AgentProcess, Cluster, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";

const space = "/api/Spaces-1";
const deadlineMs = 240_000;
const isRoot = process.getuid?.() === 0;
const onServer = { "Octopus.Action.RunOnServer": "True" };

/** A step with one script. `roles` are target tags. */
function step(name: string, body: string, more: { roles?: string; properties?: object; action?: object } = {}): object {
  return {
    Name: name,
    Properties: more.roles === undefined ? {} : { "Octopus.Action.TargetRoles": more.roles },
    Actions: [
      {
        Name: name,
        ActionType: "Octopus.Script",
        Properties: {
          "Octopus.Action.Script.ScriptSource": "Inline",
          "Octopus.Action.Script.Syntax": "Bash",
          "Octopus.Action.Script.ScriptBody": body,
          ...more.properties,
        },
        ...more.action,
      },
    ],
  };
}

describe("scripts on the server and from packages", { timeout: 900_000 }, () => {
  let cluster: Cluster;
  let nodes: ServerProcess[];
  let agents: { [name: string]: AgentProcess };
  let api: ClusterApi;
  let environment: Document;
  let projects = 0;

  before(async () => {
    cluster = await createCluster();
    const { connectionString } = await (await cluster.postgres()).start();
    // Who is not root says so: then the scripts have the server's account.
    const environmentOf = { CUTTLE_BUILT_IN_WORKER: isRoot ? "auto" : "true" };
    const one = await cluster.server({ name: "node-a", connectionString, environment: environmentOf });
    await one.start();
    const masterKey = await cluster.masterKeyOf(one);
    const other = await cluster.server({ name: "node-b", connectionString, masterKey, environment: environmentOf });
    await other.start();
    nodes = [one, other];
    api = createClusterApi(() => nodes.filter((node) => node.isRunning()).map((node) => node.ready.url));
    const trust = one.ready.thumbprint;
    agents = { "web-1": await cluster.agent({ name: "web-1", trust }), builder: await cluster.agent({ name: "builder", trust }) };
    await Promise.all(Object.values(agents).map((agent) => agent.start()));
    environment = await api.create(`${space}/environments`, { Name: "Production" });
    const endpoint = ({ port, ready }: AgentProcess) => ({
      CommunicationStyle: "TentaclePassive",
      Uri: `https://127.0.0.1:${port}/`,
      Thumbprint: ready.thumbprint,
    });
    // The second one is never reached: what runs for it runs on the server.
    for (const name of ["web-1", "web-2"])
      await api.create(`${space}/machines`, {
        Name: name,
        EnvironmentIds: [environment.Id],
        Roles: [name === "web-1" ? "web" : "far"],
        Endpoint: endpoint(agents["web-1"]!),
      });
    const pool = await api.create(`${space}/workerpools`, { Name: "Builders" });
    await api.create(`${space}/workers`, { Name: "builder", WorkerPoolIds: [pool.Id], Endpoint: endpoint(agents["builder"]!) });
  });

  after(async () => {
    await cluster?.close();
  });

  async function begin(steps: readonly object[], selected: readonly object[] = []): Promise<{ taskId: string; project: Document }> {
    const [group] = (await api.get(`${space}/projectgroups`)).Items;
    const [lifecycle] = (await api.get(`${space}/lifecycles`)).Items;
    const project = await api.create(`${space}/projects`, {
      Name: `Project ${++projects}`,
      ProjectGroupId: group.Id,
      LifecycleId: lifecycle.Id,
    });
    await api.put(`${space}/projects/${project.Id}/deploymentprocesses`, { Steps: steps });
    const release = await api.create(`${space}/releases`, { ProjectId: project.Id, Version: "1.0.0", SelectedPackages: selected });
    const { TaskId } = await api.create(`${space}/deployments`, { ReleaseId: release.Id, EnvironmentId: environment.Id });
    return { taskId: TaskId, project };
  }

  const rawLog = (taskId: string): Promise<string> => api.getText(`/api/tasks/${taskId}/raw`);

  async function ended(taskId: string, expected = "Success"): Promise<string> {
    const task = await eventually(
      "the deployment ends",
      async () => {
        const found = await api.get(`/api/tasks/${taskId}`);
        return found.IsCompleted ? found : undefined;
      },
      deadlineMs,
    );
    const log = await rawLog(taskId);
    assert.equal(task.State, expected, `${log}\n${nodes.map((node) => node.lastWords()).join("\n")}`);
    return log;
  }

  const workerHome = (node: ServerProcess): string => path.join(node.home, "built-in-worker/home");

  test("A1 S1: once or for each target with its values, with outputs and artifacts; no secret of the server is within reach", async () => {
    const [one] = nodes;
    const look = [
      `id -u`,
      `ls ${one!.home} && echo "listed the home"`,
      `cat ${one!.home}/master-key && echo "read the master key"`,
      `ls ${cluster.root}/shared && echo "listed the shared folder"`,
      ...nodes.map(({ pid }) => `cat /proc/${pid}/environ && echo "read the environment of the server"`),
      `env | grep -E 'CUTTLE|DB_CONNECTION|MASTER|ADMIN' && echo "has the server's variables"`,
      `echo "home is $HOME"`,
      `true`,
    ];
    const { taskId } = await begin([
      step("Look", look.join("\n"), { properties: onServer }),
      step(
        "Say",
        `set_octopusvariable Word "for $(get_octopusvariable Octopus.Machine.Name)"; echo content > report.txt; new_octopusartifact report.txt`,
        { roles: "web,far", properties: onServer },
      ),
      step("Hear", `echo "heard #{Octopus.Action[Say].Output[web-2].Word} in #{Octopus.WorkerPool.Name}"`, { properties: onServer }),
    ]);
    const log = await ended(taskId);
    assert.match(log, /heard for web-2 in Default Worker Pool/);
    const { Items: artifacts } = await api.get(`/api/artifacts?regarding=${taskId}`);
    assert.equal(artifacts.length, 2);
    const { TotalResults: workers } = await api.get(`${space}/workers`);
    assert.equal(workers, 1, "the built-in workers are in no list");
    assert.doesNotMatch(log, /has the server's variables/);
    assert.match(log, /home is .*\/built-in-worker\/home/);
    if (!isRoot) return;
    assert.doesNotMatch(log, /listed the home|read the master key|listed the shared folder|read the environment of the server/);
    assert.equal(log.match(/Permission denied/g)?.length, 3 + nodes.length, log);
  });

  test("a script of a package runs on a target, on a worker of a pool and on the server, with the packages that it refers to", async () => {
    const push = async (fileName: string, content: string, body: string): Promise<void> => {
      const zip = makeZip([
        { name: "run/it.sh", content: body, mode: 0o100755 },
        { name: "data.txt", content },
      ]);
      const response = await fetch(`${nodes[0]!.ready.url}/api/packages/raw?fileName=${fileName}`, {
        method: "POST",
        headers: { "X-Octopus-ApiKey": clusterApiKey, "Content-Type": "application/octet-stream" },
        body: new Uint8Array(zip),
      });
      assert.equal(response.status, 201, await response.text());
    };
    const said = `echo "package said $(cat ../data.txt) and $1 on $(get_octopusvariable Octopus.Action.Name)"\ncat "$2/data.txt"\n`;
    await push("Acme.Jobs.1.0.0.zip", "one", said);
    await push("Acme.Jobs.2.0.0.zip", "two", said);
    await push("Acme.Data.1.0.0.zip", "further", "");
    const packages = {
      Packages: [
        { Name: "", PackageId: "Acme.Jobs", FeedId: "feeds-builtin" },
        { Name: "data", PackageId: "Acme.Data", FeedId: "feeds-builtin", Properties: { Extract: "True" } },
        { Name: "file", PackageId: "Acme.Data", FeedId: "feeds-builtin", Properties: { Extract: "False" } },
      ],
    };
    const packaged = {
      "Octopus.Action.Script.ScriptSource": "Package",
      "Octopus.Action.Script.ScriptFileName": "run/it.sh",
      "Octopus.Action.Script.ScriptParameters":
        '"#{Octopus.Action.Package[file].PackageFileName}" "#{Octopus.Action.Package[data].ExtractedPath}"',
      "Octopus.Action.Package.PackageId": "Acme.Jobs",
      "Octopus.Action.Package.FeedId": "feeds-builtin",
    };
    const { Items: pools } = await api.get(`${space}/workerpools`);
    const builders = pools.find((pool: Document) => pool.Name === "Builders");
    const names = ["Target", "Worker", "Server"];
    const steps = [
      step("Target", "", { roles: "web", properties: packaged, action: packages }),
      step("Worker", "", { properties: { ...packaged, ...onServer }, action: { ...packages, WorkerPoolId: builders.Id } }),
      step("Server", "", { properties: { ...packaged, ...onServer }, action: packages }),
    ];
    const selected = names.flatMap((ActionName) => [
      { ActionName, PackageReferenceName: "", Version: ActionName === "Worker" ? "2.0.0" : "1.0.0" },
      { ActionName, PackageReferenceName: "data", Version: "1.0.0" },
      { ActionName, PackageReferenceName: "file", Version: "1.0.0" },
    ]);
    const { taskId, project } = await begin(steps, selected);
    const log = await ended(taskId);
    for (const [name, content] of [
      ["Target", "one"],
      ["Worker", "two"],
      ["Server", "one"],
    ])
      assert.ok(log.includes(`package said ${content} and Acme.Data.1.0.0.zip on ${name}`), log);
    assert.equal(log.match(/further/g)?.length, 3, log);
    for (const { home } of Object.values(agents)) assert.deepEqual(readdirSync(path.join(home, "Files/cuttle/running")), []);
    const template = await api.get(`${space}/deploymentprocesses/${project.DeploymentProcessId}/template`);
    const asked = template.Packages.map((one: Document) => [one.ActionName, one.PackageReferenceName, one.VersionSelectedLastRelease]);
    assert.deepEqual(asked.slice(3, 6), [
      ["Worker", "", "2.0.0"],
      ["Worker", "data", "1.0.0"],
      ["Worker", "file", "1.0.0"],
    ]);
  });

  test("D1 D2 D3: a node is killed in mid-script on the server; the script goes on, and the deployment ends with its one result", async () => {
    const go = path.join(cluster.root, "go");
    const body = `echo begun >> "$TentacleHome/marks"; echo "waiting"; until [ -e ${go} ]; do sleep 0.1; done; echo "went on"`;
    const { taskId } = await begin([step("Wait", body, { properties: onServer }), step("After", "echo after", { properties: onServer })]);
    const owner = await eventually(
      "the script runs",
      async () => {
        if (!(await rawLog(taskId)).includes("waiting")) return undefined;
        const { ServerNode } = await api.get(`/api/tasks/${taskId}`);
        return nodes.find(({ name }) => ServerNode === `OctopusServerNodes-${name}`);
      },
      deadlineMs,
    );
    const home = workerHome(owner);
    await owner.kill();
    // It ends while its node is away; the next worker of the node tells what came of it.
    writeFileSync(go, "");
    await owner.start();
    const log = await ended(taskId);
    assert.match(log, /went on[^]*after/);
    assert.equal(log.match(/went on/g)?.length, 1);
    assert.equal(readFileSync(path.join(home, "marks"), "utf8"), "begun\n");
    assert.ok(existsSync(go));
  });
});
