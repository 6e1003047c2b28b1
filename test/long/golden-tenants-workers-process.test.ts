// Golden deployments for tenants and on workers: who is deployed to with which values, and which machine runs a step on behalf of which target.
// The marks are written by the scripts themselves, in one file, in the order in which they ran. The richest are done again with a node killed.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createWorld } from "../support/golden-world.ts";
import type { Deployed, GoldenProject, GoldenStep, World } from "../support/golden-world.ts";
import type { Document } from "../support/cluster-api.ts";

const linux = { skip: process.platform === "linux" ? false : "runs Bash scripts on agents of this machine" } as const;
const space = "/api/Spaces-1";
const value = (name: string): string => `$(get_octopusvariable '${name}')`;
const machine = value("Octopus.Machine.Name");
/** The machine whose agent runs the script. */
const here = "${TentacleHome##*/}";

async function succeeded(deployment: Deployed): Promise<void> {
  const task = await deployment.ended();
  assert.equal(task.State, "Success", `${task.ErrorMessage}\n${await deployment.log()}`);
}

describe("golden deployments: tenants", { ...linux, timeout: 600_000 }, () => {
  let world: World;
  const tenants: { [name: string]: Document } = {};
  let project: GoldenProject;
  const own = "Octopus.Deployment.Tenant.Name";
  const steps = (stays: string): GoldenStep[] => [
    {
      name: "Configure",
      role: "web",
      script: `mark "${machine} ${value(own)}: ${value("Alias")} ${value("Color")} ${value("Size")} #{Key}"\necho "the key is #{Key}"\n${stays}`,
    },
    { name: "Tell", role: "web", script: `mark "tells ${value(own)} ${value("Octopus.Environment.Name")}"` },
  ];

  before(async () => {
    world = await createWorld({ nodes: 2 });
    const { api, machineIds, environmentIds } = world;
    const control = (type: string): object => ({ "Octopus.ControlType": type });
    const Templates = [{ Id: "alias", Name: "Alias", DisplaySettings: control("SingleLineText") }];
    const common = await api.create(`${space}/libraryvariablesets`, { Name: "Common", Templates });
    const variables = [
      { name: "Color", value: "the project's", environment: "Test" },
      { name: "Size", value: "of web-2", machine: "web-2" },
    ];
    project = await world.project({ name: "Hosted", steps: steps("sleep 1"), variables });
    await api.put(`${space}/projects/${project.id}`, {
      TenantedDeploymentMode: "Tenanted",
      IncludedLibraryVariableSetIds: [common.Id],
      Templates: [
        { Id: "color", Name: "Color", DisplaySettings: control("SingleLineText") },
        { Id: "size", Name: "Size", DefaultValue: "small", DisplaySettings: control("SingleLineText") },
        { Id: "key", Name: "Key", DisplaySettings: control("Sensitive") },
      ],
    });
    for (const name of ["Acme", "Bravo"]) {
      const made = await api.create(`${space}/tenants`, { Name: name, ProjectEnvironments: { [project.id]: [environmentIds["Test"]] } });
      tenants[name] = made;
      await api.put(`${space}/tenants/${made.Id}/variables`, {
        LibraryVariables: { [common.Id]: { Variables: { alias: name.toLowerCase() } } },
        ProjectVariables: {
          [project.id]: {
            Variables: { [environmentIds["Test"]!]: { color: `${name}'s`, key: { HasValue: true, NewValue: `secret of ${name}` } } },
          },
        },
      });
    }
    // web-1 serves Acme alone, web-2 serves both.
    for (const [name, served] of [
      ["web-1", ["Acme"]],
      ["web-2", ["Acme", "Bravo"]],
    ] as const) {
      const address = `${space}/machines/${machineIds[name]}`;
      const TenantIds = served.map((one) => tenants[one]!.Id);
      await api.put(address, { ...(await api.get(address)), TenantedDeploymentParticipation: "Tenanted", TenantIds });
    }
    await project.release("1.0.0");
  });
  after(() => world?.close());

  async function deployFor(names: string[]): Promise<Deployed[]> {
    const answer = await world.api.create(`${space}/deployments/create/tenanted/v1`, {
      projectName: "Hosted",
      releaseVersion: "1.0.0",
      environmentName: "Test",
      tenants: names,
    });
    return (answer.DeploymentServerTasks as Document[]).map((one) => world.deployment(one.DeploymentId, one.ServerTaskId));
  }

  test("each tenant gets its own values on its own machines, and its secrets stay out of the log", async () => {
    const [acme, bravo] = await deployFor(["Acme", "Bravo"]);
    await succeeded(acme!);
    await succeeded(bravo!);
    const wanted = (size: string, on: string, name: string): string =>
      `${on} ${name}: ${name.toLowerCase()} ${name}'s ${size} secret of ${name}`;
    assert.deepEqual(acme!.marks().slice(0, 2).toSorted(), [wanted("small", "web-1", "Acme"), wanted("of web-2", "web-2", "Acme")]);
    assert.deepEqual(acme!.marks().slice(2), ["tells Acme Test", "tells Acme Test"]);
    assert.deepEqual(bravo!.marks(), [wanted("of web-2", "web-2", "Bravo"), "tells Bravo Test"]);
    for (const one of [acme!, bravo!]) {
      const log = await one.log();
      assert.match(log, /the key is \*{5,}/);
      assert.ok(!log.includes("secret of"));
    }
  });

  test("a tenant without a value is refused with its name; without a tenant the project is not deployed", async () => {
    const environmentId = world.environmentIds["Test"]!;
    const late = await world.api.create(`${space}/tenants`, { Name: "Late", ProjectEnvironments: { [project.id]: [environmentId] } });
    await assert.rejects(deployFor(["Late"]), /The tenant 'Late' has no value in Test for 'Color' .*'Key' .*'Alias'/);
    await assert.rejects(project.deploy("1.0.0", "Test"), /only deployed for tenants/);
    assert.equal((await world.api.get(`${space}/deployments?tenants=${late.Id}`)).TotalResults, 0);
  });

  test("D2 D3 A2: its node is killed in mid-script: the other one goes on with the values that the plan took, though they changed", async () => {
    const [bravo] = await deployFor(["Bravo"]);
    await bravo!.marked("web-2 Bravo: bravo Bravo's of web-2 secret of Bravo");
    const owner = await bravo!.owner();
    await owner.kill();
    try {
      const address = `${space}/tenants/${tenants["Bravo"]!.Id}/variables`;
      const stored = await world.api.get(address);
      stored.ProjectVariables[project.id].Variables[world.environmentIds["Test"]!].key = { HasValue: true, NewValue: "another secret" };
      await world.api.put(address, stored);
      await succeeded(bravo!);
      assert.deepEqual(bravo!.marks(), ["web-2 Bravo: bravo Bravo's of web-2 secret of Bravo", "tells Bravo Test"]);
      assert.ok(!(await bravo!.log()).includes("secret of Bravo"), "the secret that was replaced meanwhile is masked as before");
    } finally {
      await owner.start();
    }
  });
});

