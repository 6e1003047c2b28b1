// Lifecycles, projects, processes, channels and releases, through the API.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../test/support/api-node.ts";
import { makeTarGz } from "../../../test/support/archives.ts";
import { readKeptSecrets } from "../../platform/kept-secrets/kept-secrets.ts";

let node: ApiNode;
before(async () => {
  node = await startApiNode(undefined);
});
after(() => node.close());

const errorsOf = async (method: string, path: string, body?: unknown): Promise<string> => {
  const answer = await node.call(method, path, body);
  assert.equal(answer.status, 400, answer.text);
  return answer.body.Errors.join(" ");
};
const script = (name: string, more: object = {}) => ({
  Name: name,
  Actions: [{ Name: name, ActionType: "Octopus.Script", Properties: { "Octopus.Action.Script.ScriptBody": "true" }, ...more }],
});

test("a project comes with its process, a default channel and settings", async () => {
  const project = await make.project(node, "Web Shop");
  assert.deepEqual(
    [project.Slug, project.DeploymentProcessId, project.VariableSetId],
    ["web-shop", `deploymentprocess-${project.Id}`, `variableset-${project.Id}`],
  );
  assert.equal(
    project.VersioningStrategy.Template,
    "#{Octopus.Version.LastMajor}.#{Octopus.Version.LastMinor}.#{Octopus.Version.NextPatch}",
  );
  assert.deepEqual(
    (await node.get(`/api/projects/${project.Id}/channels`)).Items.map((one: Json) => [one.Name, one.IsDefault]),
    [["Default", true]],
  );
  for (const path of [
    `/api/projects/web-shop/deploymentprocesses`,
    `/api/deploymentprocesses/${project.DeploymentProcessId.toUpperCase()}`,
  ])
    assert.deepEqual((await node.get(path)).Steps, []);
  const settings = await node.put(`/api/projects/${project.Id}/deploymentsettings`, {
    ConnectivityPolicy: { AllowDeploymentsToNoTargets: true },
    DefaultGuidedFailureMode: "off",
  });
  assert.deepEqual(
    [
      settings.ConnectivityPolicy.AllowDeploymentsToNoTargets,
      settings.ConnectivityPolicy.SkipMachineBehavior,
      settings.DefaultGuidedFailureMode,
    ],
    [true, "None", "Off"],
  );
  assert.equal((await node.get(project.Links.Self)).ProjectConnectivityPolicy.AllowDeploymentsToNoTargets, true);
  assert.equal((await node.get(`/api/projectgroups/${project.ProjectGroupId}/projects`)).TotalResults, 1);
  assert.equal((await node.get(`/api/lifecycles/${project.LifecycleId}/projects`)).length, 1);
});

test("a project needs a group and a lifecycle of its own space, and keeps both from being deleted", async () => {
  assert.match(await errorsOf("POST", "/api/projects", { Name: "x" }), /ProjectGroupId is required\. LifecycleId is required/);
  assert.match(
    await errorsOf("POST", "/api/projects", { Name: "x", ProjectGroupId: "ProjectGroups-9", LifecycleId: "Lifecycles-1" }),
    /no project group/,
  );
  assert.match(await errorsOf("DELETE", "/api/projectgroups/ProjectGroups-1"), /because projects still use it/);
  assert.match(await errorsOf("DELETE", "/api/lifecycles/Lifecycles-1"), /because projects still use it/);
});

test("saving a process keeps given ids, makes missing ones, and counts its version", async () => {
  const project = await make.project(node, "Steps");
  const path = `/api/projects/${project.Id}/deploymentprocesses`;
  const first = await node.put(path, { Steps: [script("One"), { ...script("Two"), Id: "given-id" }] });
  assert.deepEqual([first.Version, first.Steps[1].Id], [1, "given-id"]);
  const second = await node.put(path, { ...first, Steps: [first.Steps[1], first.Steps[0]] });
  assert.deepEqual(
    second.Steps.map((one: Json) => one.Id),
    ["given-id", first.Steps[0].Id],
  );
  assert.equal(second.Steps[1].Actions[0].Id, first.Steps[0].Actions[0].Id);
  const stale = await node.call("PUT", path, first);
  assert.equal(stale.status, 409, stale.text);
  assert.deepEqual(await node.get(path), second);
  assert.equal((await node.put(path, { Steps: [] })).Version, 3);
});

