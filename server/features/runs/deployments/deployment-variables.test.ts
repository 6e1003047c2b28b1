// What a deployment takes along of variables: what was frozen when it was created, and what a person answered to prompts. Through the API of a
// real node. Holds what D2 stands on: neither a save nor a refreshed release
// changes a deployment that was created before; and S3 for answers.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";
import { readKeptSecrets } from "../../../platform/kept-secrets/kept-secrets.ts";
import { listPrompts, loadPromptedVariables, needsAnswers, presentForm, readAnswers } from "../../projects/projects.ts";
import type { FormValues } from "../../projects/projects.ts";
import { loadDeploymentSnapshot } from "./deployments.ts";

let node: ApiNode;
let dev: Json;
let test1: Json;
before(async () => {
  node = await startApiNode(undefined);
  dev = await make.environment(node, "Development");
  test1 = await make.environment(node, "Test");
});
after(() => node.close());

/** A project that may go to both environments, with these variables and a release. */
async function prepare(name: string, Variables: object[]): Promise<{ project: Json; release: Json }> {
  const lifecycle = await node.post("/api/lifecycles", {
    Name: name,
    Phases: [{ Name: "all", OptionalDeploymentTargets: [dev.Id, test1.Id] }],
  });
  const [group] = await node.get("/api/projectgroups/all");
  const project = await node.post("/api/projects", { Name: name, ProjectGroupId: group.Id, LifecycleId: lifecycle.Id });
  await make.process(node, project.Id);
  await node.put(project.Links.Variables, { Variables });
  return { project, release: await make.release(node, project.Id, "1.0.0") };
}
const deploy = (release: Json, more: object = {}) =>
  node.call("POST", "/api/deployments", { ReleaseId: release.Id, EnvironmentId: dev.Id, ...more });
async function runnerSees(deploymentId: string): Promise<Record<string, string | null>> {
  const snapshot = await node.database.transaction((tx) => loadDeploymentSnapshot(tx, deploymentId));
  assert.ok(snapshot);
  const secrets = await readKeptSecrets(
    node.database,
    node.secrets,
    snapshot.variables.flatMap((one) => one.secretId ?? []),
  );
  return Object.fromEntries(snapshot.variables.map((one) => [one.name, one.secretId === null ? one.value : secrets.get(one.secretId)!]));
}

test("D2: a deployment keeps the variables it was created with, while its release takes newer ones", async () => {
  const { project, release } = await prepare("Kept", [{ Name: "A", Value: "old" }]);
  const { body: first } = await deploy(release);
  assert.equal(first.ManifestVariableSetId, release.ProjectVariableSetSnapshotId);
  assert.equal((await node.get(first.Links.Variables)).Variables[0].Value, "old");
  await node.put(project.Links.Variables, { Variables: [{ Name: "A", Value: "new" }] });
  const template = await node.get(release.Links.DeploymentTemplate);
  assert.deepEqual([template.IsVariableSetModified, template.IsLibraryVariableSetModified], [true, false]);
  await node.post(release.Links.SnapshotVariables);
  assert.equal((await node.get(release.Links.DeploymentTemplate)).IsVariableSetModified, false);
  const { body: second } = await deploy(release);
  assert.deepEqual([await runnerSees(first.Id), await runnerSees(second.Id)], [{ A: "old" }, { A: "new" }]);
  // The command form refreshes on request, in the same transaction.
  await node.put(project.Links.Variables, { Variables: [{ Name: "A", Value: "newest" }] });
  const command = { ProjectName: project.Name, ReleaseVersion: "1.0.0", EnvironmentNames: ["Development"] };
  const create = async (more: object) => {
    const made = await node.post("/api/deployments/create/untenanted/v1", { ...command, ...more });
    return runnerSees(made.DeploymentServerTasks[0].DeploymentId);
  };
  assert.deepEqual(await create({}), { A: "new" });
  assert.deepEqual(await create({ UpdateVariableSnapshot: true }), { A: "newest" });
});

test("a deployment that a server of the version before created reads what its release carries", async () => {
  const { release } = await prepare("Older", [{ Name: "A", Value: "x" }]);
  const { body: deployment } = await deploy(release);
  await node.database.execute(`UPDATE deployments SET variable_snapshot_ids = NULL WHERE id = $1`, [deployment.Id]);
  assert.deepEqual(await runnerSees(deployment.Id), { A: "x" });
  await node.database.execute(`UPDATE releases SET variable_snapshot_id = NULL WHERE id = $1`, [release.Id]);
  assert.deepEqual(await runnerSees(deployment.Id), {});
  assert.equal((await node.get(deployment.Links.Self)).ManifestVariableSetId, null);
});

const prompted = () => [
  { Name: "Reason", Prompt: { Label: "Why?", Required: true } },
  { Name: "Size", Value: "5", Prompt: { Label: "How many?", Required: true } },
  { Name: "Token", IsSensitive: true, Prompt: { Label: "A token", Required: false } },
  { Name: "OnlyTest", Scope: { Environment: [test1.Id] }, Prompt: { Label: "In test", Required: true } },
  { Name: "Hidden", Value: "h", Prompt: { Label: "Hidden field", DisplaySettings: { "Octopus.ControlType": "Sensitive" } } },
  { Name: "Plain", Value: "p" },
];

