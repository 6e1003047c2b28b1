// Environments, machines and what belongs to them, through the API.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../test/support/api-node.ts";
import { readKeptSecrets } from "../../platform/kept-secrets/kept-secrets.ts";
import { findProxy, isPollingAgent, recordMachineHealth } from "./infrastructure.ts";

let node: ApiNode;
const asked: string[] = [];
before(async () => {
  node = await startApiNode(undefined, { askForHealthCheck: async (_tx, machine) => void asked.push(machine.name) });
});
after(() => node.close());

const errorsOf = async (method: string, path: string, body?: unknown): Promise<string> => {
  const answer = await node.call(method, path, body);
  assert.equal(answer.status, 400, answer.text);
  return answer.body.Errors.join(" ");
};

test("an environment is created, found, changed and deleted", async () => {
  const created = await node.call("POST", "/api/Spaces-1/environments", { name: "  Staging Area  ", description: "first", Unknown: 1 });
  assert.equal(created.status, 201);
  assert.deepEqual(
    [created.body.Name, created.body.Slug, created.body.SpaceId, created.body.SortOrder],
    ["Staging Area", "staging-area", "Spaces-1", 0],
  );
  assert.equal(created.headers.get("location"), created.body.Links.Self);
  const { Id, Links } = created.body;
  assert.deepEqual(await node.get(Links.Self), created.body);
  assert.equal((await node.get(`/api/environments/${Id.toLowerCase()}`)).Id, Id);
  assert.equal((await node.get("/api/environments/STAGING-AREA")).Id, Id);
  assert.equal((await node.call("GET", "/api/environments/Staging%20Area")).status, 404);
  assert.equal((await node.get("/api/environments?name=staging%20AREA")).TotalResults, 1);
  assert.equal((await node.get("/api/environments?partialName=AGING")).TotalResults, 1);
  const changed = await node.put(Links.Self, { Name: "Stage", UseGuidedFailure: true });
  // What is left out stays; a slug survives a rename.
  assert.deepEqual([changed.Name, changed.Slug, changed.Description, changed.UseGuidedFailure], ["Stage", "staging-area", "first", true]);
  assert.equal((await node.put(Links.Self, { Description: null })).Description, "");
  assert.match(await errorsOf("PUT", Links.Self, { SpaceId: "Spaces-2" }), /SpaceId cannot be changed/);
  assert.equal((await node.call("DELETE", Links.Self)).status, 200);
  assert.equal((await node.call("GET", Links.Self)).status, 404);
});

test("names are unique ignoring case, and slugs get a number instead", async () => {
  const first = await make.environment(node, "Unique");
  assert.match(await errorsOf("POST", "/api/environments", { Name: "UNIQUE" }), /already an environment named 'UNIQUE'/);
  const second = await make.environment(node, "Unique!");
  assert.deepEqual([first.Slug, second.Slug], ["unique", "unique-1"]);
  assert.match(await errorsOf("PUT", second.Links.Self, { Name: "uniQUE" }), /already/);
  const both = await Promise.all(["Race", "race", "RACE", "rAcE"].map((Name) => node.call("POST", "/api/environments", { Name })));
  assert.deepEqual(
    both.map((one) => one.status).sort((a, b) => a - b),
    [201, 400, 400, 400],
  );
});

test("environments keep the order they are given, and the v2 form says that they are static", async () => {
  const all: Json[] = await node.get("/api/environments/all");
  const reversed = all.map((one) => one.Id).reverse();
  assert.equal((await node.call("PUT", "/api/environments/sortorder", reversed)).status, 200);
  assert.deepEqual(
    (await node.get("/api/environments/all")).map((one: Json) => one.Id),
    reversed,
  );
  const v2 = await node.get("/api/Spaces-1/environments/v2?skip=0&take=2147483647");
  assert.ok(v2.Items.every((one: Json) => one.Type === "Static" && one.Id && one.Name && one.Slug));
  assert.equal((await node.get("/api/environments/v2?type=Ephemeral")).TotalResults, 0);
  assert.match(await errorsOf("PUT", "/api/environments/sortorder", ["Environments-999"]), /no environment/);
});

