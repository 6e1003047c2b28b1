// Deployments and their tasks through the API, without an engine: what is promised, what is refused, what a runner gets to see.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../test/support/api-node.ts";
import { loadDeploymentSnapshot } from "./runs.ts";

let node: ApiNode;
let dev: Json;
let prod: Json;
let machine: Json;
let project: Json;
let release: Json;
before(async () => {
  node = await startApiNode(undefined);
  dev = await make.environment(node, "Development");
  prod = await make.environment(node, "Production");
  machine = await make.machine(node, "web01", [dev.Id]);
  project = await make.project(node, "Web Shop");
  await make.process(node, project.Id);
  release = await make.release(node, project.Id, "1.0.0");
});
after(() => node.close());

const errorsOf = async (path: string, body: unknown): Promise<string> => {
  const answer = await node.call("POST", path, body);
  assert.equal(answer.status, 400, answer.text);
  return answer.body.Errors.join(" ");
};
const deploy = (more: object = {}) => node.post("/api/deployments", { ReleaseId: release.Id, EnvironmentId: dev.Id, ...more });
const succeed = (taskId: string) =>
  node.database.execute(`UPDATE tasks SET state = 'Success', started_at = now(), completed_at = now() WHERE id = $1`, [taskId]);

test("a deployment and its queued task exist at once, and the task is readable by its id alone", async () => {
  const deployment = await deploy({ ReleaseId: release.Id.toLowerCase(), Comments: "please" });
  const task = await node.get(deployment.Links.Task);
  assert.deepEqual([task.Name, task.State, task.IsCompleted, task.Arguments], ["Deploy", "Queued", false, { DeploymentId: deployment.Id }]);
  assert.equal(task.Description, "Deploy Web Shop release 1.0.0 to Development");
  assert.equal((await node.get(`/api/tasks/${task.Id}/details`)).Task.Id, task.Id);
  assert.deepEqual(
    (await node.get(`/api/Spaces-1/tasks?skip=0&take=300&ids=${task.Id}`)).Items.map((one: Json) => one.Id),
    [task.Id],
  );
  assert.match((await node.call("GET", `/api/tasks/${task.Id}/raw`)).text, /Task status: {4}Queued/);
  const [event] = (await node.get(`/api/events?regarding=${deployment.Id}`)).Items;
  assert.deepEqual([event.Category, event.Username, event.UserId], ["DeploymentQueued", "admin", "Users-1"]);
});

test("the command form deploys by names to several environments, each with its task", async () => {
  const other = await make.environment(node, "Second");
  const lifecycle = await node.post("/api/lifecycles", {
    Name: "Side by side",
    Phases: [{ Name: "all", OptionalDeploymentTargets: [dev.Id, other.Id] }],
  });
  const wide = await node.post("/api/projects", { Name: "Wide", ProjectGroupId: project.ProjectGroupId, LifecycleId: lifecycle.Id });
  await make.release(node, wide.Id, "2.0.0");
  const body = {
    spaceId: "Spaces-1",
    spaceIdOrName: "Spaces-1",
    ProjectName: "wide",
    releaseVersion: "2.0.0",
    environmentNames: ["DEVELOPMENT", other.Id, "second"],
  };
  const answer = await node.call("POST", "/api/Spaces-1/deployments/create/untenanted/v1", body);
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.body.DeploymentServerTasks.length, 2);
  for (const { DeploymentId, ServerTaskId } of answer.body.DeploymentServerTasks)
    assert.equal((await node.get(`/api/deployments/${DeploymentId}`)).TaskId, ServerTaskId);
  const counts = async () => (await node.get("/api/deployments?take=0")).TotalResults;
  const before = await counts();
  // One environment that is not allowed: none is deployed to.
  assert.equal(
    (await node.call("POST", "/api/deployments/create/untenanted/v1", { ...body, environmentNames: ["Development", "Production"] })).status,
    400,
  );
  assert.equal(await counts(), before);
});

