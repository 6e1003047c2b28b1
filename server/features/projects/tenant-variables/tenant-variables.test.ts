// Values of tenants through the API of a real node: given, kept, hidden, refused, and taken by deployments as they are when these start.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";
import { createScopeResolver } from "@cuttle/templates";
import { readKeptSecrets } from "../../../platform/kept-secrets/kept-secrets.ts";
import { loadDeploymentSnapshot } from "../../runs/deployments/deployments.ts";

let node: ApiNode;
let dev: Json;
let live: Json;
before(async () => {
  node = await startApiNode(undefined);
  dev = await make.environment(node, "Dev");
  live = await make.environment(node, "Live");
  await make.machine(node, "web01", [dev.Id, live.Id]);
});
after(() => node.close());

const control = (type: string) => ({ "Octopus.ControlType": type });
const projectTemplates = [
  { Id: "color", Name: "Color", Label: "Colour", DisplaySettings: control("SingleLineText") },
  { Id: "size", Name: "Size", DefaultValue: "small", DisplaySettings: control("SingleLineText") },
  { Id: "key", Name: "Key", DisplaySettings: control("Sensitive") },
];

interface Stage {
  project: Json;
  set: Json;
  tenant: Json;
  release: Json;
  /** Address of the tenant's variables. */
  at: string;
}

let count = 0;
async function stage(Variables: object[] = []): Promise<Stage> {
  const n = ++count;
  const Templates = [{ Id: "alias", Name: "Alias", DisplaySettings: control("SingleLineText") }];
  const set = await node.post("/api/libraryvariablesets", { Name: `Common ${n}`, Templates });
  const made = await make.project(node, `Shop ${n}`);
  const settings = {
    TenantedDeploymentMode: "TenantedOrUntenanted",
    Templates: projectTemplates,
    IncludedLibraryVariableSetIds: [set.Id],
  };
  const project = await node.put(made.Links.Self, settings);
  await make.process(node, project.Id);
  await node.put(project.Links.Variables, { Variables });
  const tenant = await node.post("/api/tenants", { Name: `Acme ${n}`, ProjectEnvironments: { [project.Id]: [dev.Id, live.Id] } });
  return { project, set, tenant, release: await make.release(node, project.Id, "1.0.0"), at: tenant.Links.Variables };
}

/** Values for all that is asked in the first environment. */
const answers = ({ project, set }: Stage, more: object = {}): Json => ({
  LibraryVariables: { [set.Id]: { Variables: { alias: "acme" } } },
  ProjectVariables: {
    [project.Id]: { Variables: { [dev.Id]: { color: "blue", key: { HasValue: true, NewValue: "secret one" }, ...more } } },
  },
});
const errorsOf = async (method: string, path: string, body: object): Promise<string> => {
  const answer = await node.call(method, path, body);
  assert.equal(answer.status, 400, answer.text);
  return answer.body.Errors.join(" ");
};
const deploy = ({ release, tenant }: Stage, environment = dev) =>
  node.call("POST", "/api/deployments", { ReleaseId: release.Id, EnvironmentId: environment.Id, TenantId: tenant.Id });

/** The values that hold for a deployment, as its run resolves them. */
async function runnerSees(deploymentId: string): Promise<Record<string, string | null>> {
  const snapshot = await node.database.transaction((tx) => loadDeploymentSnapshot(tx, deploymentId));
  assert.ok(snapshot);
  const ids = snapshot.variables.flatMap((one) => one.secretId ?? []);
  const secrets = await readKeptSecrets(node.database, node.secrets, ids);
  const scope = { environment: snapshot.environment.id, project: snapshot.project.id, tenant: snapshot.tenant?.id, tenantTags: [] };
  return Object.fromEntries(
    createScopeResolver(snapshot.variables)
      .resolve(scope)
      .map(({ winner }) => {
        const { name, value, secretId } = snapshot.variables.find((one) => one.id === winner.id && one.name === winner.name)!;
        return [name, secretId === null ? value : secrets.get(secretId)!];
      }),
  );
}