test("a process with faults is refused whole", async () => {
  const project = await make.project(node, "Faulty");
  const path = `/api/projects/${project.Id}/deploymentprocesses`;
  assert.match(await errorsOf("PUT", path, { Steps: [script("A"), script("a")] }), /two steps named 'a'.*two actions named 'a'/);
  assert.match(await errorsOf("PUT", path, { Steps: [{ Name: "Empty" }] }), /has no action/);
  assert.match(await errorsOf("PUT", path, { Steps: [script("A", { Environments: ["Environments-999"] })] }), /no environment/);
  assert.match(await errorsOf("PUT", path, { Steps: [script("A", { Channels: ["Channels-999"] })] }), /no channel/);
  assert.match(
    await errorsOf("PUT", path, {
      Steps: [
        { ...script("A"), Id: "x" },
        { ...script("B"), Id: "X" },
      ],
    }),
    /same Id/,
  );
  assert.match(await errorsOf("PUT", path, { Steps: [script("A", { Properties: { P: { HasValue: true } } })] }), /no stored value to keep/);
  assert.equal((await node.get(path)).Version, 0);
});

test("a sensitive property goes in, is encrypted, and never comes out; it can be kept and cleared", async () => {
  const project = await make.project(node, "Secretive");
  const path = `/api/projects/${project.Id}/deploymentprocesses`;
  const canary = "canary-7b1e";
  const saved = await node.put(path, {
    Steps: [script("A", { Properties: { Password: { HasValue: true, NewValue: canary }, Flag: true, Count: 3 } })],
  });
  const shown = saved.Steps[0].Actions[0].Properties;
  assert.deepEqual(shown, { Password: { HasValue: true, NewValue: null, Hint: null }, Flag: "True", Count: "3" });
  const [row] = await node.database.query<{ id: string }>(`SELECT id FROM secrets`);
  assert.deepEqual(await readKeptSecrets(node.database, node.secrets, [row!.id]), new Map([[row!.id, canary]]));
  await node.put(path, { Steps: saved.Steps });
  await make.release(node, project.Id, "1.0.0");
  const stored = await node.database.query<{ text: string }>(
    `SELECT steps::text AS text FROM deployment_processes UNION ALL SELECT steps::text FROM process_snapshots UNION ALL SELECT e::text FROM events e UNION ALL SELECT encode(ciphertext, 'escape') FROM secrets`,
  );
  assert.ok(
    stored.some((one) => one.text.includes(row!.id)),
    "the kept secret is not named any more",
  );
  assert.ok(!stored.some((one) => one.text.includes(canary)), "the secret lies open in the database");
  const cleared = await node.put(path, {
    Steps: [script("A", { Id: saved.Steps[0].Actions[0].Id, Properties: { Password: { HasValue: false, NewValue: null } } })],
  });
  assert.equal(cleared.Steps[0].Actions[0].Properties.Password, null);
});

test("a release freezes the process of its moment", async () => {
  const project = await make.project(node, "Frozen");
  await make.process(node, project.Id, "echo one");
  const first = await make.release(node, project.Id, "1.0.0");
  const again = await make.release(node, project.Id, "1.0.1");
  assert.equal(first.ProjectDeploymentProcessSnapshotId, again.ProjectDeploymentProcessSnapshotId);
  await make.process(node, project.Id, "echo two");
  const later = await make.release(node, project.Id, "1.1.0");
  assert.notEqual(later.ProjectDeploymentProcessSnapshotId, first.ProjectDeploymentProcessSnapshotId);
  const [row] = await node.database.query<{ steps: Json; format_version: number }>(
    `SELECT steps, format_version FROM process_snapshots WHERE id = $1`,
    [first.ProjectDeploymentProcessSnapshotId],
  );
  assert.equal(row!.format_version, 1);
  assert.equal(row!.steps[0].Actions[0].Properties["Octopus.Action.Script.ScriptBody"], "echo one");
  // It is read where the process is, and nobody changes it.
  const frozen = await node.get(first.Links.ProjectDeploymentProcessSnapshot);
  assert.deepEqual([frozen.Id, frozen.ProjectId, frozen.Version], [first.ProjectDeploymentProcessSnapshotId, project.Id, 1]);
  assert.equal(frozen.Steps[0].Actions[0].Properties["Octopus.Action.Script.ScriptBody"], "echo one");
  assert.match(await errorsOf("PUT", frozen.Links.Self, { Steps: [] }), /is a frozen copy of a process and cannot be changed/);
});

