// What a release will bring to targets is made ready beside everything else: for a deployment it is there, or it makes it itself. Holds that
// nothing depends on it: no loss (D1) when it fails or finds no place.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode } from "../../../../test/support/api-node.ts";
import { makeZip } from "../../../../test/support/archives.ts";
import { eventually } from "../../../../test/support/eventually.ts";
import { createDeployablePackages } from "./packages.ts";
import type { WantedPackage } from "./packages.ts";

async function push(node: ApiNode, fileName: string, content: Buffer): Promise<void> {
  const form = new FormData();
  form.append("file", new Blob([new Uint8Array(content)]), fileName);
  const response = await fetch(`${node.url}/api/packages/raw`, {
    method: "POST",
    headers: { "X-Octopus-ApiKey": node.adminKey },
    body: form,
  });
  assert.equal(response.status, 201, await response.text());
}

const zipOf = (text: string): Buffer => makeZip([{ name: "readme.txt", content: text }]);
const wanted = (packageId: string, version = "1.0.0", feedId = "feeds-builtin"): WantedPackage => ({
  spaceId: "Spaces-1",
  feedId,
  packageId,
  version,
});

async function archivesIn(node: ApiNode): Promise<number> {
  const [row] = await node.database.query<{ n: number }>(`SELECT count(*) AS n FROM package_archives`);
  return row!.n;
}

test("making a release names what its targets will unpack, and nothing else", async (t) => {
  const asked: WantedPackage[] = [];
  const node = await startApiNode(t, { prepareArchives: (packages) => void asked.push(...packages) });
  await push(node, "Acme.Web.1.0.0.zip", zipOf("web"));
  const [group] = (await node.get("/api/projectgroups")).Items;
  const [lifecycle] = (await node.get("/api/lifecycles")).Items;
  const project = await node.post("/api/projects", { Name: "Shop", ProjectGroupId: group.Id, LifecycleId: lifecycle.Id });
  const process = await node.get(`/api/deploymentprocesses/${project.DeploymentProcessId}`);
  const reference = (name: string, properties: object, more: object = {}) => ({
    Name: name,
    PackageId: `Acme.${name || "Web"}`,
    FeedId: "feeds-builtin",
    Properties: properties,
    ...more,
  });
  await node.put(`/api/deploymentprocesses/${process.Id}`, {
    ...process,
    Steps: [
      {
        Name: "Web",
        Properties: { "Octopus.Action.TargetRoles": "web" },
        Actions: [
          {
            Name: "Web",
            ActionType: "Octopus.TentaclePackage",
            Properties: { "Octopus.Action.Package.PackageId": "Acme.Web", "Octopus.Action.Package.FeedId": "feeds-builtin" },
            Packages: [
              reference("", {}),
              reference("Tools", { Extract: "True" }),
              reference("Image", { Extract: "False" }),
              reference("Elsewhere", {}, { AcquisitionLocation: "NotAcquired" }),
            ],
          },
        ],
      },
    ],
  });
  const selected = ["", "Tools", "Image", "Elsewhere"].map((name) => ({ ActionName: "Web", PackageReferenceName: name, Version: "1.0.0" }));
  await node.post("/api/releases", { ProjectId: project.Id, Version: "1.0.0", SelectedPackages: selected });
  assert.deepEqual(
    asked.map(({ spaceId, packageId, version }) => [spaceId, packageId, version]),
    [
      ["Spaces-1", "Acme.Web", "1.0.0"],
      ["Spaces-1", "Acme.Tools", "1.0.0"],
    ],
  );
});

test("D1: what is prepared is there for a deployment; what cannot be made is in nobody's way, and is told to whoever deploys it", async (t) => {
  const node = await startApiNode(t);
  await push(node, "Acme.Web.1.0.0.zip", zipOf("web"));
  await push(
    node,
    "Acme.Broken.1.0.0.zip",
    makeZip([
      { name: "twice", content: "x" },
      { name: "twice", content: "y" },
    ]),
  );
  const packages = createDeployablePackages({ database: node.database, folder: node.packageFolder as never });
  packages.prepare([wanted("Acme.Missing"), wanted("Acme.Broken"), wanted("Acme.Web"), wanted("Acme.Web")]);
  await eventually("the archive is made", async () => (await archivesIn(node)) === 1);
  const found = await packages.find(wanted("Acme.Web"), () => assert.fail("it was there already"));
  assert.ok(found.ok);
  const broken = await packages.find(wanted("Acme.Broken"));
  assert.ok(!broken.ok && /twice/.test(broken.message), JSON.stringify(broken));
  // A second round, after a failure in the first.
  await push(node, "Acme.Web.2.0.0.zip", zipOf("web 2"));
  packages.prepare([wanted("Acme.Web", "2.0.0", "feeds-elsewhere")]);
  packages.prepare([wanted("Acme.Web", "2.0.0")]);
  await eventually("the archive of the next version is made", async () => (await archivesIn(node)) === 2);
});