test("an agent registers as the recorded one does, and is found by its thumbprint", async () => {
  const environment = await make.environment(node, "Registered");
  const body = {
    Name: "web01",
    SpaceId: "Spaces-1",
    MachinePolicyId: null,
    EnvironmentIds: [environment.Id],
    Roles: ["web", "Web", " db "],
    TenantIds: [],
    TenantTags: [],
    TenantedDeploymentParticipation: "Untenanted",
    Thumbprint: null,
    Uri: null,
    IsDisabled: false,
    Status: "Unknown",
    HealthStatus: "Unknown",
    HasLatestCalamari: false,
    StatusSummary: null,
    IsInProcess: false,
    OperatingSystem: null,
    Slug: null,
    SkipInitialHealthCheck: false,
    Links: {},
    Id: null,
    Endpoint: {
      CommunicationStyle: "TentaclePassive",
      Uri: "https://web01.example.com:10933/",
      Thumbprint: "a6".repeat(20),
      ProxyId: null,
      TentacleVersionDetails: null,
      CertificateSignatureAlgorithm: null,
      Id: null,
      Links: {},
    },
  };
  const created = await node.call("POST", "/api/Spaces-1/machines", body);
  assert.equal(created.status, 201, created.text);
  const machine = await node.get(created.body.Links.Self);
  assert.deepEqual(
    [machine.Roles, machine.EnvironmentIds, machine.MachinePolicyId, machine.Endpoint.CommunicationStyle],
    [["Web", "db"], [environment.Id], "MachinePolicies-1", "TentaclePassive"],
  );
  assert.equal(machine.Endpoint.Thumbprint, "A6".repeat(20));
  assert.deepEqual(asked, ["web01"]);
  assert.deepEqual(
    (await node.get(`/api/Spaces-1/machines/all?thumbprint=${"A6".repeat(20)}`)).map((one: Json) => one.Id),
    [machine.Id],
  );
  assert.deepEqual(await node.get(`/api/machines/all?thumbprint=${"B7".repeat(20)}`), []);
  assert.equal((await node.get("/api/Spaces-1/machines?name=WEB01")).Items[0].Id, machine.Id);
  assert.match(await errorsOf("POST", "/api/machines", body), /already a machine named 'web01'/);
  // The .NET client changes it by sending the whole machine as it was read.
  const changed = await node.call("POST", machine.Links.Self, { ...machine, Roles: ["api"] }, { "X-HTTP-Method-Override": "PUT" });
  assert.deepEqual(changed.body.Roles, ["api"]);
  assert.deepEqual(await node.get("/api/machineroles/all"), ["api"]);
  assert.equal((await node.get(`/api/environments/${environment.Id}/machines`)).TotalResults, 1);
  assert.equal((await node.get(`/api/machines?environmentIds=${environment.Id.toLowerCase()}&roles=API`)).TotalResults, 1);
  assert.equal((await node.get("/api/machines?roles=other")).TotalResults, 0);
  assert.equal((await node.get(machine.Links.Connection)).Status, "Unknown");
  assert.match(await errorsOf("DELETE", environment.Links.Self), /because deployment targets still use it/);
  assert.equal((await node.call("POST", machine.Links.Self, undefined, { "X-HTTP-Method-Override": "DELETE" })).status, 200);
  assert.equal((await node.call("DELETE", environment.Links.Self)).status, 200);
});

