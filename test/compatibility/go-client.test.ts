// What the `octopus` command line and the Go client library send and read, where it once went wrong: the requests as they come from those
// programs, and the one thing in each answer without which they fail. They themselves are run by hand (docs/reference/compatibility.md).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readKeptSecrets } from "../../server/platform/kept-secrets/kept-secrets.ts";
import { make, startApiNode } from "../support/api-node.ts";
import type { ApiNode, Json } from "../support/api-node.ts";
import { makeNupkg, makeZip } from "../support/archives.ts";

let node: ApiNode;
before(async () => (node = await startApiNode(undefined)));
after(() => node.close());

const names = (items: Json[]): string[] => items.map((one) => one.Name);

async function push(fileName: string, content: Buffer): Promise<Json> {
  const form = new FormData();
  form.set("file", new Blob([new Uint8Array(content)]), fileName);
  const headers = { "X-Octopus-ApiKey": node.adminKey };
  const sent = await fetch(`${node.url}/api/Spaces-1/packages/raw?overwriteMode=FailIfExists`, { method: "POST", headers, body: form });
  assert.equal(sent.status, 201, await sent.clone().text());
  return sent.json();
}

test("what is not there is told by 404 without a list of errors: with one, the client cannot tell it from any other refusal", async () => {
  for (const path of ["/api/Spaces-1/channels/nothing", "/api/Spaces-1/projects/nothing", "/api/Spaces-7", "/api/nothing"]) {
    const answer = await node.call("GET", path);
    assert.deepEqual([answer.status, answer.body.Errors], [404, null], path);
    assert.match(answer.body.ErrorMessage, /does not exist/);
  }
  const refused = await node.call("POST", "/api/Spaces-1/environments", {});
  assert.deepEqual([refused.status, refused.body.Errors.length], [400, 1], "a 400 has its list, or only 'bad request' is shown");
});

test("`project-group view`: the link to a group's projects is followed as it stands", async () => {
  const [group] = (await node.get("/api/Spaces-1/projectgroups?partialName=Default")).Items;
  await make.project(node, "Grouped");
  assert.ok(!group.Links.Projects.includes("{"), group.Links.Projects);
  assert.deepEqual(names((await node.get(group.Links.Projects)).Items), ["Grouped"]);
});

test("`package list` and `package delete`: release notes come only when asked for, and are null where there are none", async () => {
  const plain = await push("Plain.1.0.0.zip", makeZip([{ name: "a.txt", content: "a" }]));
  assert.equal(plain.ReleaseNotes, null);
  await push("Noted.1.0.0.nupkg", makeNupkg("Noted", "1.0.0", { more: "<releaseNotes>Much is new</releaseNotes>" }));
  const notes = async (query: string): Promise<Json[]> =>
    (await node.get(`/api/Spaces-1/packages?${query}take=2147483647`)).Items.map((one: Json) => [one.PackageId, one.ReleaseNotes]);
  const without = [
    ["Noted", null],
    ["Plain", null],
  ];
  assert.deepEqual(await notes(""), without);
  assert.deepEqual(await notes("includeNotes=true&"), [["Noted", "Much is new"], without[1]]);
  assert.equal((await node.get("/api/Spaces-1/packages/packages-Noted.1.0.0")).ReleaseNotes, null);
  assert.equal((await node.get("/api/Spaces-1/packages/Noted.1.0.0?includeNotes=true")).ReleaseNotes, "Much is new");
});

test("`deployment-target … create`: a machine policy says what agents in Kubernetes do, also one stored before it could", async () => {
  const behaviors = async (): Promise<unknown[]> =>
    (await node.get("/api/Spaces-1/machinepolicies/all")).map((one: Json) => one.MachineUpdatePolicy.KubernetesAgentUpdateBehavior);
  assert.deepEqual(await behaviors(), ["NeverUpdate"]);
  await node.database.execute(
    `UPDATE machine_policies SET settings = settings #- '{MachineUpdatePolicy,KubernetesAgentUpdateBehavior}' WHERE space_id = 'Spaces-1'`,
  );
  assert.deepEqual(await behaviors(), ["NeverUpdate"]);
  const [policy] = await node.get("/api/Spaces-1/machinepolicies/all");
  policy.MachineUpdatePolicy.KubernetesAgentUpdateBehavior = "block";
  assert.equal((await node.put(policy.Links.Self, policy)).MachineUpdatePolicy.KubernetesAgentUpdateBehavior, "Block");
  policy.MachineUpdatePolicy.KubernetesAgentUpdateBehavior = "Sometimes";
  assert.equal((await node.call("PUT", policy.Links.Self, policy)).status, 400);
});