test("releases have unique versions, computed when none is given, and both forms make them", async () => {
  const project = await make.project(node, "Versions");
  assert.equal((await node.post("/api/releases", { ProjectId: project.Id })).Version, "0.0.1");
  const made = await node.call("POST", "/api/Spaces-1/releases/create/v1", {
    spaceId: "Spaces-1",
    spaceIdOrName: "Default",
    projectName: "VERSIONS",
    releaseNotes: "notes",
  });
  assert.deepEqual([made.status, made.body.ReleaseVersion], [201, "0.0.2"]);
  assert.equal((await node.get(`/api/releases/${made.body.ReleaseId}`)).ReleaseNotes, "notes");
  assert.match(await errorsOf("POST", "/api/releases", { ProjectId: project.Id, Version: "0.0.2" }), /already has a release 0\.0\.2/);
  const ignored = await node.post("/api/releases/create/v1", {
    projectName: project.Slug,
    releaseVersion: "0.0.2",
    ignoreIfAlreadyExists: true,
  });
  assert.deepEqual(ignored, made.body);
  for (const Version of ["../etc", "1 0", "a/b", "-1"])
    assert.match(await errorsOf("POST", "/api/releases", { ProjectId: project.Id, Version }), /is not a version/);
  assert.match(await errorsOf("POST", "/api/releases/create/v1", { projectName: "No such" }), /no project 'No such'/);
  assert.match(await errorsOf("POST", "/api/releases/create/v1", { projectName: "Versions", channelName: "nope" }), /no channel/);
  assert.match(
    await errorsOf("POST", "/api/releases/create/v1", { projectName: "Versions", packages: ["a"] }),
    /'a' is not of the form Step:Version/,
  );
  assert.deepEqual(
    (await node.get(`/api/projects/${project.Id}/releases`)).Items.map((one: Json) => one.Version),
    ["0.0.2", "0.0.1"],
  );
  assert.equal((await node.get(`/api/projects/versions/releases/0.0.1`)).Version, "0.0.1");
  assert.equal((await node.get(`/api/projects/${project.Id}/releases?searchByVersion=.2`)).TotalResults, 1);
  assert.equal((await node.get(`/api/deploymentprocesses/${project.DeploymentProcessId}/template`)).NextVersionIncrement, "0.0.3");
  const racing = await Promise.all(Array.from({ length: 5 }, () => node.post("/api/releases", { ProjectId: project.Id })));
  assert.equal(new Set(racing.map((one) => one.Version)).size, 5);
});

test("a channel belongs to one project, where its name is unique and one is the default", async () => {
  const project = await make.project(node, "Channels");
  const channel = await node.post("/api/channels", { Name: "Hotfix", ProjectId: project.Id, LifecycleId: "lifecycles-1" });
  assert.equal(channel.LifecycleId, "Lifecycles-1");
  assert.match(await errorsOf("POST", "/api/channels", { Name: "HOTFIX", ProjectId: project.Id }), /already/);
  const other = await make.project(node, "Other channels");
  assert.match(await errorsOf("PUT", channel.Links.Self, { ProjectId: other.Id }), /cannot move/);
  await node.put(channel.Links.Self, { IsDefault: true });
  const all = (await node.get(`/api/projects/${project.Id}/channels`)).Items;
  assert.deepEqual(
    all.filter((one: Json) => one.IsDefault).map((one: Json) => one.Name),
    ["Hotfix"],
  );
  await make.release(node, project.Id, "1.0.0");
  await node.put(all.find((one: Json) => one.Name === "Default").Links.Self, { IsDefault: true });
  assert.match(await errorsOf("DELETE", channel.Links.Self), /because releases still use it/);
});

