// What the official .NET client sends, as it sends it, and what it needs of the answers. The client itself cannot be had where this
// repository is tested; docs/reference/compatibility.md says when and how it was run. Each test here was a difference that it found.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, test } from "node:test";
import { make, sampleCertificate, startApiNode } from "../support/api-node.ts";
import type { ApiNode, Json } from "../support/api-node.ts";

let node: ApiNode;
let second: string;
before(async () => {
  node = await startApiNode(undefined);
  second = (await node.post("/api/spaces", { Name: "Second", SpaceManagersTeamMembers: ["Users-1"] })).Id;
});
after(() => node.close());

const inSecond = (path: string): string => `/api/${second}${path}`;

async function machineIn(space: string, name: string): Promise<Json> {
  const environment = await node.post(`/api/${space}/environments`, { Name: `${name} environment` });
  return node.post(`/api/${space}/machines`, {
    Name: name,
    EnvironmentIds: [environment.Id],
    Roles: ["web"],
    Endpoint: { CommunicationStyle: "TentaclePassive", Uri: "https://web:10933/", Thumbprint: "CD".repeat(20) },
    SkipInitialHealthCheck: true,
  });
}

/** Members that are a number, a time or a flag in the client, which does not read null there. */
function assertNeverNull(document: Json, members: readonly string[]): void {
  for (const member of members) assert.notEqual(document[member] ?? null, null, `${member} is null`);
}

test("S2: a task is queued in the space that its document names, at the address of all spaces", async () => {
  const machine = await machineIn(second, "of second");
  const sent = {
    Name: "Health",
    Description: "Manual health check",
    Arguments: {
      Timeout: "00:05:00",
      MachineTimeout: "00:01:00",
      EnvironmentId: null,
      WorkerpoolId: null,
      RestrictedTo: null,
      MachineIds: [machine.Id],
    },
    State: "Queued",
    SpaceId: second,
  };
  const task = await node.post("/api/tasks", sent);
  assert.deepEqual([task.SpaceId, task.Links.Self], [second, inSecond(`/tasks/${task.Id}`)]);
  // Its machine is none of the default space, where the task goes when it names no space.
  for (const SpaceId of [null, "Spaces-1"])
    assert.match((await node.call("POST", "/api/tasks", { ...sent, SpaceId })).text, /There is no machine 'Machines-\d+' in this space/);
  const unknown = await node.call("POST", "/api/tasks", { ...sent, SpaceId: "Spaces-99" });
  assert.deepEqual([unknown.status, unknown.body.Errors], [400, ["There is no space 'Spaces-99'."]]);
  assert.equal((await node.call("POST", "/api/tasks", sent, { "X-Octopus-ApiKey": node.nobodyKey })).status, 403);
});

test("S2: lists of all spaces are narrowed to those asked for, and to what belongs to none", async () => {
  await node.post("/api/Spaces-1/projectgroups", { Name: "first" });
  await node.post(inSecond("/projectgroups"), { Name: "second" });
  await node.post("/api/users", { Username: "of-no-space", Password: "long enough" });
  const spacesOf = async (query: string): Promise<string[]> => {
    const { Items } = await node.get(`/api/events?take=1000&${query}`);
    return [...new Set<string>(Items.map((one: Json) => one.SpaceId ?? "none"))].sort((a, b) => a.localeCompare(b));
  };
  const all = ["Spaces-1", second];
  assert.deepEqual(await spacesOf("includeSystem=False&spaces=Spaces-1"), ["Spaces-1"]);
  assert.deepEqual(await spacesOf(`includeSystem=False&spaces=${second.toLowerCase()}`), [second]);
  assert.deepEqual(await spacesOf(`includeSystem=True&spaces=${second}`), ["none", second]);
  assert.deepEqual(await spacesOf("includeSystem=True"), ["none"]);
  assert.deepEqual(await spacesOf("includeSystem=True&spaces=all"), ["none", ...all]);
  assert.deepEqual(await spacesOf("includeSystem=False&spaces=all"), all);
  assert.deepEqual(await spacesOf(""), ["none", ...all]);
  // The page that follows asks the same.
  const page = await node.get(`/api/events?take=1&includeSystem=False&spaces=${second}`);
  assert.equal((await node.get(page.Links["Page.Next"])).Items[0].SpaceId, second);

  const machine = await machineIn("Spaces-1", "of first");
  const task = await node.post("/api/tasks", { Name: "Health", Arguments: { MachineIds: [machine.Id] }, SpaceId: "Spaces-1" });
  const tasksOf = async (query: string): Promise<string[]> =>
    (await node.get(`/api/tasks?take=1000&${query}`)).Items.map((one: Json) => one.Id);
  assert.ok((await tasksOf("includeSystem=False&spaces=Spaces-1")).includes(task.Id));
  assert.ok((await tasksOf("includeSystem=True&spaces=all")).includes(task.Id));
  assert.ok(!(await tasksOf(`includeSystem=True&spaces=${second}`)).includes(task.Id));
  assert.deepEqual(await tasksOf("includeSystem=True"), []);
});