test("`deployment-target polling-tentacle list`: the kind of target is a filter, and stands in the template from which the client makes its address", async () => {
  const home = await node.get("/api/Spaces-1");
  assert.match(home.Links.Machines, /[{?,]deploymentTargetTypes[,}]/);
  const dev = await make.environment(node, "Of targets");
  await make.machine(node, "listening", [dev.Id]);
  const listed = async (kind: string) =>
    names((await node.get(`/api/Spaces-1/machines?deploymentTargetTypes=${kind}&take=2147483647`)).Items);
  assert.deepEqual(await listed("TentaclePassive"), ["listening"]);
  assert.deepEqual(await listed("TentacleActive"), []);
  assert.deepEqual(await listed("Kubernetes"), []);
});

test("`environment create` sends SortOrder 0 and means last; so do tag sets", async () => {
  const sortOrder = async (path: string, name: string, more: object = {}) =>
    (await node.post(`/api/Spaces-1/${path}`, { Name: name, SortOrder: 0, ...more })).SortOrder;
  const first = await sortOrder("environments", "Zulu", { AllowDynamicInfrastructure: false, UseGuidedFailure: false });
  assert.equal(await sortOrder("environments", "Alpha"), first + 1);
  const set = await sortOrder("tagsets", "Zone");
  assert.equal(await sortOrder("tagsets", "Area"), set + 1);
  const [alpha] = (await node.get("/api/Spaces-1/environments?partialName=Alpha")).Items;
  assert.equal((await node.put(alpha.Links.Self, { ...alpha, SortOrder: 0 })).SortOrder, 0, "a later save means what it says");
});

test("`environment delete`: connections of tenants go with an environment, what runs in it does not", async () => {
  const project = await make.project(node, "Of tenants");
  const [gone, used] = [await make.environment(node, "Gone"), await make.environment(node, "Used")];
  const tenant = await node.post("/api/Spaces-1/tenants", { Name: "Connected", ProjectEnvironments: { [project.Id]: [gone.Id, used.Id] } });
  assert.equal((await node.call("DELETE", gone.Links.Self)).status, 200);
  assert.deepEqual((await node.get(tenant.Links.Self)).ProjectEnvironments, { [project.Id]: [used.Id] });
  await make.machine(node, "keeps it", [used.Id]);
  assert.equal((await node.call("DELETE", used.Links.Self)).status, 400);
});

test("`tenant variables list`: each template has a default, if only an empty one; one without a name is kept and is no variable", async () => {
  const project = await make.project(node, "Asking");
  const Templates = [
    { Name: "Title", DisplaySettings: { "Octopus.ControlType": "SingleLineText" } },
    { Name: "Key", DisplaySettings: { "Octopus.ControlType": "Sensitive" } },
    {},
  ];
  const sent = await node.put(`/api/Spaces-1/projects/${project.Id}`, {
    ...project,
    Templates,
    TenantedDeploymentMode: "TenantedOrUntenanted",
  });
  const defaults = (all: Json[]) => all.map((one) => [one.Name, one.DefaultValue]);
  const expected = [
    ["Title", ""],
    ["Key", { HasValue: false, NewValue: null, Hint: null }],
    ["", ""],
  ];
  assert.deepEqual(defaults(sent.Templates), expected);
  assert.deepEqual(
    defaults((await node.put(`/api/Spaces-1/projects/${project.Id}`, sent)).Templates),
    expected,
    "what was read may be saved",
  );
  const dev = await make.environment(node, "Of values");
  const tenant = await node.post("/api/Spaces-1/tenants", { Name: "Asked", ProjectEnvironments: { [project.Id]: [dev.Id] } });
  const variables = await node.get(tenant.Links.Variables);
  assert.deepEqual(defaults(variables.ProjectVariables[project.Id].Templates), expected);
  const [missing] = await node.get(`/api/Spaces-1/tenants/variables-missing?tenantId=${tenant.Id}&includeDetails=true`);
  assert.deepEqual(
    missing.MissingVariables.map((one: Json) => one.VariableTemplateName),
    ["Title", "Key"],
  );
});