test("S5: a release whose packages do not fit its channel is refused with each rule, unless the rules are to be ignored; the command form finds the channel and version that fit", async () => {
  const project = await make.project(node, "Ruled");
  const packaged = (name: string, packageId: string) => ({
    Name: name,
    Properties: { "Octopus.Action.TargetRoles": "web" },
    Actions: [
      { Name: name, ActionType: "Octopus.TentaclePackage", Packages: [{ Name: "", PackageId: packageId, FeedId: "feeds-builtin" }] },
    ],
  });
  await node.put(`/api/projects/${project.Id}/deploymentprocesses`, {
    Steps: [packaged("Web", "Ruled.Web"), packaged("Api", "Ruled.Api")],
  });
  for (const file of ["Ruled.Web.1.2.0", "Ruled.Web.2.0.0", "Ruled.Web.2.1.0-beta.1", "Ruled.Api.1.0.0"]) {
    const sent = makeTarGz("hello.txt", file);
    const answer = await node.call("POST", `/api/packages/raw?fileName=${file}.tar.gz`, sent, {
      "Content-Type": "application/octet-stream",
    });
    assert.equal(answer.status, 201, answer.text);
  }
  const rule = (more: object, name = "Web") => ({ ...more, ActionPackages: [{ DeploymentAction: name, PackageReference: "" }] });
  const [stable] = (await node.get(`/api/projects/${project.Id}/channels`)).Items;
  await node.put(stable.Links.Self, { Rules: [rule({ VersionRange: "[1.0,2.0)", Tag: "^$" })] });
  const next = await node.post("/api/channels", { Name: "Next", ProjectId: project.Id, Rules: [rule({ VersionRange: "[2.0,3.0)" })] });
  const release = (version: string, more: object = {}) => ({
    ProjectId: project.Id,
    SelectedPackages: [
      { ActionName: "WEB", PackageReferenceName: "", Version: version },
      { ActionName: "Api", Version: "1.0.0" },
      { ActionName: "Was here once", Version: "9" },
    ],
    ...more,
  });
  const refused = await errorsOf("POST", "/api/releases", release("2.1.0-beta.1"));
  assert.match(refused, /version 2\.1\.0-beta\.1 of the package of step 'Web' does not fit the channel 'Default'/);
  assert.match(refused, /not in the version range \[1\.0,2\.0\).*pre-release part does not match \^\$.*IgnoreChannelRules/);
  assert.match(await errorsOf("POST", "/api/releases", release("latest")), /'latest' is no version that can be compared/);
  assert.equal((await node.get(`/api/projects/${project.Id}/releases`)).TotalResults, 0);
  const ignoring = await node.post("/api/releases", release("2.1.0-beta.1", { IgnoreChannelRules: true }));
  assert.deepEqual([ignoring.IgnoreChannelRules, ignoring.ChannelId], [true, stable.Id]);
  assert.equal((await node.call("POST", "/api/releases?ignoreChannelRules=true", release("2.0.0"))).status, 201);
  const fitting = await node.post("/api/releases", release("1.2.0"));
  assert.match(await errorsOf("PUT", fitting.Links.Self, { ChannelId: next.Id }), /does not fit the channel 'Next'/);
  assert.equal((await node.call("PUT", `${fitting.Links.Self}?ignoreChannelRules=true`, { ChannelId: next.Id })).status, 200);

  const command = { projectName: "Ruled" };
  const made = async (more: object): Promise<[string, string]> => {
    const { ReleaseId } = await node.post("/api/releases/create/v1", { ...command, ...more });
    const { ChannelId, SelectedPackages } = await node.get(`/api/releases/${ReleaseId}`);
    return [ChannelId, SelectedPackages[0].Version];
  };
  assert.deepEqual(await made({}), [stable.Id, "1.2.0"], "the default channel, with the newest version that fits it");
  assert.deepEqual(await made({ packages: ["Web:2.0.0"] }), [next.Id, "2.0.0"], "the channel that the wished version fits");
  assert.deepEqual(await made({ channelName: "Next" }), [next.Id, "2.1.0-beta.1"]);
  const wish = { ...command, channelName: "Default", packages: ["Web:2.0.0"] };
  assert.match(await errorsOf("POST", "/api/releases/create/v1", wish), /does not fit the channel 'Default'/);
  assert.deepEqual(await made({ ...wish, ignoreChannelRules: true }), [stable.Id, "2.0.0"]);
  const rules = Array.from({ length: 101 }, () => rule({ Tag: "^$" }));
  assert.match(await errorsOf("PUT", next.Links.Self, { Rules: rules }), /Rules has more than the limit of 100/);
});