test("documents have a value wherever the client reads no null", async () => {
  const machine = await machineIn("Spaces-1", "never checked");
  const connection = await node.get(machine.Links.Connection);
  assertNeverNull(connection, ["LastChecked", "Status"]);
  assert.equal(new Date(connection.LastChecked).getUTCFullYear(), 1);
  await node.database.execute(`UPDATE machines SET health_checked_at = '2026-11-28T10:00:00Z' WHERE id = $1`, [machine.Id]);
  assert.equal(new Date((await node.get(machine.Links.Connection)).LastChecked).toISOString(), "2026-11-28T10:00:00.000Z");
  const [server] = await node.get("/api/octopusservernodes/all");
  const details = await node.get(server.Links.Details);
  assert.deepEqual([details.RunningTasks, details.Tasks], [0, []]);
  const status = await node.get("/api/serverstatus");
  const system = await node.get(status.Links.SystemInfo);
  assertNeverNull(system, ["Version", "OSVersion", "ClrVersion", "WorkingSetBytes", "ThreadCount"]);
  assert.match(system.Uptime, /^\d+\.[0-2]\d:[0-5]\d:[0-5]\d$/);
  assert.ok(system.ThreadCount >= 1 && system.WorkingSetBytes > 0);
});

test("the server's certificate is handed out by itself, for whoever trusts it by hand", async () => {
  const certificate = await node.get("/api/configuration/certificates/certificate-global");
  const answer = await fetch(`${node.url}${certificate.Links.PublicCer}`, { headers: { "X-Octopus-ApiKey": node.adminKey } });
  assert.equal(answer.headers.get("content-type"), "application/x-x509-ca-cert");
  // The bytes themselves, not their text.
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), new X509Certificate(sampleCertificate).raw);
  assert.equal((await node.call("GET", "/api/configuration/certificates/another/public-cer")).status, 404);
});

test("environments and worker pools are counted with what they have", async () => {
  const [east, west, empty] = [
    await node.post(inSecond("/environments"), { Name: "East" }),
    await node.post(inSecond("/environments"), { Name: "West" }),
    await node.post(inSecond("/environments"), { Name: "Empty" }),
  ];
  const add = (Name: string, EnvironmentIds: string[], more: object): Promise<Json> =>
    node.post(inSecond("/machines"), {
      Name,
      EnvironmentIds,
      Roles: ["db"],
      Endpoint: { CommunicationStyle: "None" },
      ...more,
    });
  await add("both", [east.Id, west.Id], {});
  await add("off", [east.Id], { IsDisabled: true });
  const ids = `ids=${[east.Id, west.Id, empty.Id].join(",")}`;
  const summary = await node.get(inSecond(`/environments/summary?${ids}&hideEmptyEnvironments=False`));
  const counted = (one: Json) => [one.TotalMachines, one.TotalDisabledMachines, one.MachineHealthStatusSummaries.Unknown];
  assert.deepEqual(counted(summary), [2, 1, 1]);
  assert.deepEqual(
    summary.EnvironmentSummaries.map((one: Json) => [one.Environment.Name, ...counted(one), one.MachineEndpointSummaries]),
    [
      ["East", 2, 1, 1, { None: 2 }],
      ["West", 1, 0, 1, { None: 1 }],
      ["Empty", 0, 0, 0, {}],
    ],
  );
  const full = await node.get(inSecond(`/environments/summary?${ids}&hideEmptyEnvironments=True&machinePartialName=off`));
  assert.deepEqual(
    full.EnvironmentSummaries.map((one: Json) => one.Environment.Name),
    ["East"],
  );
  const pool = await node.post("/api/workerpools", { Name: "Builders" });
  await node.post("/api/workers", {
    Name: "counted",
    WorkerPoolIds: [pool.Id],
    Endpoint: { CommunicationStyle: "TentaclePassive", Uri: "https://worker:10933/", Thumbprint: "CE".repeat(20) },
    SkipInitialHealthCheck: true,
  });
  const pools = await node.get("/api/Spaces-1/workerpools/summary?hideEmptyPools=True");
  assert.deepEqual(
    [pools.TotalMachines, pools.WorkerPoolSummaries.map((one: Json) => [one.WorkerPool.Name, one.TotalMachines])],
    [1, [["Builders", 1]]],
  );
  await node.put("/api/Spaces-1/workerpools/sortorder", [pool.Id, "WorkerPools-1"]);
  const names = (await node.get("/api/workerpools/all")).map((one: Json) => one.Name);
  assert.deepEqual(names, ["Builders", "Default Worker Pool"]);
});

