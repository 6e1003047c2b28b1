// Variable sets, library sets and their snapshots, through the API of a real node. Holds D1 (what a release carries never changes), D9's
// neighbour for people (no save overwrites one it has not seen), and that a sensitive value goes in and never comes out.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";
import { readKeptSecrets } from "../../../platform/kept-secrets/kept-secrets.ts";
import { loadVariableSnapshot, loadVariableSnapshots } from "./variables.ts";

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
const setOf = (owner: Json): Promise<Json> => node.get(`/api/variables/${owner.VariableSetId}`);
const save = (owner: Json, Variables: object[]): Promise<Json> => node.put(`/api/variables/${owner.VariableSetId}`, { Variables });
const valuesOf = (variables: readonly { name: string; value: string | null }[]) => variables.map(({ name, value }) => `${name}=${value}`);

test("D1: a release carries the variables of its moment, of the project and of each library set, whatever happens to those later", async () => {
  const project = await make.project(node, "Frozen variables");
  const set = await node.post("/api/libraryvariablesets", { Name: "Shared" });
  const unused = await node.post("/api/libraryvariablesets", { Name: "Not included" });
  await node.put(project.Links.Self, { IncludedLibraryVariableSetIds: [set.Id.toLowerCase()] });
  await save(project, [{ Name: "Own", Value: "1" }]);
  await save(set, [{ Name: "Common", Value: "1" }]);
  await save(unused, [{ Name: "Foreign", Value: "1" }]);
  const first = await make.release(node, project.Id, "1.0.0");
  const same = await make.release(node, project.Id, "1.0.1");
  assert.equal(first.ProjectVariableSetSnapshotId, same.ProjectVariableSetSnapshotId);
  assert.match(first.ProjectVariableSetSnapshotId, /^variableset-Projects-\d+-s-1-[0-9A-F]{5}$/);
  assert.equal(first.LibraryVariableSetSnapshotIds.length, 1);
  await save(project, [{ Name: "Own", Value: "2" }]);
  await save(set, []);
  const later = await make.release(node, project.Id, "1.1.0");
  const frozen = (release: Json) =>
    loadVariableSnapshots(node.database, [release.ProjectVariableSetSnapshotId, ...release.LibraryVariableSetSnapshotIds]);
  assert.deepEqual(valuesOf(await frozen(first)), ["Own=1", "Common=1"]);
  assert.deepEqual(valuesOf(await frozen(later)), ["Own=2"]);
  const origins = (await frozen(first)).map(({ origin }) => origin);
  assert.deepEqual(origins, ["project", "librarySet"]);
  // The snapshot can be read, and changed by nobody.
  const address = `/api/variables/${first.ProjectVariableSetSnapshotId}`;
  assert.equal((await node.get(first.Links.ProjectVariableSnapshot)).Variables[0].Value, "1");
  assert.match(await errorsOf("PUT", address, { Variables: [] }), /frozen copy/);
  // It outlives the library set it came from.
  await node.put(project.Links.Self, { IncludedLibraryVariableSetIds: [] });
  assert.equal((await node.call("DELETE", set.Links.Self)).status, 200);
  assert.deepEqual(valuesOf(await frozen(first)), ["Own=1", "Common=1"]);
});

test("D1: a release takes newer variables only when it is told to, and says so in an event", async () => {
  const project = await make.project(node, "Refreshed");
  await save(project, [{ Name: "A", Value: "old" }]);
  const release = await make.release(node, project.Id, "1.0.0");
  await save(project, [{ Name: "A", Value: "new" }]);
  assert.deepEqual(
    (await node.get(release.Links.Self)).ProjectVariableSetSnapshotId,
    release.ProjectVariableSetSnapshotId,
    "a save changed a release",
  );
  const refreshed = await node.post(release.Links.SnapshotVariables);
  assert.equal(refreshed.Id, release.Id);
  assert.notEqual(refreshed.ProjectVariableSetSnapshotId, release.ProjectVariableSetSnapshotId);
  const { variables } = await loadVariableSnapshot(node.database, refreshed.ProjectVariableSetSnapshotId);
  assert.deepEqual(valuesOf(variables), ["A=new"]);
  const events = await node.database.query<{ message: string }>(`SELECT message FROM events WHERE $1 = ANY (related_document_ids)`, [
    release.Id,
  ]);
  assert.ok(events.some((one) => one.message.includes("took the variables as they are now")));
  assert.equal((await node.call("POST", "/api/releases/Releases-999/snapshot-variables")).status, 404);
});