test("lifecycles take phases and retention in old and new form, and keep their environments", async () => {
  const dev = await make.environment(node, "Dev");
  const lifecycle = await node.post("/api/lifecycles", {
    Name: "Phased",
    Phases: [
      { Name: "First", OptionalDeploymentTargets: [dev.Id.toLowerCase()], ReleaseRetentionPolicy: { Unit: "Items", QuantityToKeep: 5 } },
    ],
    ReleaseRetentionPolicy: { ShouldKeepForever: true, QuantityToKeep: 0, Unit: "Days" },
    TentacleRetentionPolicy: { Strategy: "Default" },
  });
  assert.deepEqual(lifecycle.Phases[0].OptionalDeploymentTargets, [dev.Id]);
  assert.deepEqual(lifecycle.Phases[0].ReleaseRetentionPolicy, {
    Strategy: "Count",
    Unit: "Items",
    QuantityToKeep: 5,
    ShouldKeepForever: false,
  });
  assert.deepEqual([lifecycle.ReleaseRetentionPolicy.Strategy, lifecycle.TentacleRetentionPolicy.Strategy], ["Forever", "Default"]);
  assert.match(await errorsOf("DELETE", dev.Links.Self), /because lifecycles still use it/);
  assert.match(await errorsOf("POST", "/api/lifecycles", { Name: "x", Phases: [{ Name: "a" }, { Name: "A" }] }), /two phases named/);
  assert.match(await errorsOf("POST", "/api/lifecycles", { Name: "x", ReleaseRetentionPolicy: { Strategy: "Count" } }), /at least 1/);
  assert.equal((await node.put(lifecycle.Links.Self, { Phases: [] })).Phases.length, 0);
  assert.equal((await node.get(`/api/lifecycles/${lifecycle.Id}/preview`)).Phases[0].Name, "Dev");
  assert.equal((await node.call("DELETE", dev.Links.Self)).status, 200);
});

test("deleting a project deletes everything below it, but not while it deploys", async () => {
  const environment = await make.environment(node, "Short lived");
  const project = await make.project(node, "Gone soon");
  const release = await make.release(node, project.Id, "1.0.0");
  await node.put(project.Links.Self, {
    LifecycleId: (
      await node.post("/api/lifecycles", { Name: "Only one", Phases: [{ Name: "p", OptionalDeploymentTargets: [environment.Id] }] })
    ).Id,
  });
  const deployment = await node.post("/api/deployments", { ReleaseId: release.Id, EnvironmentId: environment.Id });
  assert.match(await errorsOf("DELETE", project.Links.Self), /unfinished tasks/);
  assert.match(await errorsOf("DELETE", release.Links.Self), /unfinished deployments/);
  await node.post(`/api/tasks/${deployment.TaskId}/cancel`);
  assert.equal((await node.call("DELETE", project.Links.Self)).status, 200);
  for (const path of [release.Links.Self, deployment.Links.Self, `/api/deploymentprocesses/${project.DeploymentProcessId}`])
    assert.equal((await node.call("GET", path)).status, 404, path);
  assert.equal((await node.get(`/api/tasks/${deployment.TaskId}`)).State, "Canceled");
});