test("a release says how its packages were built and which are gone from the feed", async () => {
  const project = await make.project(node, "Built");
  const process = await node.get(`/api/projects/${project.Id}/deploymentprocesses`);
  const Actions = [
    {
      Name: "Install",
      ActionType: "Octopus.TentaclePackage",
      Properties: {},
      Packages: [{ Name: "", PackageId: "Acme.Built", FeedId: "feeds-builtin", AcquisitionLocation: "Server", Properties: {} }],
    },
  ];
  await node.put(process.Links.Self, {
    ...process,
    Steps: [{ Name: "Install", Properties: { "Octopus.Action.TargetRoles": "web" }, Actions }],
  });
  const template = await node.get(`/api/deploymentprocesses/${process.Id}/template`);
  assert.equal(template.Packages[0].FeedName, "Octopus Server (built-in)");
  await node.post("/api/build-information?overwriteMode=OverwriteExisting", {
    PackageId: "Acme.Built",
    Version: "1.0.1",
    OctopusBuildInformation: { BuildNumber: "7", BuildUrl: "https://ci/7", Branch: "main", Commits: [{ Id: "abc", Comment: "Fixes it" }] },
  });
  const release = await node.post("/api/releases?ignoreChannelRules=false", {
    ProjectId: project.Id,
    Version: "1.0.0",
    SelectedPackages: [{ ActionName: "Install", PackageReferenceName: "", Version: "1.0.1" }],
  });
  const [build] = release.BuildInformation;
  assert.deepEqual([build.PackageId, build.Version, build.BuildNumber, build.Commits[0].Id], ["Acme.Built", "1.0.1", "7", "abc"]);
  assert.deepEqual((await node.get(`/api/projects/${project.Id}/releases`)).Items[0].BuildInformation, [build]);
  assert.deepEqual((await node.get(`/api/projects/${project.Id}/releases/1.0.0`)).BuildInformation, [build]);
  const channels = (await node.get(`/api/projects/${project.Id}/channels`)).Items;
  const other = await node.post("/api/channels", { Name: "Other", ProjectId: project.Id });
  const ofChannel = (channel: Json): string => channel.Links.Releases.replace(/\{.*/, "/1.0.0");
  assert.equal((await node.get(ofChannel(channels[0]))).Id, release.Id);
  assert.equal((await node.call("GET", ofChannel(other))).status, 404);
  const missing = `/api/Spaces-1/releases/${release.Id}/missingpackages`;
  assert.deepEqual(await node.get(missing), { Packages: [{ Id: "Acme.Built", Version: "1.0.1" }] });
});

test("what projects and users cannot have yet is an empty answer, not a missing link", async () => {
  const project = await make.project(node, "Bare");
  for (const link of ["Runbooks", "RunbookSnapshots", "Triggers"]) {
    const page = await node.get(project.Links[link].replace(/\{.*?\}/g, ""));
    assert.deepEqual([page.TotalResults, page.Items], [0, []]);
  }
  const me = await node.get("/api/users/me");
  assert.deepEqual(await node.get(me.Links.Teams.replace(/\{.*\}/, "?includeSystem=True")), []);
});

test("S2: what a user may do is asked for spaces and for the system", async () => {
  const me = await node.get("/api/users/me");
  const ask = async (query: string): Promise<Json> => node.get(me.Links.Permissions.replace(/\{.*\}/, query));
  const all = await ask("");
  assert.ok(all.SystemPermissions.includes("ConfigureServer") && !("ConfigureServer" in all.SpacePermissions));
  assert.deepEqual(
    all.SpacePermissions.ProjectView.map((one: Json) => one.SpaceId),
    ["Spaces-1", second],
  );
  const narrow = await ask(`?includeSystem=False&spaces=${second}`);
  assert.deepEqual([narrow.SystemPermissions, narrow.SpacePermissions.ProjectView.length], [[], 1]);
  const nobody = { "X-Octopus-ApiKey": node.nobodyKey };
  const own = (await node.call("GET", "/api/users/me/permissions", undefined, nobody)).body;
  assert.deepEqual([own.SystemPermissions, own.SpacePermissions, own.IsPermissionsComplete], [[], {}, true]);
  // Of others one sees what one may see of them: nothing.
  assert.equal((await node.call("GET", `/api/users/${me.Id}/permissions`, undefined, nobody)).status, 404);
});

test("the sessions of a user are ended by the link of their document", async () => {
  const user = await node.post("/api/users", { Username: "leaving", Password: "long enough" });
  const signIn = await node.call("POST", "/api/users/login", { Username: "leaving", Password: "long enough" });
  const cookie = signIn.headers
    .getSetCookie()
    .map((one) => one.split(";")[0])
    .join("; ");
  const me = () => fetch(`${node.url}/api/users/me`, { headers: { cookie } });
  assert.equal((await me()).status, 200);
  assert.equal((await node.call("POST", user.Links.RevokeSessions, undefined, { "X-HTTP-Method-Override": "PUT" })).status, 200);
  assert.equal((await me()).status, 401);
});
