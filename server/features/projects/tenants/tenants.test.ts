// Tenants, tag sets and the deployment targets that name them: renames follow, what is in use stays.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";

let node: ApiNode;
let environment: Json;
before(async () => {
  node = await startApiNode(undefined);
  environment = await make.environment(node, "Test");
});
after(() => node.close());

const errorsOf = async (method: string, path: string, body?: unknown): Promise<string> => {
  const answer = await node.call(method, path, body);
  assert.equal(answer.status, 400, answer.text);
  return answer.body.Errors.join(" ");
};
const names = (items: Json[]) => items.map((one) => one.Name);
const registers = (more: object) =>
  node.post("/api/machines", {
    EnvironmentIds: [environment.Id],
    Roles: ["web"],
    Endpoint: { CommunicationStyle: "TentaclePassive", Uri: "https://localhost:10933/", Thumbprint: "cd".repeat(20) },
    ...more,
  });

test("a tag set gives its tags ids and canonical names, keeps their order, and takes changes by id or by name", async () => {
  const set = await node.post("/api/tagsets", { Name: "Region", Tags: [{ Name: "North", Color: "#ff0000" }, { Name: " South " }] });
  assert.deepEqual(
    set.Tags.map((tag: Json) => [tag.Name, tag.CanonicalTagName, tag.Color, tag.SortOrder]),
    [
      ["North", "Region/North", "#ff0000", 0],
      ["South", "Region/South", "#333333", 1],
    ],
  );
  assert.ok(set.Tags.every((tag: Json) => tag.Id.startsWith(`${set.Id}/Tags-`)));
  assert.deepEqual([set.Type, set.Scopes], ["MultiSelect", ["Tenant"]]);
  const [north, south] = set.Tags;
  // Two tags swap their names, one is added, and the color nobody sent stays.
  const swapped = await node.put(set.Links.Self, {
    Tags: [{ Id: north.Id, Name: "South" }, { Id: south.Id, Name: "North" }, { Name: "West" }],
  });
  assert.deepEqual(
    swapped.Tags.map((tag: Json) => [tag.Id === north.Id, tag.Name, tag.Color]),
    [
      [true, "South", "#ff0000"],
      [false, "North", "#333333"],
      [false, "West", "#333333"],
    ],
  );
  const byName = await node.put(set.Links.Self, { Tags: [{ Name: "WEST" }, { Name: "north" }] });
  assert.deepEqual(
    byName.Tags.map((tag: Json) => [tag.Id, tag.Name]),
    [
      [swapped.Tags[2].Id, "WEST"],
      [south.Id, "north"],
    ],
  );
  assert.deepEqual((await node.get(set.Links.Self)).Tags, byName.Tags);
  assert.deepEqual((await node.put(set.Links.Self, { Description: "only this" })).Tags, byName.Tags);
  await node.call("DELETE", set.Links.Self);
});

test("a tag set that cannot be is refused with every fault", async () => {
  const set = await node.post("/api/tagsets", { Name: "Size", Tags: [{ Name: "Big" }] });
  assert.match(await errorsOf("POST", "/api/tagsets", { Name: "size" }), /already a tag set named 'size'/);
  const faults = await errorsOf("POST", "/api/tagsets", {
    Name: "A/B",
    Type: "FreeText",
    Scopes: ["Project"],
    Tags: [{ Name: "x/y" }, { Color: "#123456" }, { Name: "z", Color: "red" }, { Name: "Z" }],
  });
  for (const fault of [/set must not contain a slash/, /tag must not/, /Tags\[1\].Name/, /color/, /two tags/, /MultiSelect/, /Scopes/])
    assert.match(faults, fault);
  assert.match(await errorsOf("PUT", set.Links.Self, { Tags: [{ Id: "TagSets-9/Tags-9", Name: "x" }] }), /has no tag 'TagSets-9\/Tags-9'/);
  const { Id } = set.Tags[0];
  const twice = [
    { Id, Name: "a" },
    { Id, Name: "b" },
  ];
  assert.match(await errorsOf("PUT", set.Links.Self, { Tags: twice }), /twice/);
  const { Tags } = await node.post("/api/tagsets", { Name: "Many", Tags: [{ Name: "x".repeat(200) }] });
  assert.equal(Tags[0].CanonicalTagName.length, 205);
  assert.match(
    await errorsOf("POST", "/api/tagsets", { Name: "More", Tags: Array.from({ length: 1_001 }, (_, n) => ({ Name: `t${n}` })) }),
    /at most 1000 tags/,
  );
});

