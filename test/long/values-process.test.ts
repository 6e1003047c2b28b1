// Values of a deployment from end to end, through a real server and real agents: variables by their scopes, secrets, outputs of earlier
// steps, a worker, parameters and Python.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi } from "../support/cluster-api.ts";
import { createCluster } from "../support/cluster.ts";
import type { AgentProcess, Cluster, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";

const skip = spawnSync("python3", ["--version"]).status === 0 ? false : "there is no python3 on this machine";
const secret = "correct-horse-battery";
const deadlineMs = 120_000;

let cluster: Cluster;
let server: ServerProcess;
let web: AgentProcess;
let worker: AgentProcess;
let api: ClusterApi;
before(async () => {
  if (skip !== false) return;
  cluster = await createCluster();
  server = await cluster.server({ name: "node-1" });
  await server.start();
  web = await cluster.agent({ name: "web-1", trust: server.ready.thumbprint });
  worker = await cluster.agent({ name: "worker-1", trust: server.ready.thumbprint });
  await Promise.all([web.start(), worker.start()]);
  api = createClusterApi(() => [server.ready.url]);
});
after(() => cluster?.close());

const endpointOf = (agent: AgentProcess) => ({
  CommunicationStyle: "TentaclePassive",
  Uri: `https://127.0.0.1:${agent.port}/`,
  Thumbprint: agent.ready.thumbprint,
});
const script = (name: string, syntax: string, body: string, more: { [property: string]: string } = {}) => ({
  Name: name,
  Properties: more["Octopus.Action.RunOnServer"] === undefined ? { "Octopus.Action.TargetRoles": "web" } : {},
  Actions: [
    {
      Name: name,
      ActionType: "Octopus.Script",
      Properties: {
        "Octopus.Action.Script.ScriptSource": "Inline",
        "Octopus.Action.Script.Syntax": syntax,
        "Octopus.Action.Script.ScriptBody": body,
        ...more,
      },
    },
  ],
});

test("S2 D7: what a step sets is read by later ones on target and worker, and no secret is shown", { skip, timeout: 240_000 }, async () => {
  const environment = await api.create("/api/environments", { Name: "Production" });
  await api.create("/api/machines", { Name: "web-1", EnvironmentIds: [environment.Id], Roles: ["web"], Endpoint: endpointOf(web) });
  await api.create("/api/workers", { Name: "worker-1", WorkerPoolIds: ["WorkerPools-1"], Endpoint: endpointOf(worker) });
  const [group] = await api.get("/api/projectgroups/all");
  const [lifecycle] = await api.get("/api/lifecycles/all");
  const project = await api.create("/api/projects", { Name: "Shop", ProjectGroupId: group.Id, LifecycleId: lifecycle.Id });
  const set = await api.get(project.Links.Variables);
  await api.put(project.Links.Variables, {
    ...set,
    Variables: [
      { Name: "Site", Value: "any" },
      { Name: "Site", Value: "#{Octopus.Environment.Name | ToLower}-site", Scope: { Environment: [environment.Id] } },
      { Name: "Secret", Type: "Sensitive", IsSensitive: true, Value: secret },
    ],
  });
  await api.put(`/api/projects/${project.Id}/deploymentprocesses`, {
    Steps: [
      script(
        "Set",
        "Bash",
        'set_octopusvariable Color "$(get_octopusvariable Site)"\nset_octopusvariable Key "$(get_octopusvariable secret)-2" -sensitive\necho "key $(get_octopusvariable Secret)-2"',
      ),
      script(
        "Work",
        "Python",
        "import os\nprint('worker', get_octopusvariable('Octopus.Action[Set].Output.Color'), os.environ['TentacleHome'].split('/')[-1])",
        {
          "Octopus.Action.RunOnServer": "True",
        },
      ),
      script(
        "Use",
        "Bash",
        'echo "use #{Octopus.Action[Set].Output[web-1].Color | ToUpper} $1|$2|$(get_octopusvariable "Octopus.Action[Set].Output.Key")|"',
        {
          "Octopus.Action.Script.ScriptParameters": "#{Octopus.Release.Number} 'two words'",
        },
      ),
    ],
  });
  const release = await api.create("/api/releases", { ProjectId: project.Id, Version: "1.0.0" });
  const deployment = await api.create("/api/deployments", { ReleaseId: release.Id, EnvironmentId: environment.Id });
  const task = await eventually(
    "the deployment ends",
    async () => {
      const found = await api.get(`/api/tasks/${deployment.TaskId}`);
      return found.IsCompleted ? found : undefined;
    },
    deadlineMs,
  );
  const log = await api.getText(`/api/tasks/${deployment.TaskId}/raw`);
  assert.equal(task.State, "Success", `${task.ErrorMessage}\n${log}`);
  assert.match(log, /key \*{8}$/m);
  assert.match(log, new RegExp(`worker production-site ${worker.home.split("/").at(-1)}$`, "m"));
  assert.match(log, /use PRODUCTION-SITE 1\.0\.0\|two words\|\*{8}\|$/m);
  assert.doesNotMatch(log, new RegExp(secret));
  assert.doesNotMatch(log, /##octopus/);
});
