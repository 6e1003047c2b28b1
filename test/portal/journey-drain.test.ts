// A node is taken out of a cluster of two for maintenance, by keyboard alone: what runs on it goes on to its end, nothing begins there, the page
// says when it is safe to stop; it is stopped, comes back, and takes tasks again.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { needsBrowser } from "../support/browser.ts";
import type { Document } from "../support/cluster-api.ts";
import { eventually } from "../support/eventually.ts";
import { startJourneyStage, takePictures } from "../support/journey-stage.ts";
import type { JourneyStage } from "../support/journey-stage.ts";
import { keyboardOf } from "../support/keyboard.ts";

const taskMsMax = 120_000;

let stage: JourneyStage;
let environment: Document;
before(async () => {
  if (needsBrowser.skip !== false) return;
  stage = await startJourneyStage({ nodes: 2 });
  environment = await stage.api.create("/api/environments", { Name: "Production" });
  await stage.target({ name: "web-1", environments: [environment], roles: ["web"] });
});
after(() => stage?.close());

/** Deploys a project of one script; with a tag it runs on the target, without one on the node itself. */
async function deploy(name: string, body: string, tag?: string): Promise<string> {
  const { api } = stage;
  const [group] = await api.get("/api/projectgroups/all");
  const [lifecycle] = await api.get("/api/lifecycles/all");
  const project = await api.create("/api/projects", { Name: name, ProjectGroupId: group.Id, LifecycleId: lifecycle.Id });
  const place = tag === undefined ? { "Octopus.Action.RunOnServer": "True" } : {};
  await api.put(`/api/projects/${project.Id}/deploymentprocesses`, {
    Steps: [
      {
        Name: "Run",
        Properties: tag === undefined ? {} : { "Octopus.Action.TargetRoles": tag },
        Actions: [
          {
            Name: "Run",
            ActionType: "Octopus.Script",
            Properties: { "Octopus.Action.Script.Syntax": "Bash", "Octopus.Action.Script.ScriptBody": body, ...place },
          },
        ],
      },
    ],
  });
  const release = await api.create("/api/releases", { ProjectId: project.Id, Version: "1.0.0" });
  return (await api.create("/api/deployments", { ReleaseId: release.Id, EnvironmentId: environment.Id })).TaskId;
}

const task = (id: string): Promise<Document> => stage.api.get(`/api/tasks/${id}`);
const ended = (id: string): Promise<Document> =>
  eventually(
    `${id} ends`,
    async () => {
      const found = await task(id);
      return found.IsCompleted ? found : undefined;
    },
    taskMsMax,
  );

async function setDraining(node: string, isDraining: boolean): Promise<void> {
  await stage.api.put(`/api/octopusservernodes/OctopusServerNodes-${node}`, { IsInMaintenanceMode: isDraining });
}

test("D3 D8: a node is drained under load, is safe to stop when its task has ended, and comes back", needsBrowser, async (t) => {
  const go = path.join(stage.cluster.root, "go");
  // So that it is node-2 that works.
  await setDraining("node-1", true);
  const long = await deploy("Long", `echo begun\nuntil [ -e '${go}' ]; do sleep 0.2; done\necho over`, "web");
  await eventually("the script runs", async () => (await stage.api.getText(`/api/tasks/${long}/raw`)).includes("begun"), taskMsMax);
  assert.equal((await task(long)).ServerNode, "OctopusServerNodes-node-2");
  await setDraining("node-1", false);

  const { page, faults, close } = await stage.open("/app");
  t.after(close);
  const keyboard = keyboardOf(page);
  await page.getByTestId("live-light").getByText("Live").waitFor();
  await keyboard.press(page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Cluster" }));
  await keyboard.arrives("Cluster");
  await page.getByRole("list", { name: "Tasks that run on node-2" }).getByRole("link", { name: /Long/ }).waitFor();
  await stage.stop(page, "drain 1 two nodes");
  await keyboard.press(page.getByRole("button", { name: "Drain node-2 …" }));
  const dialog = page.getByRole("dialog");
  await dialog.getByText("1 task goes on here to the end.").waitFor();
  await takePictures(page, "drain 2 the question");
  await keyboard.press(dialog.getByRole("button", { name: "Drain", exact: true }));
  await dialog.getByText("1 task runs on it to the end; it takes no new ones.").waitFor();
  await keyboard.press(dialog.getByRole("button", { name: "Wait in the background" }));
  await page.locator("[data-node=node-2][data-state=Draining]").waitFor();
  await stage.stop(page, "drain 3 draining");

  // What comes now goes to the other node, and the first goes on.
  const others = await Promise.all([1, 2, 3].map((n) => deploy(`Short ${n}`, "echo short")));
  for (const id of others) {
    const end = await ended(id);
    assert.deepEqual([end.State, end.ServerNode], ["Success", "OctopusServerNodes-node-1"], "a task began on a node that is drained");
  }
  assert.equal((await task(long)).State, "Executing");
  assert.equal(await page.getByText("Drained: safe to stop").count(), 0, "it is called safe while a task runs on it");
  writeFileSync(go, "");
  assert.equal((await ended(long)).State, "Success");
  // The page says so by itself.
  await page.locator("[data-node=node-2][data-state=Drained]").getByText("Drained: safe to stop").waitFor();
  await takePictures(page, "drain 4 safe to stop");

  assert.equal(await stage.servers[1]!.stop(), 0, "the node did not end well");
  await stage.servers[1]!.start();
  await keyboard.press(page.getByRole("button", { name: "Take tasks again on node-2" }));
  await page.locator("[data-node=node-2][data-state=Running]").waitFor();
  await takePictures(page, "drain 5 back");
  await setDraining("node-1", true);
  assert.equal((await ended(await deploy("Again", "echo again"))).ServerNode, "OctopusServerNodes-node-2");
  assert.deepEqual(faults, []);
});
