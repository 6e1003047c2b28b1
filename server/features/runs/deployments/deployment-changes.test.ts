// What a deployment brings to its environment, through the API: releases since the one that is there, their notes and builds, frozen with it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";
import { loadDeploymentSnapshot } from "../runs.ts";

let node: ApiNode;
let place: Json;
let project: Json;
const releases: Json[] = [];
before(async () => {
  node = await startApiNode(undefined);
  place = await make.environment(node, "Test");
  project = await make.project(node, "Web Shop");
  const process = await node.get(`/api/deploymentprocesses/${project.DeploymentProcessId}`);
  await node.put(`/api/deploymentprocesses/${process.Id}`, {
    ...process,
    Steps: [
      {
        Name: "Shop",
        Properties: { "Octopus.Action.TargetRoles": "web" },
        Actions: [
          {
            Name: "Shop",
            ActionType: "Octopus.TentaclePackage",
            Packages: [{ Name: "", PackageId: "Acme.Shop", FeedId: "feeds-builtin" }],
            Properties: { "Octopus.Action.Package.PackageId": "Acme.Shop", "Octopus.Action.Package.FeedId": "feeds-builtin" },
          },
        ],
      },
    ],
  });
  await node.post("/api/build-information", {
    PackageId: "Acme.Shop",
    Version: "1.2.0",
    OctopusBuildInformation: { BuildNumber: "77", Commits: [{ Id: "abc123", Comment: "Sells mugs" }] },
  });
  for (const version of ["1.0.0", "1.1.0", "1.2.0"])
    releases.push(
      await node.post("/api/releases", {
        ProjectId: project.Id,
        Version: version,
        ReleaseNotes: version === "1.1.0" ? null : `What is **new** in ${version}`,
        SelectedPackages: [{ ActionName: "Shop", PackageReferenceName: "", Version: version }],
      }),
    );
});
after(() => node.close());

const deploy = (n: number): Promise<Json> => node.post("/api/deployments", { ReleaseId: releases[n].Id, EnvironmentId: place.Id });
const preview = (n: number): Promise<Json> => node.get(`/api/releases/${releases[n].Id}/deployments/preview/${place.Id}`);
const succeed = (deployment: Json) =>
  node.database.execute(
    `WITH gone AS (DELETE FROM task_queue) UPDATE tasks SET state = 'Success', started_at = now(), completed_at = now() WHERE id = $1`,
    [deployment.TaskId],
  );
const versions = (of: Json): string[] => of.Changes.map((one: Json) => one.Version);

test("the first deployment of a place brings all releases up to its own, a later one those since", async () => {
  assert.deepEqual(versions(await preview(0)), ["1.0.0"]);
  assert.deepEqual(versions(await preview(1)), ["1.1.0", "1.0.0"]);
  const first = await deploy(0);
  assert.equal(first.ChangesMarkdown, "#### 1.0.0\n\nWhat is **new** in 1.0.0");
  await succeed(first);

  const ahead = await preview(2);
  const later = await deploy(2);
  assert.deepEqual(later.Changes, ahead.Changes);
  assert.deepEqual(versions(later), ["1.2.0", "1.1.0"]);
  const [newest, silent] = later.Changes;
  assert.deepEqual([newest.ReleaseNotes, silent.ReleaseNotes, silent.BuildInformation], ["What is **new** in 1.2.0", "", []]);
  assert.deepEqual(
    [newest.BuildInformation[0].BuildNumber, newest.Commits.map((one: Json) => [one.Id, one.Comment])],
    ["77", [["abc123", "Sells mugs"]]],
  );
  await succeed(later);

  // What it brought stays what it was, and going back brings nothing.
  assert.deepEqual(versions(await node.get(later.Links.Self)), ["1.2.0", "1.1.0"]);
  const back = await deploy(1);
  assert.deepEqual([back.Changes, back.ChangesMarkdown], [[], ""]);
  await succeed(back);
});

test("the project's template writes the Markdown, scripts get both, and one that cannot be read stops nothing", async () => {
  const settings = await node.get(`/api/projects/${project.Id}/deploymentsettings`);
  const write = (DeploymentChangesTemplate: string) =>
    node.put(`/api/projects/${project.Id}/deploymentsettings`, { ...settings, DeploymentChangesTemplate });
  await write(
    "#{each release in Octopus.Deployment.Changes}* #{release.Version}#{each c in release.Commits} (#{c.Comment})#{/each}\n#{/each}",
  );
  const deployment = await deploy(2);
  assert.equal(deployment.ChangesMarkdown, "* 1.2.0 (Sells mugs)");
  const snapshot = await node.database.transaction((tx) => loadDeploymentSnapshot(tx, deployment.Id));
  assert.equal(snapshot?.deployment.changesMarkdown, "* 1.2.0 (Sells mugs)");
  assert.deepEqual(
    snapshot.deployment.changes.map((one) => [one.Version, one.Commits.length]),
    [["1.2.0", 1]],
  );
  await write("#{each release");
  assert.match((await deploy(2)).ChangesMarkdown, /^The template for deployment changes cannot be read: /);
});