test("S3: a tenant is asked by its projects and their library sets, answers with POST or PUT, and secrets do not come back", async () => {
  const it = await stage();
  const asked = await node.get(it.at);
  assert.deepEqual(Object.keys(asked.ProjectVariables), [it.project.Id]);
  assert.deepEqual(asked.ProjectVariables[it.project.Id].Variables, { [dev.Id]: {}, [live.Id]: {} });
  assert.deepEqual(
    asked.ProjectVariables[it.project.Id].Templates.map((one: Json) => one.Name),
    ["Color", "Size", "Key"],
  );
  assert.equal(asked.LibraryVariables[it.set.Id].LibraryVariableSetName, it.set.Name);
  const given = await node.post(it.at, answers(it));
  const values = given.ProjectVariables[it.project.Id].Variables[dev.Id];
  assert.deepEqual(values, { color: "blue", key: { HasValue: true, NewValue: null, Hint: null } });
  assert.ok(!JSON.stringify(given).includes("secret one"));
  // What was read is sent back with one change: the secret stays.
  given.ProjectVariables[it.project.Id].Variables[dev.Id].color = "green";
  const again = await node.put(it.at, given);
  assert.deepEqual(again.ProjectVariables[it.project.Id].Variables[dev.Id], { ...values, color: "green" });
  assert.equal((await runnerSees((await deploy(it)).body.Id))["Key"], "secret one");
  assert.equal((await node.call("PUT", it.at, given)).status, 409, "another one was faster");
  const cleared = await node.put(it.at, answers(it, { key: { HasValue: false, NewValue: null } }));
  assert.deepEqual(cleared.ProjectVariables[it.project.Id].Variables[dev.Id], { color: "blue" });
  assert.deepEqual((await node.get(it.at)).ProjectVariables[it.project.Id].Variables[live.Id], {});
});

test("S5: what does not fit is refused with every fault, and nothing is changed", async () => {
  const it = await stage();
  const other = await make.environment(node, "Elsewhere");
  const faults = await errorsOf("PUT", it.at, {
    LibraryVariables: { "LibraryVariableSets-999": { Variables: {} } },
    ProjectVariables: {
      "Projects-999": { Variables: {} },
      [it.project.Id]: { Variables: { [other.Id]: {}, [dev.Id]: { nothing: "x", key: "x".repeat(300_000) } } },
    },
  });
  for (const fault of [
    /library variable set 'Lib.*-999'/,
    /project 'Projects-999'/,
    /environment '.*' in the project/,
    /template 'nothing'/,
    /larger/,
  ])
    assert.match(faults, fault);
  assert.equal((await node.get(it.at)).ConcurrencyToken, "0");
  for (const Templates of [
    [{ Name: "A".repeat(1_001) }],
    [{ Name: "A" }, { Name: "a" }],
    [{ Id: "__proto__", Name: "A" }],
    [{ Name: "A", DisplaySettings: control("Certificate") }],
    [{ Name: "A", DefaultValue: "x", DisplaySettings: control("Sensitive") }],
    [{ Name: "A", DefaultValue: ["x"] }],
  ])
    await errorsOf("PUT", it.project.Links.Self, { Templates });
  const key = { "X-Octopus-ApiKey": node.nobodyKey };
  assert.equal((await node.call("PUT", it.at, answers(it), key)).status, 403);
});

test("a value that is missing refuses the deployment by name; a default does", async () => {
  const it = await stage();
  const refused = await errorsOf("POST", "/api/deployments", { ReleaseId: it.release.Id, EnvironmentId: dev.Id, TenantId: it.tenant.Id });
  assert.match(refused, /has no value in Dev for 'Colour' \(Color of Shop \d+\), 'Key' .*, 'Alias' \(Alias of Common \d+\)/);
  assert.ok(!refused.includes("Size"));
  await node.put(it.at, answers(it));
  const made = await deploy(it);
  assert.equal(made.status, 201, made.text);
  assert.deepEqual(await runnerSees(made.body.Id), { Color: "blue", Size: "small", Key: "secret one", Alias: "acme" });
  assert.equal((await deploy(it, live)).status, 400, "each environment has its own values");
  const plain = await node.call("POST", "/api/deployments", { ReleaseId: it.release.Id, EnvironmentId: dev.Id });
  assert.equal(plain.status, 201, "without a tenant nobody is asked");
  assert.deepEqual(await runnerSees(plain.body.Id), {});
});