test("a polling agent's subscription belongs to the certificate that registered it, in every space", async () => {
  const environment = await make.environment(node, "Polled");
  const body = (Name: string, thumbprint: string, Uri = "poll://KdSvTjw98/") => ({
    Name,
    EnvironmentIds: [environment.Id],
    Roles: ["web"],
    Endpoint: { CommunicationStyle: "TentacleActive", Uri, Thumbprint: thumbprint.repeat(20) },
  });
  const first = await node.post("/api/machines", body("polled-1", "c1"));
  assert.deepEqual(
    [first.Endpoint.CommunicationStyle, first.Endpoint.Uri, first.Uri, first.Thumbprint],
    ["TentacleActive", "poll://kdsvtjw98/", "poll://kdsvtjw98/", "C1".repeat(20)],
  );
  assert.equal(await isPollingAgent(node.database, { subscription: "poll://KDSVTJW98/", thumbprint: "c1".repeat(20) }), true);
  assert.equal(await isPollingAgent(node.database, { subscription: "poll://kdsvtjw98/", thumbprint: "C2".repeat(20) }), false);
  assert.equal(await isPollingAgent(node.database, { subscription: "poll://unknown/", thumbprint: "C1".repeat(20) }), false);
  assert.match(await errorsOf("POST", "/api/machines", body("polled-2", "c2")), /registered for an agent with another certificate/);
  const second = await node.post("/api/machines", body("polled-2", "c1"));
  // Two registrations of one agent: neither can go to another certificate alone, and the last one can.
  assert.match(await errorsOf("PUT", first.Links.Self, body("polled-1", "c2")), /another certificate/);
  await node.call("DELETE", second.Links.Self);
  await node.put(first.Links.Self, body("polled-1", "c2"));
  assert.equal(await isPollingAgent(node.database, { subscription: "poll://kdsvtjw98/", thumbprint: "C1".repeat(20) }), false);
  const raced = await Promise.all(
    ["d1", "d2", "d3"].map((thumbprint) => node.call("POST", "/api/machines", body(`raced-${thumbprint}`, thumbprint, "poll://raced/"))),
  );
  assert.deepEqual(
    raced.map((one) => one.status).sort((a, b) => a - b),
    [201, 400, 400],
  );
});

test("a machine without a valid endpoint, environment or role is refused with every fault", async () => {
  const faults = await errorsOf("POST", "/api/machines", {
    Name: "bad",
    Endpoint: { CommunicationStyle: "TentaclePassive", Uri: "ftp://x" },
  });
  for (const part of [/Thumbprint/, /Uri/, /EnvironmentIds/, /Roles/]) assert.match(faults, part);
  assert.match(
    await errorsOf("POST", "/api/machines", { Name: "bad", EnvironmentIds: ["Environments-999"] }),
    /no environment 'Environments-999'/,
  );
  assert.equal((await node.get("/api/machines?name=bad")).TotalResults, 0);
});

test("another address or certificate makes health unknown and asks for a check; anything else leaves it", async () => {
  const environment = await make.environment(node, "Rechecked");
  const machine = await make.machine(node, "moving", [environment.Id]);
  const checks = () => asked.filter((name) => name === "moving").length;
  assert.equal(checks(), 1);
  const healthy = () =>
    node.database.transaction((tx) => recordMachineHealth(tx, machine.Id, { healthStatus: "Healthy", statusSummary: "fine" }));
  await healthy();
  const renamed = await node.put(machine.Links.Self, { ...(await node.get(machine.Links.Self)), Roles: ["web", "db"] });
  assert.deepEqual([renamed.HealthStatus, renamed.StatusSummary, checks()], ["Healthy", "fine", 1]);
  const { Endpoint } = renamed;
  let expected = 1;
  for (const change of [{ Uri: "https://elsewhere:10933/" }, { Thumbprint: "de".repeat(20) }]) {
    await healthy();
    const moved = await node.put(machine.Links.Self, { Endpoint: { ...Endpoint, ...change } });
    assert.deepEqual([moved.HealthStatus, moved.StatusSummary, checks()], ["Unknown", "", (expected += 1)]);
  }
  await node.put(machine.Links.Self, { Endpoint, SkipInitialHealthCheck: true });
  assert.equal(checks(), expected);
});