test("tag sets keep the order they are given", async () => {
  const all: Json[] = await node.get("/api/tagsets/all");
  const reversed = all.map((one) => one.Id).reverse();
  assert.equal((await node.call("PUT", "/api/tagsets/sortorder", reversed)).status, 200);
  assert.deepEqual(
    (await node.get("/api/tagsets")).Items.map((one: Json) => one.Id),
    reversed,
  );
});

test("tenants are found by name, slug, id and tags: any tag of one set, one of each set", async () => {
  await node.post("/api/tagsets", { Name: "Ring", Tags: [{ Name: "Early" }, { Name: "Late" }] });
  await node.post("/api/tagsets", { Name: "Plan", Tags: [{ Name: "Free" }, { Name: "Paid" }] });
  assert.equal((await node.get("/api/tenants/status")).Enabled, false);
  const acme = await node.post("/api/tenants", { Name: "Acme Inc", TenantTags: ["ring/EARLY", "Plan/Paid"] });
  assert.deepEqual([acme.Slug, acme.TenantTags, acme.ProjectEnvironments], ["acme-inc", ["Plan/Paid", "Ring/Early"], {}]);
  await node.post("/api/tenants", { Name: "Bravo", TenantTags: ["Ring/Late", "Plan/Free"], IsDisabled: true });
  await node.post("/api/tenants", { Name: "Charlie" });
  assert.equal((await node.get("/api/tenants/status")).Enabled, true);
  const found = async (query: string) => names((await node.get(`/api/tenants${query}`)).Items);
  assert.deepEqual(await found("?tags=Ring/Early,Ring/Late"), ["Acme Inc", "Bravo"]);
  assert.deepEqual(await found("?tags=Ring/Early,ring/late,Plan/Paid"), ["Acme Inc"]);
  assert.deepEqual(await found("?isDisabled=true"), ["Bravo"]);
  assert.deepEqual(await found("?name=charlie"), ["Charlie"]);
  assert.deepEqual(await found(`?ids=${acme.Id}`), ["Acme Inc"]);
  assert.equal((await node.get("/api/tenants/acme-inc")).Id, acme.Id);
  assert.match(await errorsOf("POST", "/api/tenants", { Name: "ACME inc" }), /already a tenant/);
  assert.match(await errorsOf("POST", "/api/tenants", { Name: "x", TenantTags: ["Ring/Never"] }), /no tag 'Ring\/Never'/);
  assert.match(await errorsOf("PUT", acme.Links.Self, { ProjectEnvironments: { "Projects-1": [] } }), /no project 'Projects-1'/);
  assert.deepEqual((await node.put(acme.Links.Self, { TenantTags: ["Plan/Paid"] })).TenantTags, ["Plan/Paid"]);
});