test("a tenant's value has the rank of the tenant: above tags, environments and nothing, below machines and steps", async () => {
  const it = await stage([
    { Name: "Color", Value: "of the project" },
    { Name: "Color", Value: "of the environment", Scope: { Environment: [dev.Id] } },
    { Name: "Alias", Value: "of both", Scope: { Environment: [dev.Id] } },
  ]);
  await node.put(it.at, answers(it));
  const { body } = await deploy(it);
  const seen = await runnerSees(body.Id);
  assert.deepEqual([seen["Color"], seen["Alias"]], ["blue", "acme"]);
  const preview = async (more: string): Promise<string[]> =>
    (await node.get(`/api/variables/preview?project=${it.project.Id}${more}`)).Variables.map(
      (one: Json) => `${one.Name}=${one.Value}`,
    ).sort();
  assert.deepEqual(await preview(`&environment=${dev.Id}&tenant=${it.tenant.Id}`), ["Alias=acme", "Color=blue", "Key=null", "Size=small"]);
  assert.deepEqual(await preview(`&environment=${live.Id}&tenant=${it.tenant.Id}`), ["Alias=acme", "Color=of the project", "Size=small"]);
  assert.deepEqual(await preview(`&environment=${dev.Id}`), ["Alias=of both", "Color=of the environment"]);
  assert.equal((await node.call("GET", `/api/variables/preview?project=${it.project.Id}&tenant=Tenants-999`)).status, 400);
});

test("values are not frozen: what is there when a deployment starts counts, and a secret stays while one is under way", async () => {
  const it = await stage();
  await node.put(it.at, answers(it));
  const { body: deployment } = await deploy(it);
  const before = await node.database.transaction((tx) => loadDeploymentSnapshot(tx, deployment.Id));
  const old = before!.variables.flatMap((one) => one.secretId ?? []);
  await node.put(it.at, answers(it, { color: "red", key: { HasValue: true, NewValue: "secret two" } }));
  const seen = await runnerSees(deployment.Id);
  assert.deepEqual([seen["Color"], seen["Key"]], ["red", "secret two"]);
  const stays = async (): Promise<boolean> => {
    const [row] = await node.database.query<{ count: number }>(`SELECT count(*) AS count FROM secrets WHERE id = ANY ($1::uuid[])`, [old]);
    return row!.count > 0;
  };
  assert.equal(await stays(), true, "a plan may name it");
  await node.post(`/api/tasks/${deployment.TaskId}/cancel`);
  await node.put(it.at, answers(it, { color: "black" }));
  assert.equal(await stays(), false);
  await node.call("DELETE", `/api/deployments/${deployment.Id}`);
  const owner = `tenantvariables-${it.tenant.Id}`;
  assert.equal((await node.call("DELETE", it.tenant.Links.Self)).status, 200);
  assert.deepEqual(await node.database.query(`SELECT 1 FROM secrets WHERE owner = $1`, [owner]), []);
});

test("what tenants have not answered is listed, by tenant, project and environment, and all values of a project together", async () => {
  const [it, other] = [await stage(), await stage()];
  await node.put(it.at, answers(it));
  const missing = async (query: string): Promise<Json[]> => node.get(`/api/tenants/variables-missing?${query}`);
  const ids = (all: Json[]): string[] => all.map((one) => one.TenantId);
  assert.deepEqual(await missing(`tenantId=${it.tenant.Id}&environmentId=${dev.Id}`), []);
  const [details] = await missing(`tenantId=${it.tenant.Id}&includeDetails=true`);
  assert.deepEqual(
    details!.MissingVariables.map((one: Json) => [one.ProjectId, one.EnvironmentId, one.LibraryVariableSetId, one.VariableTemplateName]),
    [
      [it.project.Id, live.Id, null, "Color"],
      [it.project.Id, live.Id, null, "Key"],
    ],
  );
  const [short] = await missing(`projectId=${other.project.Id}`);
  assert.deepEqual([short!.TenantId, short!.MissingVariables], [other.tenant.Id, []]);
  const [whole] = await missing(`projectId=${other.project.Id}&environmentId=${dev.Id}&includeDetails=true`);
  assert.deepEqual(whole!.MissingVariables.at(-1).LibraryVariableSetId, other.set.Id);
  assert.equal(whole!.MissingVariables.length, 3);
  const all = ids(await missing(""));
  assert.ok(all.includes(it.tenant.Id) && all.includes(other.tenant.Id));
  const [values, ...more] = await node.get(`/api/tenantvariables/all?projectId=${it.project.Id}`);
  assert.deepEqual([values, more], [await node.get(it.at), []]);
});
