// A package through the real thing: two nodes on one database, a listening agent and one that polls only the second node, the REST API from
// the push to the end of the deployment. The observer is what lies on the agents' disks. Holds A1 (any node serves) and D6 (order).

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { makeZip } from "../support/archives.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi, Document } from "../support/cluster-api.ts";
import { clusterApiKey, createCluster } from "../support/cluster.ts";
import type { AgentProcess, Cluster, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";

const space = "/api/Spaces-1";
const subscription = "poll://packagesagent0000000/";

describe("a package on real agents", { timeout: 300_000 }, () => {
  let cluster: Cluster;
  let nodes: ServerProcess[];
  let agents: { [name: string]: AgentProcess };
  let api: ClusterApi;
  let project: Document;
  let environment: Document;

  before(async () => {
    cluster = await createCluster();
    const { connectionString } = await (await cluster.postgres()).start();
    const one = await cluster.server({ name: "node-a", connectionString });
    await one.start();
    const other = await cluster.server({ name: "node-b", connectionString, masterKey: await cluster.masterKeyOf(one) });
    await other.start();
    nodes = [one, other];
    api = createClusterApi(() => nodes.map((node) => node.ready.url));
    const trust = one.ready.thumbprint;
    agents = {
      listening: await cluster.agent({ name: "listening", trust }),
      polling: await cluster.agent({ name: "polling", trust, poll: { port: other.ready.commsPort, subscription } }),
    };
    await Promise.all(Object.values(agents).map((agent) => agent.start()));
    environment = await api.create(`${space}/environments`, { Name: "Production" });
    for (const [name, agent] of Object.entries(agents)) {
      const { thumbprint } = agent.ready;
      const Endpoint =
        name === "polling"
          ? { CommunicationStyle: "TentacleActive", Uri: subscription, Thumbprint: thumbprint }
          : { CommunicationStyle: "TentaclePassive", Uri: `https://127.0.0.1:${agent.port}/`, Thumbprint: thumbprint };
      await api.create(`${space}/machines`, { Name: name, EnvironmentIds: [environment.Id], Roles: ["web"], Endpoint });
    }
    const [group] = (await api.get(`${space}/projectgroups`)).Items;
    const [lifecycle] = (await api.get(`${space}/lifecycles`)).Items;
    project = await api.create(`${space}/projects`, { Name: "Shop", ProjectGroupId: group.Id, LifecycleId: lifecycle.Id });
    const process_ = await api.get(`${space}/deploymentprocesses/${project.DeploymentProcessId}`);
    const action = {
      Name: "Shop",
      ActionType: "Octopus.TentaclePackage",
      Packages: [{ Name: "", PackageId: "Acme.Shop", FeedId: "feeds-builtin" }],
      Properties: {
        "Octopus.Action.Package.PackageId": "Acme.Shop",
        "Octopus.Action.Package.FeedId": "feeds-builtin",
        "Octopus.Action.EnabledFeatures": "Octopus.Features.SubstituteInFiles",
        "Octopus.Action.SubstituteInFiles.TargetFiles": "index.html",
      },
    };
    const Steps = [{ Name: "Shop", Properties: { "Octopus.Action.TargetRoles": "web" }, Actions: [action] }];
    await api.put(`${space}/deploymentprocesses/${process_.Id}`, { ...process_, Steps });
  });

  after(async () => {
    await cluster?.close();
  });

  async function push(version: string, page: string): Promise<void> {
    const zip = makeZip([
      { name: "index.html", content: page },
      { name: "PreDeploy.sh", content: `echo PreDeploy >> "$TentacleHome/marks"` },
      { name: "PostDeploy.sh", content: `echo PostDeploy >> "$TentacleHome/marks"` },
    ]);
    const response = await fetch(`${nodes[0]!.ready.url}/api/packages/raw?fileName=Acme.Shop.${version}.zip`, {
      method: "POST",
      headers: { "X-Octopus-ApiKey": clusterApiKey, "Content-Type": "application/octet-stream" },
      body: new Uint8Array(zip),
    });
    assert.equal(response.status, 201, await response.text());
  }

  async function deploy(releaseId: string): Promise<void> {
    const deployment = await api.create(`${space}/deployments`, { ReleaseId: releaseId, EnvironmentId: environment.Id });
    const task = await eventually(
      "the deployment ends",
      async () => {
        const found = await api.get(`/api/tasks/${deployment.TaskId}`);
        return found.IsCompleted ? found : undefined;
      },
      120_000,
    );
    assert.equal(task.State, "Success", await api.getText(`/api/tasks/${deployment.TaskId}/raw`));
  }

  const folderOf = (name: string, version: string): string => path.join(agents[name]!.home, "Applications/Production/Acme.Shop", version);

  test("A1 D6: listening, and polling through another node: the page lies there, filled in, after PreDeploy and before PostDeploy", async () => {
    await push("1.0.0", "<h1>#{Octopus.Machine.Name} #{Octopus.Action.Package.PackageVersion}</h1>");
    const release = await api.create(`${space}/releases`, {
      ProjectId: project.Id,
      Version: "1.0.0",
      SelectedPackages: [{ ActionName: "Shop", PackageReferenceName: "", Version: "1.0.0" }],
    });
    assert.deepEqual(release.SelectedPackages, [{ ActionName: "Shop", StepName: "Shop", PackageReferenceName: "", Version: "1.0.0" }]);
    await deploy(release.Id);
    for (const name of Object.keys(agents)) {
      assert.equal(readFileSync(path.join(folderOf(name, "1.0.0"), "index.html"), "utf8"), `<h1>${name} 1.0.0</h1>`);
      assert.deepEqual(readFileSync(path.join(agents[name]!.home, "marks"), "utf8").split("\n"), ["PreDeploy", "PostDeploy", ""]);
      assert.deepEqual(readdirSync(path.join(agents[name]!.home, "Files/cuttle/incoming")), []);
    }
  });

  test("a release without a version of its package is refused; command-line clients get the newest, or the one they name", async () => {
    await push("1.1.0", "newer");
    const url = nodes[0]!.ready.url;
    const refused = await api.once(url, "POST", `${space}/releases`, { ProjectId: project.Id, Version: "1.5.0" });
    assert.equal(refused.status, 400);
    assert.match(refused.text, /deploys the package Acme\.Shop, and no version of it was selected/);
    const template = await api.get(`${space}/deploymentprocesses/${project.DeploymentProcessId}/template`);
    assert.equal(template.Packages[0].VersionSelectedLastRelease, "1.0.0");
    const command = `${space}/releases/create/v1`;
    const newest = await api.create(command, { ProjectName: "Shop", ReleaseVersion: "2.0.0" });
    assert.equal((await api.get(`${space}/releases/${newest.ReleaseId}`)).SelectedPackages[0].Version, "1.1.0");
    const named = await api.create(command, { ProjectName: "Shop", ReleaseVersion: "2.1.0", Packages: ["Acme.Shop:1.0.0"] });
    assert.equal((await api.get(`${space}/releases/${named.ReleaseId}`)).SelectedPackages[0].Version, "1.0.0");
    await deploy(newest.ReleaseId);
    assert.equal(readFileSync(path.join(folderOf("polling", "1.1.0"), "index.html"), "utf8"), "newer");
  });
});