describe("golden deployments: workers", { ...linux, timeout: 600_000 }, () => {
  let world: World;
  let builders: Document;
  const onServer = { "Octopus.Action.RunOnServer": "True" };
  before(async () => {
    world = await createWorld({ nodes: 2 });
    const worker = await world.cluster.agent({ name: "builder-1", trust: world.nodes[0]!.ready.thumbprint });
    await worker.start();
    builders = await world.api.create(`${space}/workerpools`, { Name: "Builders" });
    const Endpoint = {
      CommunicationStyle: "TentaclePassive",
      Uri: `https://127.0.0.1:${worker.port}/`,
      Thumbprint: worker.ready.thumbprint,
    };
    await world.api.create(`${space}/workers`, { Name: "builder-1", WorkerPoolIds: [builders.Id], Endpoint });
  });
  after(() => world?.close());

  const steps = (stays: string): GoldenStep[] => [
    {
      name: "Build",
      workerPool: builders.Id,
      properties: onServer,
      script: `mark "build on ${here} in ${value("Octopus.WorkerPool.Name")}"\n${stays}\nset_octopusvariable Number 42`,
    },
    {
      name: "Drain",
      role: "web",
      workerPool: builders.Id,
      properties: onServer,
      stepProperties: { "Octopus.Action.MaxParallelism": "1" },
      script: `mark "drain ${machine} (${value("Site")}) on ${here}"\nset_octopusvariable Was "${machine} drained"`,
    },
    {
      name: "Install",
      role: "web",
      stepProperties: { "Octopus.Action.MaxParallelism": "1" },
      script: `mark "install ${value("Octopus.Action[Build].Output.Number")} on ${here}: ${value("Octopus.Action[Drain].Output.Was")}"`,
    },
  ];
  const variables = [
    { name: "Site", value: "first", machine: "web-1" },
    { name: "Site", value: "other" },
  ];
  const marks = [
    "build on builder-1 in Builders",
    "drain web-1 (first) on builder-1",
    "drain web-2 (other) on builder-1",
    "install 42 on web-1: web-1 drained",
    "install 42 on web-2: web-2 drained",
  ];

  test("a step on a pool runs once there, one on behalf of target tags once for each target with that target's values", async () => {
    const project = await world.project({ name: "Built", steps: steps(""), variables });
    await project.release("1.0.0");
    const deployment = await project.deploy("1.0.0", "Test");
    await succeeded(deployment);
    assert.deepEqual(deployment.marks(), marks);
  });

  test("D2 D3 A2: its node is killed while the worker runs: the other one hears of the same script, which has run once", async () => {
    const project = await world.project({ name: "Built and killed", steps: steps("sleep 1"), variables });
    await project.release("1.0.0");
    const deployment = await project.deploy("1.0.0", "Test");
    await deployment.marked(marks[0]!);
    const owner = await deployment.owner();
    await owner.kill();
    try {
      await succeeded(deployment);
      assert.deepEqual(deployment.marks(), marks);
    } finally {
      await owner.start();
    }
  });

  test("a pool without a worker refuses before anything runs, and says what to do", async () => {
    const empty = await world.api.create(`${space}/workerpools`, { Name: "Empty" });
    const step: GoldenStep = { name: "Nowhere", workerPool: empty.Id, properties: onServer, script: `mark "ran"` };
    const first: GoldenStep = { name: "First", role: "web", script: `mark "first"` };
    const project = await world.project({ name: "Nowhere", steps: [first, step] });
    await project.release("1.0.0");
    const deployment = await project.deploy("1.0.0", "Test");
    const task = await deployment.ended();
    assert.equal(task.State, "Failed");
    assert.match(task.ErrorMessage, /the pool 'Empty' has no enabled worker/);
    assert.deepEqual(deployment.marks(), []);
  });
});