test("what cannot be done is refused with a sentence, and leaves no task", async () => {
  const before = (await node.get("/api/tasks?take=0")).TotalResults;
  const path = "/api/deployments";
  const good = { ReleaseId: release.Id, EnvironmentId: dev.Id };
  assert.match(await errorsOf(path, {}), /ReleaseId is required.*EnvironmentId is required/);
  assert.match(await errorsOf(path, { ...good, ReleaseId: "Releases-999" }), /no release 'Releases-999'/);
  assert.match(await errorsOf(path, { ...good, EnvironmentId: "Environments-999" }), /no environment/);
  assert.match(await errorsOf(path, { ...good, EnvironmentId: prod.Id }), /first be deployed successfully to: Development/);
  assert.match(await errorsOf(path, { ...good, TenantId: "Tenants-1" }), /no tenant 'Tenants-1'/);
  assert.match(await errorsOf(path, { ...good, QueueTime: "2130-01-01T00:00:00Z" }), /QueueTime is more than 30 days ahead/);
  assert.match(await errorsOf(path, { ...good, FormValues: { a: "b" } }), /no prompted variable 'a'/);
  assert.match(await errorsOf(path, { ...good, SpecificMachineIds: ["Machines-999"] }), /no machine/);
  assert.match(await errorsOf(path, { ...good, SkipActions: ["nope"] }), /no step 'nope'/);
  const command = "/api/deployments/create/untenanted/v1";
  assert.match(await errorsOf(command, { ProjectName: "No", ReleaseVersion: "1", EnvironmentNames: ["Development"] }), /no project 'No'/);
  assert.match(
    await errorsOf(command, { ProjectName: "Web Shop", ReleaseVersion: "9", EnvironmentNames: ["Development"] }),
    /no release 9/,
  );
  assert.match(
    await errorsOf(command, { ProjectName: "Web Shop", ReleaseVersion: "1.0.0", EnvironmentNames: ["Mars"] }),
    /no environment 'Mars'/,
  );
  assert.match(
    await errorsOf(command, { ProjectName: "Web Shop", ReleaseVersion: "1.0.0", EnvironmentNames: [] }),
    /at least one environment/,
  );
  await node.put(project.Links.Self, { IsDisabled: true });
  assert.match(await errorsOf(path, good), /is disabled/);
  await node.put(project.Links.Self, { IsDisabled: false });
  assert.equal((await node.get("/api/tasks?take=0")).TotalResults, before);
});

test("a success opens the next phase", async () => {
  const deployment = await deploy();
  await succeed(deployment.TaskId);
  const progression = await node.get(`/api/releases/${release.Id}/progression`);
  assert.deepEqual(
    progression.Phases.slice(0, 2).map((one: Json) => one.Progress),
    ["Complete", "Current"],
  );
  assert.ok((await node.get(`/api/releases/${release.Id}/deployments/template`)).PromoteTo.some((one: Json) => one.Id === prod.Id));
  assert.equal((await deploy({ EnvironmentId: prod.Id })).EnvironmentId, prod.Id);
});

test("a repeated create with the same key makes one deployment", async () => {
  const send = () =>
    node.call("POST", "/api/deployments", { ReleaseId: release.Id, EnvironmentId: dev.Id }, { "Idempotency-Key": "deploy-1" });
  const [first, second] = [await send(), await send()];
  assert.deepEqual([first.status, second.status, second.body], [201, 201, first.body]);
});