test("a proxy's password goes in, is stored encrypted, and never comes out; what it is not told stays", async () => {
  const stored = async () =>
    await readKeptSecrets(
      node.database,
      node.secrets,
      await node.database.query<{ id: string }>(`SELECT id::text FROM secrets`).then((all) => all.map((one) => one.id)),
    );
  const before = (await stored()).size;
  const created = await node.call("POST", "/api/proxies", {
    Name: "DMZ Proxy",
    Host: "PROXY.example",
    Port: 3128,
    Username: "agent",
    ProxyType: "http",
    Password: { HasValue: true, NewValue: "first secret" },
  });
  assert.equal(created.status, 201, created.text);
  const proxy = created.body;
  assert.deepEqual(
    [proxy.Host, proxy.Port, proxy.Username, proxy.ProxyType, proxy.Password],
    ["proxy.example", 3128, "agent", "HTTP", { HasValue: true, NewValue: null, Hint: null }],
  );
  assert.deepEqual([...(await stored()).values()], ["first secret"]);
  assert.ok(
    !JSON.stringify(
      await node.database.query(
        `SELECT p::text FROM proxies p UNION ALL SELECT e::text FROM events e UNION ALL SELECT s::text FROM secrets s`,
      ),
    ).includes("first secret"),
  );
  for (const kept of [{ Password: { HasValue: true } }, { Password: null }, { Username: "other" }]) {
    const changed = await node.put(proxy.Links.Self, kept);
    assert.equal(changed.Password.HasValue, true);
    assert.deepEqual([...(await stored()).values()], ["first secret"]);
  }
  await node.put(proxy.Links.Self, { Password: { HasValue: true, NewValue: "second secret" } });
  assert.deepEqual(await findProxy(node.database, node.secrets, proxy.Id), {
    host: "proxy.example",
    port: 3128,
    username: "other",
    password: "second secret",
  });
  assert.equal(await findProxy(node.database, node.secrets, "Proxies-999"), undefined);
  assert.deepEqual([...(await stored()).values()], ["second secret"]);
  assert.equal((await node.put(proxy.Links.Self, { Password: { HasValue: false, NewValue: null } })).Password.HasValue, false);
  assert.equal((await stored()).size, before);
  await node.put(proxy.Links.Self, { Password: { HasValue: true, NewValue: "third secret" } });
  assert.equal((await node.call("DELETE", proxy.Links.Self)).status, 200);
  assert.equal((await stored()).size, before);
});

