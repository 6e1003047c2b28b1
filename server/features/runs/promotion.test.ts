// Where releases may go, through the API: phases with minimum, optional and automatic targets, defects, channels with a lifecycle of their own,
// tenants, previews, and what dashboards and progress show of it. Tasks are ended by hand, since no engine runs here.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../test/support/api-node.ts";
import { readAnswers } from "../projects/projects.ts";
import type { FormValues } from "../projects/projects.ts";
import { deployOnwards } from "./deployments/deployments.ts";

let node: ApiNode;
let groupId: string;
const environments: Record<string, Json> = {};
before(async () => {
  node = await startApiNode(undefined);
  for (const name of ["Dev", "Test", "Stage", "Prod"]) environments[name] = await make.environment(node, name);
  [{ Id: groupId }] = await node.get("/api/projectgroups/all");
});
after(() => node.close());

const idOf = (name: string): string => environments[name].Id;

interface PhaseWanted {
  name: string;
  optional?: string[];
  automatic?: string[];
  minimum?: number;
  mayBeSkipped?: boolean;
}

async function projectWith(name: string, phases: PhaseWanted[]): Promise<Json> {
  const lifecycle = await node.post("/api/lifecycles", {
    Name: `Lifecycle of ${name}`,
    Phases: phases.map((phase) => ({
      Name: phase.name,
      OptionalDeploymentTargets: (phase.optional ?? []).map(idOf),
      AutomaticDeploymentTargets: (phase.automatic ?? []).map(idOf),
      MinimumEnvironmentsBeforePromotion: phase.minimum ?? 0,
      IsOptionalPhase: phase.mayBeSkipped ?? false,
    })),
  });
  const project = await node.post("/api/projects", { Name: name, ProjectGroupId: groupId, LifecycleId: lifecycle.Id });
  await make.process(node, project.Id);
  return project;
}

const deploy = (release: Json, environment: string, more: object = {}) =>
  node.call("POST", "/api/deployments", { ReleaseId: release.Id, EnvironmentId: idOf(environment), ...more });

/** What a node does when a deployment has succeeded: the promotion and the end of the task. */
async function succeed(deployment: Json): Promise<void> {
  await node.database.transaction((tx) => deployOnwards(tx, deployment.Id));
  await end(deployment, "Success");
}
const end = (deployment: Json, state: string) =>
  node.database.execute(`UPDATE tasks SET state = $2, started_at = now(), completed_at = now() WHERE id = $1`, [deployment.TaskId, state]);

async function deployed(release: Json, environment: string, more: object = {}): Promise<Json> {
  const answer = await deploy(release, environment, more);
  assert.equal(answer.status, 201, answer.text);
  await succeed(answer.body);
  return answer.body;
}

async function refused(release: Json, environment: string, why: RegExp, more: object = {}): Promise<void> {
  const answer = await deploy(release, environment, more);
  assert.equal(answer.status, 400, answer.text);
  assert.match(answer.body.Errors.join(" "), why);
}

const progress = async (release: Json): Promise<string[]> =>
  (await node.get(release.Links.Progression)).Phases.map(
    (phase: Json) => `${phase.Name} ${phase.Progress}${phase.Blocked ? " blocked" : ""}`,
  );
const deploymentsTo = async (release: Json): Promise<string[]> => {
  const { Items } = await node.get(`/api/releases/${release.Id}/deployments`);
  return Items.map((one: Json) => Object.keys(environments).find((name) => idOf(name) === one.EnvironmentId)).sort();
};