test("a renamed set or tag is renamed where it is used, and what is in use is not taken away", async () => {
  const set = await node.post("/api/tagsets", { Name: "Area", Tags: [{ Name: "A" }, { Name: "B" }] });
  const tenant = await node.post("/api/tenants", { Name: "Tagged", TenantTags: ["Area/A"] });
  const machine = await registers({
    Name: "tagged",
    TenantIds: [tenant.Id.toLowerCase()],
    TenantTags: ["area/b"],
    TenantedDeploymentParticipation: "Tenanted",
  });
  assert.deepEqual([machine.TenantIds, machine.TenantTags], [[tenant.Id], ["Area/B"]]);
  assert.deepEqual(names((await node.get(`/api/machines?tenantIds=${tenant.Id}`)).Items), ["tagged"]);
  assert.deepEqual(names((await node.get("/api/machines?tenantTags=AREA/b")).Items), ["tagged"]);
  const [a, b] = set.Tags;
  await node.put(set.Links.Self, {
    Name: "Zone",
    Tags: [
      { ...a, Name: "B" },
      { ...b, Name: "A" },
    ],
  });
  assert.deepEqual((await node.get(tenant.Links.Self)).TenantTags, ["Zone/B"]);
  assert.deepEqual((await node.get(machine.Links.Self)).TenantTags, ["Zone/A"]);
  assert.match(await errorsOf("PUT", set.Links.Self, { Tags: [{ Id: b.Id, Name: "A" }] }), /'Zone\/B' cannot be removed because tenants/);
  assert.match(await errorsOf("PUT", set.Links.Self, { Tags: [{ Id: a.Id, Name: "B" }] }), /'Zone\/A' .* deployment targets still use it/);
  assert.match(await errorsOf("DELETE", set.Links.Self), /'Zone' cannot be deleted because (tenants|deployment targets) still use it/);
  assert.match(await errorsOf("DELETE", tenant.Links.Self), /'Tagged' cannot be deleted because deployment targets still use it/);
  for (const [member, value] of [
    ["TenantIds", "Tenants-999"],
    ["TenantTags", "Zone/Nowhere"],
  ])
    assert.match(await errorsOf("PUT", machine.Links.Self, { [member!]: [value] }), new RegExp(`no tenant (tag )?'${value}'`));
  const without = await node.put(machine.Links.Self, { TenantIds: [], TenantTags: [], TenantedDeploymentParticipation: "Untenanted" });
  assert.deepEqual([without.TenantIds, without.TenantTags], [[], []]);
  for (const link of [tenant.Links.Self, set.Links.Self]) assert.equal((await node.call("DELETE", link)).status, 200);
});

test("a space goes with everything in it that refers to each other", async () => {
  const space = await node.post("/api/spaces", { Name: "Leaving" });
  const at = `/api/${space.Id}`;
  await node.post(`${at}/tagsets`, { Name: "Region", Tags: [{ Name: "North" }] });
  const tenant = await node.post(`${at}/tenants`, { Name: "Acme", TenantTags: ["Region/North"] });
  const proxy = await node.post(`${at}/proxies`, { Name: "DMZ", Host: "p", Port: 1, Password: { HasValue: true, NewValue: "x" } });
  const there = await node.post(`${at}/environments`, { Name: "Test" });
  const [pool] = await node.get(`${at}/workerpools/all`);
  const [lifecycle] = await node.get(`${at}/lifecycles/all`);
  const [group] = await node.get(`${at}/projectgroups/all`);
  await node.put(lifecycle.Links.Self, { Phases: [{ Name: "Test", OptionalDeploymentTargets: [there.Id] }] });
  const project = await node.post(`${at}/projects`, { Name: "Web", LifecycleId: lifecycle.Id, ProjectGroupId: group.Id });
  await node.post(`${at}/releases`, { ProjectId: project.Id, Version: "1.0.0" });
  const endpoint = { CommunicationStyle: "TentaclePassive", Uri: "https://web/", Thumbprint: "cd".repeat(20), ProxyId: proxy.Id };
  await node.post(`${at}/workers`, { Name: "worker", WorkerPoolIds: [pool.Id], Endpoint: endpoint });
  await node.post(`${at}/machines`, {
    Name: "web",
    EnvironmentIds: [there.Id],
    Roles: ["web"],
    TenantIds: [tenant.Id],
    TenantTags: ["Region/North"],
    Endpoint: endpoint,
  });
  await node.put(`/api/spaces/${space.Id}`, { TaskQueueStopped: true });
  assert.equal((await node.call("DELETE", `/api/spaces/${space.Id}`)).status, 200, String(node.faults[0]?.error));
  const [left] = await node.database.query<{ n: number }>(
    `SELECT (SELECT count(*) FROM tags WHERE space_id = $1) + (SELECT count(*) FROM machine_tags WHERE space_id = $1)
          + (SELECT count(*) FROM tenant_tags WHERE space_id = $1) + (SELECT count(*) FROM secrets WHERE space_id = $1) AS n`,
    [space.Id],
  );
  assert.equal(left!.n, 0);
});