test("the dashboard of chosen tenants shows what was deployed for them, and nothing that was for nobody", async () => {
  const made = await make.project(node, "On the board");
  const project = await node.put(made.Links.Self, { ...made, TenantedDeploymentMode: "TenantedOrUntenanted" });
  const dev = await make.environment(node, "Of the board");
  const [lifecycle] = await node.get("/api/Spaces-1/lifecycles/all");
  await node.put(lifecycle.Links.Self, { ...lifecycle, Phases: [{ Name: "Any", OptionalDeploymentTargets: [dev.Id] }] });
  const tenant = await node.post("/api/Spaces-1/tenants", { Name: "Chosen", ProjectEnvironments: { [project.Id]: [dev.Id] } });
  await make.process(node, project.Id);
  const { Id: ReleaseId } = await make.release(node, project.Id, "1.0.0");
  for (const TenantId of [null, tenant.Id]) await node.post("/api/Spaces-1/deployments", { ReleaseId, EnvironmentId: dev.Id, TenantId });
  const shown = async (query: string): Promise<unknown[]> =>
    (await node.get(`/api/Spaces-1/dashboard?projectId=${project.Id}${query}`)).Items.map((one: Json) => one.TenantId).sort();
  assert.deepEqual(await shown(""), [tenant.Id, null]);
  assert.deepEqual(await shown(`&selectedTenants=${tenant.Id}`), [tenant.Id]);
});

test("`release deploy` with questions: the releases of a project's channel are read below both", async () => {
  const [project, other] = [await make.project(node, "Channelled"), await make.project(node, "Other")];
  const release = await make.release(node, project.Id, "2.0.0");
  const found = await node.get(`/api/Spaces-1/projects/${project.Id}/channels/${release.ChannelId}/releases`);
  assert.deepEqual(
    found.Items.map((one: Json) => one.Version),
    ["2.0.0"],
  );
  assert.equal((await node.call("GET", `/api/Spaces-1/projects/${other.Id}/channels/${release.ChannelId}/releases`)).status, 404);
});

test("all processes of a space are a list", async () => {
  const project = await make.project(node, "With steps");
  await make.process(node, project.Id);
  const found = await node.get(`/api/Spaces-1/deploymentprocesses?ids=${project.DeploymentProcessId}&take=1`);
  assert.deepEqual([found.TotalResults, found.Items[0].Id, names(found.Items[0].Steps)], [1, project.DeploymentProcessId, ["Say hello"]]);
  const all = await node.get("/api/Spaces-1/deploymentprocesses?take=2");
  assert.ok(all.TotalResults > 2 && all.Items.length === 2);
});

const [hidden, typed] = ["a word of the process", "a word of the variables"];

/** Texts of the secrets of a document. */
async function secretsOf(owner: string): Promise<string[]> {
  const rows = await node.database.query<{ id: string }>(`SELECT id::text AS id FROM secrets WHERE owner = $1`, [owner]);
  const ids = rows.map((row) => row.id);
  return [...(await readKeptSecrets(node.database, node.secrets, ids)).values()];
}

