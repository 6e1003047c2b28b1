// Plans made of snapshots: where actions run, which worker, what the server says of the run, and every reason why there can be no plan.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProcessAction, ProcessStep } from "../../projects/projects.ts";
import { createStepTypes } from "../step-types/step-types.ts";
import type { CandidateMachine, DeploymentSnapshot } from "./deployment-snapshot.ts";
import { noPackages } from "../../../../test/support/no-packages.ts";
import { planDeployment } from "./plan-deployment.ts";

const machine = (id: number, roles: string[]): CandidateMachine => ({
  id: `Machines-${id}`,
  name: `web-${id}`,
  roles,
  healthStatus: "Healthy",
  machinePolicyId: "MachinePolicies-1",
  communicationStyle: "TentaclePassive",
  uri: `https://10.0.0.${id}:10933/`,
  proxyId: null,
  thumbprint: "AB".repeat(20),
});
const worker = (id: number, healthStatus: CandidateMachine["healthStatus"]) => ({
  ...machine(id, []),
  id: `Workers-${id}`,
  name: `worker-${id}`,
  healthStatus,
});
const action = (name: string, more: Partial<ProcessAction> = {}): ProcessAction => ({
  Id: `action-${name}`,
  Name: name,
  Slug: name,
  ActionType: "Octopus.Script",
  Notes: null,
  IsDisabled: false,
  IsRequired: false,
  Condition: "Success",
  Environments: [],
  ExcludedEnvironments: [],
  Channels: [],
  TenantTags: [],
  WorkerPoolId: null,
  WorkerPoolVariable: null,
  Container: null,
  Packages: [],
  GitDependencies: [],
  ...more,
  Properties: { "Octopus.Action.Script.Syntax": "Bash", "Octopus.Action.Script.ScriptBody": "true", ...more.Properties },
});
const step = (name: string, roles: string, ...Actions: ProcessAction[]): ProcessStep => ({
  Id: `step-${name}`,
  Name: name,
  Slug: name,
  Condition: "Success",
  StartTrigger: "StartAfterPrevious",
  PackageRequirement: "LetOctopusDecide",
  Properties: roles === "" ? {} : { "Octopus.Action.TargetRoles": roles },
  Actions,
});

function snapshot(steps: ProcessStep[], more: Partial<DeploymentSnapshot> = {}): DeploymentSnapshot {
  const at = new Date(0);
  return {
    tenant: null,
    missingTenantValues: [],
    deployment: {
      id: "Deployments-7",
      name: "Deploy to Production",
      taskId: "ServerTasks-10",
      comments: null,
      createdAt: at,
      deployedBy: "anna",
      deployedById: "Users-1",
      changes: [],
      changesMarkdown: "",
      options: {
        forcePackageDownload: false,
        forcePackageRedeployment: false,
        skipActionIds: [],
        specificMachineIds: [],
        excludedMachineIds: [],
      },
    },
    space: { id: "Spaces-1", name: "Default" },
    release: {
      id: "Releases-3",
      version: "1.2.0",
      notes: null,
      channelId: "Channels-1",
      customFields: { Ticket: "T-1" },
      selectedPackages: [],
    },
    facts: {
      space_name: "Default",
      channel_name: "Main",
      project_group_id: "ProjectGroups-1",
      project_group_name: "All",
      environment_sort_order: 2,
      task_description: "Deploy Shop",
      queued_at: at,
      deployer_display_name: "Anna",
      deployer_email: "anna@example.com",
      release_assembled_at: at,
      previous_release_id: "Releases-2",
      previous_release_version: "1.1.0",
      current_deployment_id: "Deployments-5",
      current_release_id: "Releases-3",
      current_release_version: "1.2.0",
      former_release_id: null,
      former_release_version: null,
    },
    project: {
      id: "Projects-1",
      name: "Shop",
      slug: "shop",
      connectivity: {
        SkipMachineBehavior: "None",
        TargetRoles: [],
        AllowDeploymentsToNoTargets: false,
        ExcludeUnhealthyTargets: false,
      } as DeploymentSnapshot["project"]["connectivity"],
    },
    environment: { id: "Environments-1", name: "Production", slug: "production" },
    targetRetention: "forever",
    process: { snapshotId: "p", steps },
    variables: [],
    machines: [machine(1, ["web"]), machine(2, ["Web", "db"])],
    workerPools: [],
    ...more,
  };
}