test("cancelling a queued task ends it at once; a finished one stays as it is", async () => {
  const deployment = await deploy();
  const behind = await deploy();
  assert.ok((await node.get(`/api/tasks/${behind.TaskId}/queued-behind`)).Items.some((one: Json) => one.Id === deployment.TaskId));
  const canceled = await node.post(`/api/tasks/${deployment.TaskId}/cancel`);
  assert.deepEqual([canceled.State, canceled.IsCompleted, canceled.FinishedSuccessfully], ["Canceled", true, false]);
  assert.equal((await node.post(`/api/tasks/${deployment.TaskId}/cancel`)).State, "Canceled");
  assert.equal((await node.call("POST", "/api/tasks/ServerTasks-999/cancel", {})).status, 404);
  const page = await node.get("/api/tasks?states=Canceled&name=deploy&take=1");
  assert.ok(page.TotalResults >= 1 && page.TotalCounts.Queued >= 1, "TotalCounts counts all states");
  assert.equal((await node.get("/api/tasks?active=true&states=Canceled")).TotalResults, 0);
});

test("a deployment is deleted only when it has ended", async () => {
  const deployment = await deploy();
  assert.equal((await node.call("DELETE", deployment.Links.Self)).status, 400);
  await node.post(`/api/tasks/${deployment.TaskId}/cancel`);
  assert.equal((await node.call("DELETE", deployment.Links.Self)).status, 200);
});

test("the runner sees one consistent picture: frozen process, options, and the machines of the environment", async () => {
  const deployment = await deploy({ SpecificMachineIds: ["WEB01"], SkipActions: [] });
  await make.process(node, project.Id, "echo changed later");
  const disabled = await make.machine(node, "off", [dev.Id]);
  await node.put(disabled.Links.Self, { IsDisabled: true });
  await make.machine(node, "elsewhere", [prod.Id]);
  const tenanted = await make.machine(node, "for tenants only", [dev.Id]);
  await node.put(tenanted.Links.Self, { TenantedDeploymentParticipation: "Tenanted" });
  const snapshot = await node.database.transaction((tx) => loadDeploymentSnapshot(tx, deployment.Id));
  assert.ok(snapshot);
  assert.deepEqual(snapshot.deployment.options.specificMachineIds, [machine.Id]);
  assert.equal(snapshot.process.steps[0]!.Actions[0]!.Properties["Octopus.Action.Script.ScriptBody"], "echo hello");
  assert.deepEqual(
    snapshot.machines.map((one) => [one.name, one.uri, one.thumbprint, one.roles, one.healthStatus]),
    [["web01", "https://localhost:10933/", "CD".repeat(20), ["web"], "Unknown"]],
  );
  assert.deepEqual(
    [snapshot.space.name, snapshot.project.name, snapshot.environment.name, snapshot.release.version],
    ["Default", "Web Shop", "Development", "1.0.0"],
  );
  assert.equal(await node.database.transaction((tx) => loadDeploymentSnapshot(tx, "Deployments-999")), undefined);
  await node.call("DELETE", tenanted.Links.Self);
});

test("a health check is queued for machines of its own space only", async () => {
  const task = await node.post("/api/tasks", { Name: "health", Arguments: { EnvironmentId: dev.Id } });
  assert.deepEqual([task.Name, task.Arguments.MachineIds], ["Health", [machine.Id]]);
  assert.deepEqual((await node.post("/api/tasks", { Name: "Health", Arguments: { machineIds: [machine.Id.toLowerCase()] } })).Arguments, {
    MachineIds: [machine.Id],
  });
  assert.match(await errorsOf("/api/tasks", { Name: "Health", Arguments: { MachineIds: ["Machines-999"] } }), /no machine/);
  assert.match(await errorsOf("/api/tasks", { Name: "Health", Arguments: { MachineIds: "all" } }), /must be a list/);
  assert.match(
    await errorsOf("/api/tasks", { Name: "Deploy", Arguments: { DeploymentId: "Deployments-1" } }),
    /cannot be queued like this/,
  );
  const other = await node.post("/api/spaces", { Name: "Other" });
  assert.match(await errorsOf(`/api/${other.Id}/tasks`, { Name: "Health", Arguments: { MachineIds: [machine.Id] } }), /no machine/);
});