test("a release made before there were variables reads as empty", async () => {
  const project = await make.project(node, "Old release");
  const release = await make.release(node, project.Id, "1.0.0");
  await node.database.execute(`UPDATE releases SET variable_snapshot_id = NULL WHERE id = $1`, [release.Id]);
  const old = await node.get(release.Links.Self);
  assert.deepEqual([old.ProjectVariableSetSnapshotId, old.LibraryVariableSetSnapshotIds], [null, []]);
  assert.deepEqual(await loadVariableSnapshots(node.database, []), []);
});

test("a project comes with an empty set, and takes it along when it is deleted; a row that is missing is an empty set", async () => {
  const project = await make.project(node, "With a set");
  const set = await node.get(project.Links.Variables);
  assert.deepEqual([set.Id, set.OwnerId, set.Version, set.Variables], [`variableset-${project.Id}`, project.Id, 0, []]);
  // As a server of the version before leaves it.
  await node.database.execute(`DELETE FROM variable_sets WHERE id = $1`, [set.Id]);
  assert.equal((await setOf(project)).Version, 0);
  const saved = await save(project, [{ Name: "Password", Value: "canary-9d1c", Type: "Sensitive" }]);
  assert.equal(saved.Version, 1);
  await make.release(node, project.Id, "1.0.0");
  assert.equal((await node.call("DELETE", project.Links.Self)).status, 200);
  assert.equal((await node.call("GET", `/api/variables/${set.Id}`)).status, 404);
  const left = await node.database.query(`SELECT 1 FROM secrets WHERE owner = $1`, [set.Id]);
  assert.equal(left.length, 0, "secrets outlived their project");
});

test("a save on a version that somebody else changed meanwhile is refused, and changes nothing", async () => {
  const project = await make.project(node, "Two people");
  const seen = await setOf(project);
  const won = await node.put(seen.Links.Self, { ...seen, Variables: [{ Name: "A", Value: "first" }] });
  assert.equal(won.Version, 1);
  const lost = await node.call("PUT", seen.Links.Self, { ...seen, Variables: [{ Name: "A", Value: "second" }] });
  assert.equal(lost.status, 409, lost.text);
  assert.match(lost.body.ErrorMessage, /changed by somebody else/);
  assert.deepEqual(await node.get(seen.Links.Self), won);
  // Of many that saw the same version one wins.
  const racing = await Promise.all(
    Array.from({ length: 6 }, (_, n) => node.call("PUT", seen.Links.Self, { ...won, Variables: [{ Name: `Racer${n}` }] })),
  );
  assert.deepEqual(
    racing.map((one) => one.status).sort((a, b) => a - b),
    [200, 409, 409, 409, 409, 409],
  );
  assert.equal((await setOf(project)).Version, 2);
  // Without a version the last one wins.
  assert.equal((await save(project, [])).Version, 3);
});