const parts = {
  taskId: "ServerTasks-10",
  stepTypes: createStepTypes({ packages: noPackages }),
  nowMs: 0,
  webUrl: "https://deploy.example.com/octo",
};
const planOf = (from: DeploymentSnapshot) => {
  const result = planDeployment(from, parts);
  if (result === "needsBuiltInWorker") assert.fail(result);
  assert.ok(result.ok, result.ok ? "" : result.faults.join(" "));
  return result.plan;
};
const faultsOf = (from: DeploymentSnapshot) => {
  const result = planDeployment(from, parts);
  if (result === "needsBuiltInWorker") assert.fail(result);
  return result.ok ? [] : result.faults;
};

test("a step with several actions is one step with all its targets, and each action knows its place", () => {
  const [rolling, single] = planOf(snapshot([step("Roll", "web", action("A"), action("B")), step("Outer", "DB", action("Inner"))])).steps;
  assert.deepEqual(
    rolling?.targets.map((one) => one.name),
    ["web-1", "web-2"],
  );
  assert.deepEqual([rolling?.id, rolling?.name, single?.id, single?.name], ["step-Roll", "Roll", "action-Inner", "Inner"]);
  const numbers = rolling?.actions.map((one) => one.values.find((value) => value.name === "Octopus.Action.Number"));
  assert.deepEqual(numbers, [
    { name: "Octopus.Action.Number", value: "1.1" },
    { name: "Octopus.Action.Number", value: "1.2" },
  ]);
  assert.deepEqual(
    single?.targets.map((one) => one.name),
    ["web-2"],
  );
});

const onServer = { Properties: { "Octopus.Action.RunOnServer": "True" } };
const pools = [
  {
    id: "WorkerPools-1",
    name: "Default Worker Pool",
    isDefault: true,
    workers: [worker(1, "Unhealthy"), worker(2, "Healthy"), worker(3, "HasWarnings")],
  },
  { id: "WorkerPools-2", name: "Builders", isDefault: false, workers: [worker(4, "Unknown")] },
  { id: "WorkerPools-3", name: "Gone", isDefault: false, workers: [worker(5, "Unavailable")] },
];

test("what runs on the server runs on a well worker of its pool: once, or for each target; the workers take turns", () => {
  const plan = planOf(
    snapshot(
      [
        step("One", "", action("A", onServer)),
        step("Two", "", action("B", onServer)),
        step("Each", "web", action("C", { ...onServer, WorkerPoolId: "WorkerPools-2" })),
      ],
      { workerPools: pools },
    ),
  );
  assert.deepEqual(
    plan.steps.map((one) => [one.runs, one.targets.length]),
    [
      ["once", 0],
      ["once", 0],
      ["targets", 2],
    ],
  );
  const workers = plan.steps.map((one) => one.actions[0]?.worker?.name);
  assert.deepEqual([new Set(workers.slice(0, 2)), workers[2]], [new Set(["worker-2", "worker-3"]), "worker-4"]);
  assert.deepEqual(plan.steps[2]?.actions[0]?.values.slice(-2), [
    { name: "Octopus.WorkerPool.Id", value: "WorkerPools-2" },
    { name: "Octopus.WorkerPool.Name", value: "Builders" },
  ]);
});