test("S3: answers to prompts are stored with the deployment, by id, name or label; a sensitive one is encrypted and never comes out", async () => {
  const { project, release } = await prepare("Prompted", prompted());
  const { variables } = { variables: (await node.get(project.Links.Variables)).Variables };
  const canary = "canary-of-a-form-81";
  const answer = await deploy(release, {
    FormValues: { [variables[0].Id]: "because", "how many?": "7", TOKEN: canary, Hidden: `${canary}-2` },
  });
  assert.equal(answer.status, 201, answer.text);
  assert.deepEqual(await runnerSees(answer.body.Id), {
    Reason: "because",
    Size: "7",
    Token: canary,
    OnlyTest: null,
    Hidden: `${canary}-2`,
    Plain: "p",
  });
  const shown = await node.call("GET", answer.body.Links.Self);
  assert.deepEqual(shown.body.FormValues, {
    [variables[0].Id]: "because",
    [variables[1].Id]: "7",
    [variables[2].Id]: null,
    [variables[4].Id]: null,
  });
  assert.ok(!shown.text.includes(canary) && !answer.text.includes(canary));
  const stored = await node.database.query<{ text: string }>(
    `SELECT d::text AS text FROM deployments d UNION ALL SELECT e::text FROM events e UNION ALL SELECT t::text FROM tasks t`,
  );
  assert.ok(!stored.some((one) => one.text.includes(canary)), "an answer lies open in the database");
  // A repetition answers the same, under secrets of its own.
  const { form_values } = (
    await node.database.query<{ form_values: FormValues }>(`SELECT form_values FROM deployments WHERE id = $1`, [answer.body.Id])
  )[0]!;
  const sent = await readAnswers(node.database, node.secrets, form_values);
  assert.deepEqual(Object.values(sent), ["because", "7", canary, `${canary}-2`]);
  const repeated = await deploy(release, { FormValues: sent });
  assert.deepEqual(await runnerSees(repeated.body.Id), await runnerSees(answer.body.Id));
  await node.post(`/api/tasks/${repeated.body.TaskId}/cancel`);
  assert.equal((await node.call("DELETE", repeated.body.Links.Self)).status, 200);
  // With the deployment its answers go.
  const owned = async () => (await node.database.query(`SELECT 1 FROM secrets WHERE owner = $1`, [project.VariableSetId])).length;
  assert.equal(await owned(), 2);
  await node.post(`/api/tasks/${answer.body.TaskId}/cancel`);
  assert.equal((await node.call("DELETE", answer.body.Links.Self)).status, 200);
  assert.equal(await owned(), 0);
});

test("a required prompt without an answer, and an answer without a prompt, refuse the deployment with a sentence", async () => {
  const { project, release } = await prepare("Required", prompted());
  const refused = async (more: object): Promise<string> => {
    const answer = await deploy(release, more);
    assert.equal(answer.status, 400, answer.text);
    return answer.body.Errors.join(" ");
  };
  assert.equal(await refused({}), "The variable 'Why?' needs a value for this deployment.");
  assert.match(await refused({ FormValues: { Reason: " " } }), /'Why\?' needs a value/);
  assert.match(await refused({ FormValues: { Reason: "x", Size: "" } }), /'How many\?' needs a value/);
  assert.match(await refused({ FormValues: { Reason: "x", Other: "y" } }), /no prompted variable 'Other'/);
  assert.match(await refused({ FormValues: { Reason: "x", Plain: "y" } }), /no prompted variable 'Plain'/);
  assert.match(await refused({ EnvironmentId: test1.Id, FormValues: { Reason: "x" } }), /'In test' needs a value/);
  // One call for several environments: an answer that only one of them asks for is no fault in the other.
  const command = { ProjectName: project.Name, ReleaseVersion: "1.0.0", EnvironmentNames: ["Development", "Test"] };
  const made = await node.post("/api/deployments/create/untenanted/v1", { ...command, Variables: { reason: "x", OnlyTest: "t" } });
  const seen = await Promise.all(made.DeploymentServerTasks.map((one: Json) => runnerSees(one.DeploymentId)));
  assert.deepEqual(new Set(seen.map((one) => one["OnlyTest"])), new Set(["t", null]));
});

test("the form of a deployment asks by label, for what may hold there, and shows no sensitive default", async () => {
  const { project, release } = await prepare("Form", [
    ...prompted(),
    { Name: "Kept", Value: "canary-default-4", IsSensitive: true, Prompt: { Label: "Z", Description: "d", Required: true } },
  ]);
  const variables = await loadPromptedVariables(node.database, [release.ProjectVariableSetSnapshotId]);
  assert.equal(needsAnswers(variables, { environmentId: dev.Id, channelId: release.ChannelId, projectId: project.Id }), true);
  const place = { environmentId: dev.Id, channelId: release.ChannelId, projectId: project.Id };
  const form = presentForm(listPrompts(variables, place));
  assert.deepEqual(
    form.Elements.map((one: Json) => [one.Control.Label, one.Control.Required]),
    [
      ["A token", false],
      ["Hidden field", false],
      ["How many?", true],
      ["Why?", true],
      ["Z", true],
    ],
  );
  assert.ok(!JSON.stringify(form).includes("canary-default-4"));
  assert.equal(Object.values(form.Values).filter((one) => one === "5").length, 1);
  assert.equal(listPrompts(variables, { ...place, environmentId: test1.Id }).length, 6);
  // A stored sensitive value answers a required prompt.
  assert.equal((await deploy(release, { FormValues: { Reason: "x" } })).status, 201);
});