test("ids are kept and made, and everything of a variable comes back as it was sent", async () => {
  const environment = await make.environment(node, "Round trip");
  const project = await make.project(node, "Round trip");
  const Prompt = { Label: "Which?", Description: "d", Required: true, DisplaySettings: { "Octopus.ControlType": "Checkbox" } };
  const first = await save(project, [
    { Id: "", Name: " A ", Value: 3, Scope: { environment: environment.Id.toUpperCase(), Role: ["web", "WEB"], Machine: [] } },
    { Id: "11111111-2222-4333-8444-555555555555", Name: "b", Value: true, Prompt, Description: "about b" },
    { Name: "a", Value: null },
  ]);
  const [a, b, other] = first.Variables;
  assert.deepEqual([a.Name, a.Value, a.Scope], ["A", "3", { Environment: [environment.Id], Role: ["web"] }]);
  assert.deepEqual(
    [b.Id, b.Value, b.Prompt, b.Description, b.Type],
    ["11111111-2222-4333-8444-555555555555", "True", Prompt, "about b", "String"],
  );
  assert.match(a.Id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.ok(a.Id < other.Id, "a later variable has a smaller id");
  assert.deepEqual([other.Value, other.Scope, other.IsEditable, other.Prompt], [null, {}, true, null]);
  const again = await node.put(first.Links.Self, first);
  assert.deepEqual(again.Variables, first.Variables);
  assert.deepEqual((await node.get(`/api/projects/${project.Slug}/variables`)).Variables, first.Variables);
});

test("a sensitive value goes in, is encrypted, and never comes out; null keeps it, another value replaces it, and it goes with its variable", async () => {
  const project = await make.project(node, "Secret variables");
  const canary = "canary-55c1-of-variables";
  const saved = await save(project, [
    { Name: "Password", Value: canary, Type: "Sensitive" },
    { Name: "Token", Value: `${canary}-2`, IsSensitive: true },
  ]);
  assert.deepEqual(
    saved.Variables.map((one: Json) => [one.Value, one.Type, one.IsSensitive]),
    [
      [null, "Sensitive", true],
      [null, "Sensitive", true],
    ],
  );
  const secretIds = async () =>
    (await node.database.query<{ id: string }>(`SELECT id FROM secrets WHERE owner = $1 ORDER BY id`, [saved.Id])).map(({ id }) => id);
  const texts = async () => [...(await readKeptSecrets(node.database, node.secrets, await secretIds())).values()].sort();
  assert.deepEqual(await texts(), [canary, `${canary}-2`]);
  // Renamed and scoped elsewhere, with the null that was read: kept.
  const [password, token] = saved.Variables;
  const kept = await node.put(saved.Links.Self, { ...saved, Variables: [{ ...password, Name: "Renamed" }, token] });
  assert.deepEqual(await texts(), [canary, `${canary}-2`]);
  const release = await make.release(node, project.Id, "1.0.0");
  const { variables } = await loadVariableSnapshot(node.database, release.ProjectVariableSetSnapshotId);
  assert.ok(variables.every((one) => one.value === null && one.sensitive && one.secretId !== null));
  // Replaced: the release still needs the old text, nobody needs the one that comes after it.
  const replaced = await node.put(saved.Links.Self, { ...kept, Variables: [{ ...password, Value: "interim-5" }, token] });
  await node.put(saved.Links.Self, { ...replaced, Variables: [{ ...password, Value: "last-5" }] });
  assert.deepEqual(await texts(), [canary, `${canary}-2`, "last-5"].sort());
  const stored = await node.database.query<{ text: string }>(
    `SELECT s::text AS text FROM variable_sets s UNION ALL SELECT s::text FROM variable_snapshots s UNION ALL SELECT e::text FROM events e`,
  );
  assert.ok(!stored.some((one) => one.text.includes("canary-55c1")), "the secret lies open in the database");
  for (const path of [
    `/api/variables/${saved.Id}`,
    `/api/variables/${release.ProjectVariableSetSnapshotId}`,
    "/api/variables/all",
    "/api/variables",
  ])
    assert.doesNotMatch((await node.call("GET", path)).text, /canary-55c1|last-5/, path);
  // Made a plain value without a text, it is gone rather than shown.
  const opened = await node.put(saved.Links.Self, { Variables: [{ Id: password.Id, Name: "Password", Value: null, Type: "String" }] });
  assert.deepEqual([opened.Variables[0].Value, opened.Variables[0].IsSensitive], [null, false]);
  assert.deepEqual(await texts(), [canary, `${canary}-2`]);
});

test("a scope has to name what exists, each fault has its sentence, and nothing is saved", async () => {
  const environment = await make.environment(node, "Scoped");
  const project = await make.project(node, "Scoped");
  const other = await make.project(node, "Other scoped");
  await make.process(node, project.Id);
  const { ScopeValues } = await setOf(project);
  assert.deepEqual(
    [ScopeValues.Actions[0].Name, ScopeValues.Channels[0].Name, ScopeValues.Processes[0].Id],
    ["Say hello", "Default", project.Id],
  );
  assert.ok(ScopeValues.Environments.some((one: Json) => one.Id === environment.Id));
  const foreign = (await setOf(other)).ScopeValues.Channels[0].Id;
  const answer = await errorsOf("PUT", `/api/variables/${project.VariableSetId}`, {
    Variables: [
      { Name: "A", Scope: { Environment: ["Environments-999"] } },
      { Name: "B", Scope: { Machine: ["Machines-999"] } },
      { Name: "C", Scope: { Channel: [foreign], Action: ["nope"] } },
      { Name: "D", Scope: { Private: ["x"] } },
      { Name: "E", Scope: { Role: [" "] } },
    ],
  });
  assert.match(answer, /no environment 'Environments-999' in this space, to which the variable 'A' is scoped/);
  assert.match(answer, /no machine 'Machines-999'/);
  assert.match(answer, /no channel 'Channels-\d+' in the project 'Scoped'.*no step 'nope' in the project 'Scoped'/);
  assert.match(answer, /'D' has a scope to 'Private'\. It can be scoped to: Environment, /);
  assert.match(answer, /'E' has a scope to a target tag without a name/);
  assert.equal((await setOf(project)).Version, 0);
  const set = await node.post("/api/libraryvariablesets", { Name: "No steps" });
  const Action = [ScopeValues.Actions[0].Id];
  assert.match(
    await errorsOf("PUT", `/api/variables/${set.VariableSetId}`, { Variables: [{ Name: "A", Scope: { Action } }] }),
    /only a variable of a project/,
  );
});

test("a value whose environment is deleted matches nothing from then on: it is kept as it is, and never becomes valid everywhere", async () => {
  const environment = await make.environment(node, "Doomed");
  const project = await make.project(node, "Scoped to the doomed");
  const saved = await save(project, [{ Name: "A", Value: "x", Scope: { Environment: [environment.Id] } }]);
  assert.equal((await node.call("DELETE", environment.Links.Self)).status, 200);
  const read = await node.get(saved.Links.Self);
  assert.deepEqual(read.Variables[0].Scope, { Environment: [environment.Id] });
  const again = await node.put(saved.Links.Self, read);
  assert.deepEqual(again.Variables[0].Scope, { Environment: [environment.Id] });
  assert.match(
    await errorsOf("PUT", saved.Links.Self, { Variables: [...read.Variables, { Name: "B", Scope: { Environment: [environment.Id] } }] }),
    /no environment/,
  );
  assert.deepEqual((await node.get(`/api/variables/preview?project=${project.Id}`)).Variables, []);
});

test("limits and faults of a set are told by name", async () => {
  const project = await make.project(node, "Limits");
  const address = `/api/variables/${project.VariableSetId}`;
  assert.match(await errorsOf("PUT", address, { Variables: [{ Name: " " }] }), /Name must not be empty/);
  assert.match(await errorsOf("PUT", address, { Variables: [{ Name: "A".repeat(1_001) }] }), /limit of 1000 characters/);
  assert.match(
    await errorsOf("PUT", address, {
      Variables: [
        { Id: "x", Name: "A" },
        { Id: "X", Name: "B" },
      ],
    }),
    /same Id/,
  );
  assert.match(await errorsOf("PUT", address, { Variables: [{ Name: "A", Type: "AzureAccount" }] }), /does not support yet/);
  assert.match(
    await errorsOf("PUT", address, { Variables: Array.from({ length: 10_001 }, () => ({ Name: "A" })) }),
    /limit of 10000 entries/,
  );
  assert.match(
    await errorsOf("PUT", address, { Variables: [{ Name: "A", Type: "Sensitive", Value: "x".repeat(256 * 1024 + 1) }] }),
    /larger than the limit of 262144 bytes of a sensitive value/,
  );
  const large = Array.from({ length: 9 }, (_, n) => ({ Name: `A${n}`, Value: "x".repeat(950_000) }));
  assert.match(await errorsOf("PUT", address, { Variables: large }), /may take 8388608 bytes together/);
  assert.match(await errorsOf("PUT", address, { OwnerId: "Projects-999", Variables: [] }), /OwnerId cannot be changed/);
  assert.equal((await node.call("PUT", "/api/variables/variableset-Projects-999", { Variables: [] })).status, 404);
  assert.equal((await setOf(project)).Version, 0);
});

test("library sets are made, found, changed and deleted, but not while a project includes them", async () => {
  const set = await node.post("/api/libraryvariablesets", { Name: "Database", Description: "d", Templates: [{ Name: "T" }] });
  const script = await node.post("/api/libraryvariablesets", { Name: "Functions", ContentType: "scriptmodule" });
  assert.deepEqual([set.ContentType, script.ContentType, set.VariableSetId], ["Variables", "ScriptModule", `variableset-${set.Id}`]);
  assert.equal((await node.get(set.Links.Variables)).OwnerId, set.Id);
  const found = await node.get("/api/libraryvariablesets?contentType=ScriptModule&partialName=func");
  assert.deepEqual(
    found.Items.map((one: Json) => one.Id),
    [script.Id],
  );
  assert.match(await errorsOf("POST", "/api/libraryvariablesets", { Name: "DATABASE" }), /already a library variable set named/);
  assert.match(await errorsOf("PUT", script.Links.Self, { ContentType: "Variables" }), /cannot be changed/);
  const project = await make.project(node, "Includes");
  assert.match(
    await errorsOf("PUT", project.Links.Self, { IncludedLibraryVariableSetIds: ["LibraryVariableSets-999"] }),
    /no library variable set 'LibraryVariableSets-999'/,
  );
  await node.put(project.Links.Self, { IncludedLibraryVariableSetIds: [set.Id, script.Id] });
  assert.match(await errorsOf("DELETE", set.Links.Self), /because projects still use it/);
  await node.put(project.Links.Self, { IncludedLibraryVariableSetIds: [script.Id] });
  assert.equal((await node.call("DELETE", set.Links.Self)).status, 200);
  assert.equal((await node.call("GET", `/api/variables/${set.VariableSetId}`)).status, 404);
});

test("names, previews and lists tell what holds where", async () => {
  const environment = await make.environment(node, "Preview");
  const project = await make.project(node, "Preview");
  const set = await node.post("/api/libraryvariablesets", { Name: "Preview" });
  await node.put(project.Links.Self, { IncludedLibraryVariableSetIds: [set.Id] });
  await save(project, [
    { Name: "Url", Value: "general" },
    { Name: "url", Value: "special", Scope: { Environment: [environment.Id] } },
    { Name: "Secret", Value: "canary-1f", IsSensitive: true },
  ]);
  await save(set, [
    { Name: "Url", Value: "library" },
    { Name: "Timeout", Value: "5" },
  ]);
  const names = await node.get(`/api/variables/names?project=${project.Slug}`);
  assert.deepEqual(
    names.map((one: string) => one.toLowerCase()),
    ["secret", "timeout", "url"],
  );
  const preview = async (more: string) =>
    (await node.get(`/api/variables/preview?project=${project.Id}${more}`)).Variables.map((one: Json) => `${one.Name}=${one.Value}`).sort();
  assert.deepEqual(await preview(""), ["Secret=null", "Timeout=5", "Url=general"]);
  assert.deepEqual(await preview(`&environment=${environment.Id}`), ["Secret=null", "Timeout=5", "url=special"]);
  assert.match(await errorsOf("GET", `/api/variables/preview?project=${project.Id}&environment=Environments-999`), /no environment/);
  assert.equal((await node.call("GET", "/api/variables/preview?project=Projects-999")).status, 404);
  const ids = `${project.VariableSetId},${set.VariableSetId}`;
  assert.equal((await node.get(`/api/variables/all?ids=${ids}`)).length, 2);
  assert.equal((await node.get(`/api/variables?ids=${ids}&take=1`)).TotalResults, 2);
});

test("each change and each secret of variables asks for its permission", async () => {
  const project = await make.project(node, "Permissions");
  const headers = { "X-Octopus-ApiKey": node.nobodyKey };
  for (const [method, path, missing] of [
    ["GET", `/api/variables/${project.VariableSetId}`, "VariableView"],
    ["PUT", `/api/variables/${project.VariableSetId}`, "VariableEdit"],
    ["GET", "/api/libraryvariablesets", "LibraryVariableSetView"],
    ["POST", "/api/releases/Releases-1/snapshot-variables", "ReleaseEdit"],
  ] as const) {
    const answer = await node.call(method, path, method === "PUT" ? { Variables: [] } : undefined, headers);
    assert.equal(answer.status, 403, `${method} ${path}`);
    assert.match(answer.text, new RegExp(`Missing permission: ${missing}`));
  }
});