test("only where nobody has put a worker into the default pool, the node's own one is asked for and runs it", () => {
  const steps = [step("One", "", action("A", onServer)), step("Each", "web", action("B", onServer))];
  const empty = [{ id: "WorkerPools-1", name: "Default Worker Pool", isDefault: true, workers: [] }, pools[1]!];
  const from = snapshot(steps, { workerPools: empty });
  assert.equal(planDeployment(from, parts), "needsBuiltInWorker");
  const own = { machineId: "BuiltInWorkers-a", name: "a's own", agent: { subscription: "poll://a/", thumbprint: "AB".repeat(20) } };
  const planned = planDeployment(from, { ...parts, builtIn: { worker: own } });
  assert.ok(planned !== "needsBuiltInWorker" && planned.ok);
  assert.deepEqual(
    planned.plan.steps.map((one) => [one.runs, one.actions[0]?.worker?.name]),
    [
      ["once", "a's own"],
      ["targets", "a's own"],
    ],
  );
  const refused = planDeployment(from, { ...parts, builtIn: { refusal: "node a does not run it" } });
  assert.ok(refused !== "needsBuiltInWorker" && !refused.ok);
  assert.match(
    refused.faults[0] ?? "",
    /'A' runs on the server, and node a does not run it\. Register a worker in the pool 'Default Worker Pool'/,
  );
  // Somebody wanted it to run there, and not here.
  const unwell = [{ ...empty[0]!, workers: [worker(1, "Unhealthy")] }];
  assert.match(faultsOf(snapshot(steps, { workerPools: unwell }))[0] ?? "", /'Default Worker Pool' has no worker that is healthy/);
});

test("a pool may be named by a variable, by its scope; without a well worker, a pool or a value there is no plan, and why is said", () => {
  const by = (name: string) => step("One", "", action("A", { ...onServer, WorkerPoolVariable: name }));
  const pool = (id: string, value: string, environment: string) => ({
    id,
    name: "Pool",
    value,
    secretId: null,
    sensitive: false,
    scope: { Environment: [environment] },
    origin: "project" as const,
    type: "WorkerPool" as const,
  });
  const variables = [pool("1", "WorkerPools-2", "Environments-1"), pool("2", "WorkerPools-1", "Environments-2")];
  assert.equal(planOf(snapshot([by("pool")], { workerPools: pools, variables })).steps[0]?.actions[0]?.worker?.name, "worker-4");
  assert.match(
    faultsOf(snapshot([by("Other")], { workerPools: pools, variables }))[0] ?? "",
    /its variable 'Other' names no worker pool here/,
  );
  const gone = step("One", "", action("A", { ...onServer, WorkerPoolId: "WorkerPools-3" }));
  assert.match(faultsOf(snapshot([gone], { workerPools: pools }))[0] ?? "", /the pool 'Gone' has no worker that is healthy\. Register one/);
  assert.match(faultsOf(snapshot([step("One", "", action("A", onServer))]))[0] ?? "", /this space has no default worker pool/);
});

test("what cannot run is said of every step at once", () => {
  const faults = faultsOf(
    snapshot([
      step("One", "web", action("A", { ActionType: "Octopus.Helm" })),
      step("Two", "", action("B")),
      step("Three", "web", action("C", { Properties: { "Octopus.Action.Script.Syntax": "FSharp" } })),
    ]),
  );
  assert.equal(faults.length, 3);
  assert.match(
    faults.join("\n"),
    /'A' has the type Octopus\.Helm[^]*'B' names no target roles[^]*'C' is written in FSharp; this server runs Bash, PowerShell, Python/,
  );
});

test("the server says what it knows of the run, and leaves out what there is not", () => {
  const values = new Map(
    planOf(snapshot([step("One", "web", action("A"))])).values.map((one) => [one.name, "value" in one ? one.value : undefined]),
  );
  const expected = {
    "Octopus.Release.Previous.Number": "1.1.0",
    "Octopus.Release.CurrentForEnvironment.Number": "1.2.0",
    "Octopus.Release.CustomFields[Ticket]": "T-1",
    "Octopus.Deployment.PreviousSuccessful.Id": "Deployments-5",
    "Octopus.Deployment.CreatedBy.EmailAddress": "anna@example.com",
    "Octopus.Deployment.Machines": "Machines-1,Machines-2",
    "Octopus.Environment.MachinesInRole[web]": "Machines-1,Machines-2",
    "Octopus.Environment.MachinesInRole[db]": "Machines-2",
    "Octopus.Web.DeploymentLink": "/octo/app#/Spaces-1/projects/shop/deployments/releases/1.2.0/deployments/Deployments-7",
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(values.get(name), value, name);
  assert.equal(values.has("Octopus.Release.PreviousForEnvironment.Id"), false);
});