test("a release goes from phase to phase: the minimum counts, an optional phase may be skipped, and what is closed says what is missing", async () => {
  const project = await projectWith("Phases", [
    { name: "First", optional: ["Dev", "Test"], minimum: 1 },
    { name: "Rehearsal", optional: ["Stage"], mayBeSkipped: true },
    { name: "Live", optional: ["Prod"] },
  ]);
  const release = await make.release(node, project.Id, "1.0.0");
  await refused(release, "Prod", /cannot go to 'Prod' yet. It must first be deployed successfully to: Dev, Test/);
  await refused(release, "Stage", /cannot go to 'Stage' yet/);
  assert.deepEqual(await progress(release), ["First Current", "Rehearsal Pending blocked", "Live Pending blocked"]);
  assert.equal((await node.get(release.Links.Progression)).NextDeploymentsMinimumRequired, 1);
  const failed = await deploy(release, "Dev");
  await end(failed.body, "Failed");
  await refused(release, "Prod", /must first/);
  await deployed(release, "Test");
  assert.deepEqual(await progress(release), ["First Complete", "Rehearsal Current", "Live Pending"]);
  const template = await node.get(`/api/releases/${release.Id}/deployments/template`);
  assert.deepEqual(
    template.PromoteTo.map((one: Json) => one.Name),
    ["Dev", "Test", "Stage", "Prod"],
  );
  assert.equal((await node.call("GET", template.PromoteTo[0].Links.Preview.replace(/\{.*/, ""))).status, 200);
  await deployed(release, "Prod");
  const full = await node.get(release.Links.Progression);
  assert.equal(full.Phases[2].Progress, "Complete");
  assert.equal(full.Phases[2].Deployments[0].Deployment.EnvironmentId, idOf("Prod"));
  assert.deepEqual([full.Phases[2].Deployments[0].Task.State, full.Phases[2].Deployments[0].Task.IsCompleted], ["Success", true]);
});

test("automatic targets: at creation, when their phase opens, once, and never in a phase that may be skipped", async () => {
  const project = await projectWith("Automatic", [
    { name: "First", automatic: ["Dev"] },
    { name: "Maybe", automatic: ["Test"], mayBeSkipped: true },
    { name: "Then", automatic: ["Stage"], optional: ["Prod"], minimum: 1 },
  ]);
  const release = await make.release(node, project.Id, "1.0.0");
  assert.deepEqual(await deploymentsTo(release), ["Dev"]);
  const [first] = (await node.get(`/api/releases/${release.Id}/deployments`)).Items;
  assert.deepEqual([first.DeployedBy, first.DeployedById], ["system", null]);
  await succeed(first);
  assert.deepEqual(await deploymentsTo(release), ["Dev", "Stage"]);
  // A node that died between promotion and result does both again.
  await succeed(first);
  assert.deepEqual(await deploymentsTo(release), ["Dev", "Stage"]);
});

test("D7: where a required prompt waits for an answer nothing is deployed by itself, which is said; the preview shows the form, a repetition keeps the answers", async () => {
  const project = await projectWith("Asking", [
    { name: "First", automatic: ["Dev"] },
    { name: "Then", automatic: ["Stage", "Test"] },
  ]);
  const variables = await node.get(project.Links.Variables);
  const asks = (Name: string, environments: string[], more: object) => ({
    Name,
    Scope: { Environment: environments.map(idOf) },
    Prompt: { Label: `${Name}?`, Required: true },
    ...more,
  });
  await node.put(project.Links.Variables, {
    ...variables,
    Variables: [
      asks("Reason", ["Dev", "Stage"], {}),
      asks("Token", ["Dev"], { IsSensitive: true }),
      asks("Size", ["Test"], { Value: "5" }),
    ],
  });
  const release = await make.release(node, project.Id, "1.0.0");
  assert.deepEqual(await deploymentsTo(release), []);
  const said = (await node.get(`/api/events?regarding=${release.Id}`)).Items.map((one: Json) => one.Message);
  assert.ok(
    said.some((one: string) => /not deployed to Dev automatically, because somebody has to answer/.test(one)),
    said.join("\n"),
  );
  const { Form } = await node.get(`/api/releases/${release.Id}/deployments/preview/${idOf("Dev")}`);
  assert.deepEqual(
    Form.Elements.map((one: Json) => [one.Control.Name, one.Control.Required, Form.Values[one.Name]]),
    [
      ["Reason", true, null],
      ["Token", true, null],
    ],
  );
  const first = await deploy(release, "Dev", { FormValues: { Reason: "because", Token: "canary-of-prompt" } });
  assert.equal(first.status, 201, first.text);
  const unanswered = await node.database.transaction((tx) => deployOnwards(tx, first.body.Id));
  assert.deepEqual(unanswered.length, 1);
  assert.match(unanswered[0]!, /Release 1\.0\.0 of Asking was not deployed to Stage automatically/);
  await end(first.body, "Success");
  assert.deepEqual(await deploymentsTo(release), ["Dev", "Test"]);
  const again = await node.call("POST", `/api/tasks/rerun/${first.body.TaskId}`);
  assert.equal(again.status, 200, again.text);
  const repeated = await node.get(`/api/deployments/${again.body.Arguments.DeploymentId}`);
  const firstShown = await node.get(`/api/deployments/${first.body.Id}`);
  assert.deepEqual(repeated.FormValues, firstShown.FormValues);
  assert.deepEqual(Object.values(repeated.FormValues), ["because", null]);
  const texts = async (id: string): Promise<string[]> => {
    const [row] = await node.database.query<{ form_values: FormValues }>(`SELECT form_values FROM deployments WHERE id = $1`, [id]);
    return Object.values(await readAnswers(node.database, node.secrets, row!.form_values));
  };
  assert.deepEqual(await texts(repeated.Id), ["because", "canary-of-prompt"]);
});

test("an unresolved defect keeps a release where it is, also from automatic targets, until it is resolved", async () => {
  const project = await projectWith("Broken", [
    { name: "First", optional: ["Dev"] },
    { name: "Second", optional: ["Prod"] },
  ]);
  const release = await make.release(node, project.Id, "1.0.0");
  await deployed(release, "Dev");
  const report = await node.call("POST", `/api/releases/${release.Id}/defects`, { Description: "Loses mail." });
  assert.deepEqual([report.status, report.body.Status], [201, "Unresolved"]);
  await refused(release, "Prod", /because of an unresolved defect: Loses mail\./);
  assert.equal((await deploy(release, "Dev")).status, 201);
  const held = await node.get(release.Links.Progression);
  assert.deepEqual([held.HasUnresolvedDefect, held.NextDeployments, held.Phases[1].Blocked], [true, [], true]);
  assert.match(
    (await node.call("POST", `/api/releases/${release.Id}/defects`, { Description: "x" })).text,
    /already has an unresolved defect/,
  );
  assert.equal((await node.call("POST", release.Links.ResolveDefect)).body.Status, "Resolved");
  assert.equal((await node.call("POST", release.Links.ResolveDefect)).status, 400);
  assert.equal((await deploy(release, "Prod")).status, 201);
  const { Items } = await node.get(release.Links.Defects);
  assert.deepEqual(
    Items.map((one: Json) => one.Status),
    ["Resolved"],
  );
});

test("a channel chooses the lifecycle, and its rules and tests say what fits", async () => {
  const project = await projectWith("Channels", [
    { name: "First", optional: ["Dev"] },
    { name: "Second", optional: ["Prod"] },
  ]);
  const direct = await node.post("/api/lifecycles", {
    Name: "Direct",
    Phases: [{ Name: "all", OptionalDeploymentTargets: [idOf("Prod")] }],
  });
  const hotfix = await node.post("/api/channels", { Name: "Hotfix", ProjectId: project.Id, LifecycleId: direct.Id });
  const release = await node.post("/api/releases", { ProjectId: project.Id, ChannelId: hotfix.Id, Version: "1.0.1" });
  await refused(release, "Dev", /is not part of the lifecycle/);
  await deployed(release, "Prod");
  const bad = await node.call("PUT", `/api/channels/${hotfix.Id}`, { Rules: [{ VersionRange: "[1.0,", Tag: "(" }] });
  assert.equal(bad.status, 400);
  assert.match(bad.body.Errors.join(" "), /Rules\[0\]\.VersionRange: .*Rules\[0\]\.Tag: it is no regular expression/);
  const ask = (body: object) => node.call("POST", "/api/channels/rule-test", body);
  const fits = { version: "1.5.0-beta.1", versionRange: "[1.0,2.0)", preReleaseTag: "^beta", feedType: "BuiltIn" };
  assert.deepEqual((await ask(fits)).body, { SatisfiesVersionRange: true, SatisfiesPreReleaseTag: true, Errors: [] });
  assert.deepEqual((await ask({ ...fits, version: "2.0.0", preReleaseTag: "^$" })).body, {
    SatisfiesVersionRange: false,
    SatisfiesPreReleaseTag: true,
    Errors: [],
  });
  const got = await node.get("/api/channels/rule-test?version=1.5.0%2Bbuild&versionRange=%5B1.0%2C&preReleaseTag=%5E%24&feetType=BuiltIn");
  assert.deepEqual([got.SatisfiesVersionRange, got.SatisfiesPreReleaseTag, got.Errors.length], [false, false, 1]);
  // S5: an expression that takes for ever is ended.
  const slow = (await ask({ version: `1.0.0-${"a".repeat(60)}`, preReleaseTag: "^(a+)+b$" })).body;
  assert.equal(slow.SatisfiesPreReleaseTag, false);
  assert.match(slow.Errors[0], /longer than/);
});

test("tenants: each has its own way through the phases, by names, tags and the star, and is refused where it is not connected", async () => {
  await node.post("/api/tagsets", { Name: "Ring", Tags: [{ Name: "Early" }, { Name: "Late" }] });
  const project = await projectWith("Hosted", [
    { name: "First", optional: ["Dev"] },
    { name: "Second", optional: ["Prod"] },
  ]);
  const release = await make.release(node, project.Id, "1.0.0");
  const tenant = (name: string, tags: string[], connected: string[]) =>
    node.post("/api/tenants", { Name: name, TenantTags: tags, ProjectEnvironments: { [project.Id]: connected.map(idOf) } });
  const acme = await tenant("Acme", ["Ring/Early"], ["Dev", "Prod"]);
  const small = await tenant("Small", ["Ring/Late"], ["Prod"]);
  await refused(release, "Dev", /is not deployed for tenants/, { TenantId: acme.Id });
  await node.put(`/api/projects/${project.Id}`, { TenantedDeploymentMode: "Tenanted" });
  await refused(release, "Dev", /only deployed for tenants/);
  await refused(release, "Dev", /'Small' is not connected to the environment 'Dev'/, { TenantId: small.Id });
  await refused(release, "Prod", /must first be deployed successfully to: Dev/, { TenantId: acme.Id });
  // Small has nothing before Prod.
  await deployed(release, "Prod", { TenantId: small.Id });
  await refused(release, "Prod", /must first be deployed successfully to: Dev/, { TenantId: acme.Id });
  const command = (more: object) =>
    node.call("POST", "/api/Spaces-1/deployments/create/tenanted/v1", { projectName: "hosted", releaseVersion: "1.0.0", ...more });
  const early = await command({ environmentName: "Dev", tenantTags: ["Ring/Early"] });
  assert.equal(early.status, 201, early.text);
  assert.equal(early.body.DeploymentServerTasks.length, 1);
  const made = await node.get(`/api/deployments/${early.body.DeploymentServerTasks[0].DeploymentId}`);
  assert.deepEqual([made.TenantId, made.Name], [acme.Id, "Deploy to Dev for Acme"]);
  await succeed(made);
  const all = await command({ environmentName: "prod", tenants: ["*"] });
  assert.equal(all.body.DeploymentServerTasks.length, 2, all.text);
  assert.equal((await command({ environmentName: "Dev", tenants: ["Nobody"] })).status, 400);
  assert.equal((await command({ environmentName: "Dev" })).status, 400);
  const template = await node.get(`/api/releases/${release.Id}/deployments/template`);
  assert.deepEqual(template.PromoteTo, []);
  assert.deepEqual(
    template.TenantPromotions.map((one: Json) => [one.Name, one.PromoteTo.map((to: Json) => to.Name)]),
    [
      ["Acme", ["Dev", "Prod"]],
      ["Small", ["Prod"]],
    ],
  );
  const listed = await node.get(`/api/deployments?tenants=${small.Id}`);
  assert.deepEqual(new Set(listed.Items.map((one: Json) => one.TenantId)), new Set([small.Id]));
  const dashboard = await node.get(`/api/dashboard?projectId=${project.Id}`);
  assert.equal(dashboard.Items.length, 3);
  assert.deepEqual(
    dashboard.Tenants.map((one: Json) => one.Name),
    ["Acme", "Small"],
  );
  const gone = await node.call("DELETE", `/api/tenants/${acme.Id}`);
  assert.equal(gone.status, 400);
  assert.match(gone.text, /cannot be deleted because deployments still use it/);
});

test("a preview says which steps run where, and which of them nobody would run", async () => {
  const project = await projectWith("Previewed", [{ name: "all", optional: ["Dev", "Prod"] }]);
  const machine = await make.machine(node, "preview01", [idOf("Dev")]);
  const release = await make.release(node, project.Id, "1.0.0");
  const here = await node.get(`/api/releases/${release.Id}/deployments/preview/${idOf("Dev")}`);
  assert.deepEqual(
    here.StepsToExecute.map((step: Json) => [
      step.ActionNumber,
      step.ActionName,
      step.Roles,
      step.MachineNames,
      step.HasNoApplicableMachines,
    ]),
    [["1", "Say hello", ["web"], ["preview01"], false]],
  );
  assert.equal(here.StepsToExecute[0].Machines[0].Id, machine.Id);
  const body = { DeploymentPreviews: [{ EnvironmentId: idOf("Dev") }, { EnvironmentId: idOf("Prod") }] };
  const both = await node.post(`/api/releases/${release.Id}/deployments/previews`, body);
  assert.deepEqual(
    both.map((one: Json) => one.StepsToExecute[0].HasNoApplicableMachines),
    [false, true],
  );
  assert.equal((await node.call("GET", `/api/releases/${release.Id}/deployments/preview/Environments-999`)).status, 404);
});

test("the dashboard shows the latest of each place and the success before it, also after a deletion, in as many statements for much as for little", async () => {
  const project = await projectWith("Shown", [{ name: "all", optional: ["Dev", "Prod"] }]);
  const older = await make.release(node, project.Id, "1.0.0");
  const newer = await make.release(node, project.Id, "2.0.0");
  await deployed(older, "Dev");
  const failed = (await deploy(newer, "Dev")).body;
  await end(failed, "Failed");
  await deployed(older, "Prod");
  const { query } = node.database;
  let statements = 0;
  node.database.query = ((...given: Parameters<typeof query>) => (statements++, query.apply(node.database, given))) as typeof query;
  const of = async (address: string): Promise<{ body: Json; statements: number }> => {
    const before = statements;
    return { body: await node.get(address), statements: statements - before };
  };
  const small = await of(`/api/dashboard?projectId=${project.Id}`);
  const shown = (items: Json[]) =>
    items
      .map((one) => [one.EnvironmentId, one.ReleaseVersion, one.State, one.IsCurrent, one.IsPrevious])
      .sort((a, b) => (a.join() < b.join() ? -1 : 1));
  assert.deepEqual(shown(small.body.Items), [
    [idOf("Dev"), "2.0.0", "Failed", true, false],
    [idOf("Prod"), "1.0.0", "Success", true, false],
  ]);
  assert.deepEqual(shown(small.body.PreviousItems), [[idOf("Dev"), "1.0.0", "Success", false, true]]);
  assert.deepEqual(small.body.Projects[0].EnvironmentIds, [idOf("Dev"), idOf("Prod")]);
  const whole = await of("/api/dashboard");
  assert.ok(whole.body.Projects.length > 5 && whole.body.Items.length > 5);
  assert.ok(whole.statements <= small.statements + 1, `${whole.statements} statements for all, ${small.statements} for one project`);
  const progressOne = await of(`/api/projects/${project.Id}/progression`);
  assert.deepEqual(
    progressOne.body.Releases.map((one: Json) => [one.Release.Version, Object.keys(one.Deployments).sort()]),
    [
      ["2.0.0", [idOf("Dev")]],
      ["1.0.0", [idOf("Dev"), idOf("Prod")].sort()],
    ],
  );
  assert.deepEqual(await node.get(`/api/progression/${project.Id}`), progressOne.body);
  // Of a long history, what is still the latest somewhere is shown too.
  const short = await node.get(`/api/projects/${project.Id}/progression?releaseHistoryCount=1`);
  assert.deepEqual(
    short.Releases.map((one: Json) => one.Release.Version),
    ["2.0.0", "1.0.0"],
  );
  node.database.query = query;
  const marked = await node.database.query<{ places: number; marks: number }>(
    `SELECT count(DISTINCT (project_id, environment_id, tenant_id)) AS places, count(*) FILTER (WHERE is_latest) AS marks FROM deployments`,
  );
  assert.equal(marked[0]!.marks, marked[0]!.places, "one deployment of each place is marked as the latest");
  assert.equal((await node.call("DELETE", `/api/deployments/${failed.Id}`)).status, 200);
  const after = await node.get(`/api/dashboard/dynamic?projects=${project.Id}&environments=${idOf("Dev")}`);
  assert.deepEqual(shown(after.Items), [[idOf("Dev"), "1.0.0", "Success", true, false]]);
  // What was shown before, and has changed since, is shown as it is.
  await node.put(`/api/releases/${older.Id}`, { ...older, Version: "1.0.1" });
  await node.database.execute(`UPDATE tasks SET has_warnings_or_errors = true WHERE id = (SELECT task_id FROM deployments WHERE id = $1)`, [
    after.Items[0].DeploymentId,
  ]);
  const renamed = await node.get(`/api/dashboard/dynamic?projects=${project.Id}&environments=${idOf("Dev")}`);
  assert.deepEqual(renamed.Items, [{ ...after.Items[0], ReleaseVersion: "1.0.1", HasWarningsOrErrors: true }]);
});

test("a task that has ended can be run again: a deployment makes a new one, there and for the same release", async () => {
  const project = await projectWith("Again", [{ name: "all", optional: ["Dev"] }]);
  const release = await make.release(node, project.Id, "1.0.0");
  const first = await deployed(release, "Dev", { Comments: "please" });
  const task = await node.get(`/api/tasks/${first.TaskId}`);
  assert.equal(task.CanRerun, true);
  const again = await node.call("POST", task.Links.Rerun);
  assert.equal(again.status, 200, again.text);
  assert.deepEqual([again.body.State, again.body.CanRerun], ["Queued", false]);
  const deployment = await node.get(`/api/deployments/${again.body.Arguments.DeploymentId}`);
  assert.notEqual(deployment.Id, first.Id);
  assert.deepEqual([deployment.ReleaseId, deployment.EnvironmentId, deployment.Comments], [release.Id, idOf("Dev"), "please"]);
  assert.match((await node.call("POST", `/api/tasks/rerun/${again.body.Id}`)).text, /has not ended yet/);
});