test("a proxy that cannot be is refused with every fault, and one in use is not deleted", async () => {
  const faults = await errorsOf("POST", "/api/proxies", {
    Name: "x",
    Host: "http://p:1/",
    Port: 70_000,
    Username: "a:b",
    ProxyType: "SOCKS",
  });
  for (const part of [/Host/, /Port/, /Username/, /ProxyType/]) assert.match(faults, part);
  assert.match(await errorsOf("POST", "/api/proxies", { Name: "x" }), /Host is required.* Port is required/);
  for (const Host of ["", "a b", "a:1", "user@a", "a/b"])
    assert.match(await errorsOf("POST", "/api/proxies", { Name: "x", Host, Port: 1 }), /Host/);
  assert.equal((await node.post("/api/proxies", { Name: "six", Host: "[::1]", Port: 1 })).Host, "::1");
  const proxy = await node.post("/api/proxies", { Name: "Used", Host: "proxy", Port: 3128 });
  assert.match(await errorsOf("POST", "/api/proxies", { Name: "USED", Host: "proxy", Port: 3128 }), /already a proxy named 'USED'/);
  const environment = await make.environment(node, "Behind a proxy");
  const endpoint = { CommunicationStyle: "TentaclePassive", Uri: "https://behind/", Thumbprint: "cd".repeat(20) };
  const machine = await node.post("/api/machines", {
    Name: "behind",
    EnvironmentIds: [environment.Id],
    Roles: ["web"],
    Endpoint: { ...endpoint, ProxyId: proxy.Id.toLowerCase() },
  });
  assert.equal(machine.Endpoint.ProxyId, proxy.Id);
  assert.match(await errorsOf("DELETE", proxy.Links.Self), /'Used' cannot be deleted because deployment targets still use it/);
  assert.match(await errorsOf("PUT", machine.Links.Self, { Endpoint: { ...endpoint, ProxyId: "Proxies-999" } }), /no proxy 'Proxies-999'/);
  assert.equal((await node.put(machine.Links.Self, { IsDisabled: true })).Endpoint.ProxyId, proxy.Id);
  assert.equal((await node.put(machine.Links.Self, { Endpoint: endpoint })).Endpoint.ProxyId, null);
  assert.equal((await node.call("DELETE", proxy.Links.Self)).status, 200);
  const polling = { CommunicationStyle: "TentacleActive", Uri: "poll://behind/", Thumbprint: "cd".repeat(20), ProxyId: "Proxies-1" };
  assert.match(await errorsOf("PUT", machine.Links.Self, { Endpoint: polling }), /polling agent's own proxy/);
});

test("a worker registers into pools, is found by its thumbprint, keeps its pools from being deleted, and is deleted", async () => {
  const pool = await node.post("/api/workerpools", { Name: "Linux" });
  const body = (Name: string, WorkerPoolIds: string[], Uri = "poll://worker-1/") => ({
    Name,
    WorkerPoolIds,
    MachinePolicyId: null,
    Endpoint: { CommunicationStyle: "TentacleActive", Uri, Thumbprint: "e1".repeat(20) },
  });
  const created = await node.call("POST", "/api/Spaces-1/workers", body("worker01", [pool.Id.toLowerCase(), "WorkerPools-1"]));
  assert.equal(created.status, 201, created.text);
  const worker = await node.get(created.body.Links.Self);
  assert.deepEqual(
    [worker.Id, worker.WorkerPoolIds, worker.MachinePolicyId, worker.HealthStatus],
    ["Workers-1", ["WorkerPools-1", pool.Id], "MachinePolicies-1", "Unknown"],
  );
  assert.ok(asked.includes("worker01"));
  assert.equal(await isPollingAgent(node.database, { subscription: "poll://worker-1/", thumbprint: "E1".repeat(20) }), true);
  // A target cannot take over the worker's subscription either.
  const environment = await make.environment(node, "Working");
  assert.match(
    await errorsOf("POST", "/api/machines", {
      ...body("thief", []),
      EnvironmentIds: [environment.Id],
      Roles: ["x"],
      Endpoint: { CommunicationStyle: "TentacleActive", Uri: "poll://worker-1/", Thumbprint: "e2".repeat(20) },
    }),
    /another certificate/,
  );
  assert.equal((await node.get("/api/workers?name=WORKER01")).Items[0].Id, worker.Id);
  assert.deepEqual(
    (await node.get(`/api/workers/all?thumbprint=${"e1".repeat(20)}`)).map((one: Json) => one.Id),
    [worker.Id],
  );
  assert.deepEqual(await node.get(`/api/workers/all?thumbprint=${"e9".repeat(20)}`), []);
  assert.equal((await node.get(`/api/workerpools/${pool.Id}/workers`)).TotalResults, 1);
  assert.match(await errorsOf("POST", "/api/workers", body("WORKER01", [pool.Id])), /already a worker named/);
  assert.match(await errorsOf("POST", "/api/workers", body("worker02", [])), /at least one worker pool/);
  assert.match(await errorsOf("DELETE", pool.Links.Self), /because workers still use it/);
  const changed = await node.call(
    "POST",
    worker.Links.Self,
    { ...worker, WorkerPoolIds: ["WorkerPools-1"] },
    { "X-HTTP-Method-Override": "PUT" },
  );
  assert.deepEqual(changed.body.WorkerPoolIds, ["WorkerPools-1"]);
  const health = { healthStatus: "Healthy", statusSummary: "fine" } as const;
  assert.equal(await node.database.transaction((tx) => recordMachineHealth(tx, worker.Id, health)), true);
  const connection = await node.get(`${worker.Links.Self}/connection`);
  assert.deepEqual([connection.Status, connection.ConnectedNodes], ["Online", []]);
  assert.equal((await node.call("POST", worker.Links.Self, undefined, { "X-HTTP-Method-Override": "DELETE" })).status, 200);
  assert.equal((await node.call("DELETE", pool.Links.Self)).status, 200);
});

test("a machine policy keeps what a change leaves out, and says what it cannot be", async () => {
  const policy = await node.post("/api/machinepolicies", { Name: "Gentle", ConnectionConnectTimeout: "00:00:30" });
  const changed = await node.put(policy.Links.Self, { MachineCleanupPolicy: { DeleteMachinesBehavior: "DeleteUnavailableMachines" } });
  assert.deepEqual(
    [changed.ConnectionConnectTimeout, changed.MachineCleanupPolicy],
    ["00:00:30", { DeleteMachinesBehavior: "DeleteUnavailableMachines", DeleteMachinesElapsedTimeSpan: "00:00:00" }],
  );
  const refused = await errorsOf("PUT", policy.Links.Self, { PollingRequestQueueTimeout: "2 minutes", ConnectionRetryCountLimit: 5_000 });
  assert.match(refused, /PollingRequestQueueTimeout must be a timespan .* ConnectionRetryCountLimit must be/);
  assert.match(await errorsOf("POST", "/api/machinepolicies", { Name: "GENTLE" }), /already a machine policy named 'GENTLE'/);
  assert.match(await errorsOf("POST", "/api/workerpools", { Name: "Cloud", WorkerPoolType: "DynamicWorkerPool" }), /StaticWorkerPool/);
});

test("one machine policy and one pool are the default, which moves but never goes", async () => {
  const old = await node.get("/api/machinepolicies/MachinePolicies-1");
  assert.equal(old.IsDefault, true);
  const next = await node.post("/api/machinepolicies", { Name: "Next", IsDefault: true });
  assert.equal((await node.get("/api/machinepolicies/MachinePolicies-1")).IsDefault, false);
  assert.equal((await node.put(next.Links.Self, { IsDefault: false })).IsDefault, true);
  assert.match(await errorsOf("DELETE", next.Links.Self), /is the default/);
  assert.equal(next.MachineHealthCheckPolicy.HealthCheckInterval, "01:00:00");
  assert.equal((await node.get("/api/machinepolicies/template")).ConnectionConnectTimeout, "00:01:00");
  assert.match(await errorsOf("DELETE", "/api/workerpools/WorkerPools-1"), /is the default/);
});

test("both addresses answer the cluster's certificate with its thumbprint in upper case", async () => {
  for (const path of [
    "/api/configuration/certificates/certificate-global",
    "/api/certificates/certificate-global",
    "/api/Spaces-1/certificates/certificate-global",
  ]) {
    assert.equal((await node.get(path)).Thumbprint, "AB".repeat(20));
  }
  assert.equal((await node.call("GET", "/api/configuration/certificates/other")).status, 404);
});

test("another space sees nothing of it, and the same names are free there", async () => {
  const other = await node.post("/api/spaces", { Name: "Elsewhere" });
  const here = await make.environment(node, "Walled");
  for (const answer of [
    await node.call("GET", `/api/${other.Id}/environments/${here.Id}`),
    await node.call("PUT", `/api/${other.Id}/environments/${here.Id}`, { Name: "x" }),
    await node.call("DELETE", `/api/${other.Id}/environments/${here.Id}`),
  ]) {
    assert.equal(answer.status, 404);
  }
  assert.equal((await node.get(`/api/${other.Id}/environments`)).TotalResults, 0);
  const there = await node.call("POST", `/api/${other.Slug}/environments`, { Name: "Walled" });
  assert.deepEqual([there.status, there.body.SpaceId], [201, other.Id]);
  const foreign = await node.call("POST", `/api/${other.Id}/machines`, {
    Name: "m",
    EnvironmentIds: [here.Id],
    Roles: ["x"],
    Endpoint: { CommunicationStyle: "None" },
  });
  assert.equal(foreign.status, 400);
});
