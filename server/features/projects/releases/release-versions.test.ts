// Which version a release gets that nobody named, through the API: by the template with the project's variables, or that of a package.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";

let node: ApiNode;
before(async () => {
  node = await startApiNode(undefined);
});
after(() => node.close());

const templateOf = (project: Json, more = ""): Promise<Json> =>
  node.get(`/api/deploymentprocesses/${project.DeploymentProcessId}/template${more}`);
const command = (project: Json, more: object = {}) =>
  node.call("POST", "/api/releases/create/v1", { spaceId: "Spaces-1", spaceIdOrName: "Spaces-1", ProjectName: project.Name, ...more });

test("a template takes the project's variables that hold everywhere, and counts in a channel of its own", async () => {
  const project = await make.project(node, "Counted");
  await make.process(node, project.Id);
  const place = await make.environment(node, "Test");
  const variables = await node.get(`/api/variables/${project.VariableSetId}`);
  const variable = (Name: string, Value: string, more: object = {}) => ({
    Name,
    Value,
    Type: "String",
    IsSensitive: false,
    Scope: {},
    ...more,
  });
  const hotfix = await node.post("/api/channels", { Name: "hotfix", ProjectId: project.Id });
  await node.put(`/api/variables/${project.VariableSetId}`, {
    ...variables,
    Variables: [
      variable("Line", "7"),
      variable("Line", "8", { Scope: { Channel: [hotfix.Id] } }),
      variable("Only.Here", "9", { Scope: { Environment: [place.Id] } }),
      variable("Hidden", "10", { Type: "Sensitive", IsSensitive: true }),
    ],
  });
  const strategy = async (Template: string) => {
    const settings = await node.get(`/api/projects/${project.Id}/deploymentsettings`);
    await node.put(`/api/projects/${project.Id}/deploymentsettings`, { ...settings, VersioningStrategy: { Template } });
  };
  await strategy("#{Line}.0.#{Octopus.Version.Channel.NextPatch}");
  assert.equal((await templateOf(project)).NextVersionIncrement, "7.0.1");
  assert.equal((await templateOf(project, `?channel=${hotfix.Id}`)).NextVersionIncrement, "8.0.1");
  const made: string[] = [];
  for (const ChannelName of [undefined, "hotfix", "hotfix", undefined])
    made.push((await command(project, ChannelName === undefined ? {} : { ChannelName })).body.ReleaseVersion);
  assert.deepEqual(made, ["7.0.1", "8.0.1", "8.0.2", "7.0.2"]);

  for (const name of ["Only.Here", "Hidden", "Nobody"]) {
    await strategy(`1.0.#{${name}}`);
    assert.equal((await templateOf(project)).NextVersionIncrement, null);
    const refused = await command(project);
    assert.equal(refused.status, 400, refused.text);
    assert.match(refused.body.Errors[0], new RegExp(`uses #\\{${name}\\}, which no variable of the project gives a value`));
    assert.doesNotMatch(refused.text, /\b10\b/);
  }
});

test("a project may take the version of a package, and says which one to clients that choose versions first", async () => {
  const project = await make.project(node, "Donated");
  const process = await node.get(`/api/deploymentprocesses/${project.DeploymentProcessId}`);
  const packageStep = (Name: string, PackageId: string) => ({
    Name,
    Properties: { "Octopus.Action.TargetRoles": "web" },
    Actions: [
      {
        Name,
        ActionType: "Octopus.TentaclePackage",
        Packages: [{ Name: "", PackageId, FeedId: "feeds-builtin" }],
        Properties: { "Octopus.Action.Package.PackageId": PackageId, "Octopus.Action.Package.FeedId": "feeds-builtin" },
      },
    ],
  });
  await node.put(`/api/deploymentprocesses/${process.Id}`, {
    ...process,
    Steps: [packageStep("Database", "Acme.Data"), packageStep("Shop", "Acme.Shop")],
  });
  const settings = await node.get(`/api/projects/${project.Id}/deploymentsettings`);
  const strategy = (DeploymentAction: string) =>
    node.put(`/api/projects/${project.Id}/deploymentsettings`, {
      ...settings,
      VersioningStrategy: { Template: null, DonorPackage: { DeploymentAction, PackageReference: "" } },
    });
  await strategy("Shop");
  const template = await templateOf(project);
  assert.deepEqual([template.NextVersionIncrement, template.VersioningPackageStepName], [null, "Shop"]);
  const answer = await command(project, { Packages: ["Database:1.0.0", "Shop:4.2.7"] });
  assert.equal(answer.body.ReleaseVersion, "4.2.7", answer.text);
  const resource = await node.post("/api/releases", {
    ProjectId: project.Id,
    SelectedPackages: [
      { ActionName: "Database", PackageReferenceName: "", Version: "1.0.0" },
      { ActionName: "Shop", PackageReferenceName: "", Version: "4.3.0" },
    ],
  });
  assert.equal(resource.Version, "4.3.0");
  const again = await command(project, { Packages: ["Database:1.0.1", "Shop:4.2.7"] });
  assert.deepEqual([again.status, again.body.Errors], [400, ["The project already has a release 4.2.7. Use another version."]]);

  await strategy("Gone");
  assert.deepEqual((await templateOf(project)).VersioningPackageStepName, null);
  const refused = await command(project, { Packages: ["Database:1.0.0", "Shop:5.0.0"] });
  assert.match(refused.body.Errors[0], /the package of the step 'Gone', which the process does not have/);
});