test("S3: `project clone` copies settings, channels, steps and variables with secrets of their own, and takes only names from the request", async () => {
  const [group] = await node.get("/api/Spaces-1/projectgroups/all");
  const [lifecycle] = await node.get("/api/Spaces-1/lifecycles/all");
  const made = await make.project(node, "Original");
  const source = await node.put(made.Links.Self, {
    ...made,
    IsDisabled: true,
    ReleaseNotesTemplate: "notes",
    Templates: [{ Name: "Asks" }],
  });
  const beta = await node.post("/api/Spaces-1/channels", { Name: "Beta", ProjectId: source.Id, Rules: [{ Tag: "^beta$" }] });
  const process = await make.process(node, source.Id);
  process.Steps[0].Actions[0].Channels = [beta.Id];
  process.Steps[0].Actions[0].Properties["Secret"] = { HasValue: true, NewValue: hidden };
  const { Steps } = await node.put(process.Links.Self, process);
  await node.put(source.Links.Variables, {
    Variables: [
      { Name: "Greeting", Value: "Hello", Scope: { Channel: [beta.Id], Action: [Steps[0].Actions[0].Id] } },
      { Name: "Password", Type: "Sensitive", IsSensitive: true, Value: typed },
    ],
  });
  const eventsBefore = (await node.get("/api/events?take=1")).TotalResults;

  const body = { Name: "Copy", Description: "", ProjectGroupID: group.Id, LifecycleID: lifecycle.Id };
  const sent = await node.call("POST", `/api/Spaces-1/projects?clone=${source.Id}`, body);
  assert.equal(sent.status, 201, sent.text);
  const copy = sent.body;
  assert.deepEqual(
    [copy.Name, copy.Slug, copy.ClonedFromProjectId, copy.IsDisabled, copy.ReleaseNotesTemplate, names(copy.Templates)],
    ["Copy", "copy", source.Id, false, "notes", ["Asks"]],
  );
  assert.ok((await node.get("/api/events?take=1")).TotalResults > eventsBefore);
  const channels = (await node.get(`/api/Spaces-1/projects/${copy.Id}/channels`)).Items;
  assert.deepEqual(names(channels), ["Beta", "Default"]);
  assert.deepEqual([channels[0].Rules[0].Tag, channels[0].IsDefault, channels[1].IsDefault], ["^beta$", false, true]);
  const copied = await node.get(`/api/Spaces-1/deploymentprocesses/${copy.DeploymentProcessId}`);
  assert.deepEqual([names(copied.Steps), copied.Steps[0].Actions[0].Channels], [["Say hello"], [channels[0].Id]]);
  const variables = (await node.get(copy.Links.Variables)).Variables;
  assert.deepEqual(names(variables), ["Greeting", "Password"]);
  assert.deepEqual(variables[0].Scope, { Channel: [channels[0].Id], Action: [copied.Steps[0].Actions[0].Id] });

  assert.equal((await node.call("DELETE", source.Links.Self)).status, 200);
  assert.deepEqual([await secretsOf(copy.DeploymentProcessId), await secretsOf(copy.VariableSetId)], [[hidden], [typed]]);
  assert.deepEqual(names((await node.get(`/api/Spaces-1/projects?clonedFromProjectId=${source.Id}`)).Items), ["Copy"]);

  assert.equal((await node.call("POST", "/api/Spaces-1/projects?clone=nothing", body)).status, 404);
  assert.equal((await node.call("POST", `/api/Spaces-1/projects?clone=${copy.Id}`, body)).status, 400, "the name is taken");
  const refused = await node.call("POST", `/api/Spaces-1/projects?clone=${copy.Id}`, body, { "X-Octopus-ApiKey": node.nobodyKey });
  assert.equal(refused.status, 403);
});

test("S3: `tenant clone` copies tags, connections and values with secrets of their own", async () => {
  const project = await make.project(node, "For tenants");
  const Templates = [
    { Id: "key", Name: "Key", DisplaySettings: { "Octopus.ControlType": "Sensitive" } },
    { Id: "title", Name: "Title" },
  ];
  await node.put(project.Links.Self, { ...project, Templates });
  const dev = await make.environment(node, "Of clones");
  await node.post("/api/Spaces-1/tagsets", { Name: "Ring", Tags: [{ Name: "Early" }] });
  const tenant = await node.post("/api/Spaces-1/tenants", {
    Name: "Acme",
    Description: "the first",
    TenantTags: ["Ring/Early"],
    ProjectEnvironments: { [project.Id]: [dev.Id] },
  });
  const values = { [dev.Id]: { key: { HasValue: true, NewValue: typed }, title: "Shop" } };
  await node.put(tenant.Links.Variables, { ProjectVariables: { [project.Id]: { Variables: values } } });

  const copy = await node.post(`/api/Spaces-1/tenants?clone=${tenant.Id}`, { Name: "Beta", Description: "" });
  assert.deepEqual(
    [copy.Name, copy.ClonedFromTenantId, copy.TenantTags, copy.ProjectEnvironments],
    ["Beta", tenant.Id, ["Ring/Early"], { [project.Id]: [dev.Id] }],
  );
  assert.equal((await node.call("DELETE", tenant.Links.Self)).status, 200);
  const read = (await node.get(copy.Links.Variables)).ProjectVariables[project.Id].Variables[dev.Id];
  assert.deepEqual(read, { key: { HasValue: true, NewValue: null, Hint: null }, title: "Shop" });
  assert.deepEqual(await secretsOf(`tenantvariables-${copy.Id}`), [typed]);
  assert.deepEqual(names((await node.get(`/api/Spaces-1/tenants?clonedFromTenantId=${tenant.Id}`)).Items), ["Beta"]);
  assert.equal((await node.call("POST", "/api/Spaces-1/tenants?clone=nothing", { Name: "No" })).status, 404);
});
