// A node that dies at any single effect of a package deployment, or sleeps through its lease, while another takes over. The observer is
// the target's disk: each stage ran once, in order, on what the package holds. Holds D1, D2, D3, D6, A2 for steps of many parts.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { makeZip } from "../support/archives.ts";
import { atEachPoint } from "../support/each-point.ts";
import { eventually } from "../support/eventually.ts";
import type { StopPoint } from "../support/mortal-node.ts";
import { createPackageStage } from "../support/package-stage.ts";
import type { PackageDeployment, PackageStage } from "../support/package-stage.ts";

const mark = (what: string): string => `echo "${what}" >> "$TentacleHome/marks"\n`;
const content = "x".repeat(10_000);
const zip = makeZip([
  { name: "index.html", content },
  { name: "PreDeploy.sh", content: mark("package PreDeploy") },
  { name: "Deploy.sh", content: mark("package Deploy") },
  { name: "settings.json", content: '{"Port": 80}' },
  { name: "PostDeploy.sh", content: mark("package PostDeploy") },
]);
const everything = (stage: PackageStage): PackageDeployment => ({
  packageId: "Acme.Shop",
  version: "1.2.0",
  properties: {
    "Octopus.Action.EnabledFeatures": "Octopus.Features.CustomScripts,Octopus.Features.JsonConfigurationVariables",
    "Octopus.Action.Package.JsonConfigurationVariablesTargets": "settings.json",
    "Octopus.Action.CustomScripts.PreDeploy.sh": mark("step PreDeploy"),
    "Octopus.Action.CustomScripts.Deploy.sh": mark("step Deploy"),
    "Octopus.Action.CustomScripts.PostDeploy.sh": mark("step PostDeploy"),
    "Octopus.Action.Package.CustomInstallationDirectory": `${stage.root}/srv/shop`,
    "Octopus.Action.Package.CustomInstallationDirectoryShouldBePurgedBeforeDeployment": "True",
  },
  values: { Port: "8080" },
});

function assertDeployedOnce(stage: PackageStage, where: string): void {
  const home = stage.agents.home("machine-1");
  assert.deepEqual(
    readFileSync(path.join(home, "marks"), "utf8").trim().split("\n"),
    ["step PreDeploy", "package PreDeploy", "step Deploy", "package Deploy", "step PostDeploy", "package PostDeploy"],
    where,
  );
  assert.equal(readFileSync(path.join(stage.root, "srv/shop/index.html"), "utf8"), content, where);
  assert.equal(readFileSync(path.join(stage.root, "srv/shop/settings.json"), "utf8"), '{"Port": 8080}', where);
  assert.deepEqual(readdirSync(path.join(stage.agents.applications("machine-1"), "Production/Acme.Shop")), ["1.2.0"], where);
  const journal = readFileSync(path.join(home, "DeploymentJournal.xml"), "utf8");
  assert.deepEqual(
    [...journal.matchAll(/WasSuccessful="(\w+)"/g)].map(([, text]) => text),
    ["True"],
    where,
  );
}

function incoming(stage: PackageStage): string[] {
  return readdirSync(path.join(stage.agents.home("machine-1"), "Files/cuttle/incoming"));
}

async function runWith(stopAt: StopPoint): Promise<void> {
  const stage = await createPackageStage();
  try {
    await stage.push("Acme.Shop.1.2.0.zip", zip);
    const first = await stage.node("first", stopAt);
    const id = await stage.enqueue(everything(stage));
    const where = `stopped at ${stopAt.effect}: ${await Promise.race([first.stopped, stage.finalState(id).then(() => "the end")])}`;
    await stage.node("second");
    assert.equal(await stage.finalState(id), "Success", where);
    if (stopAt.how === "freeze") {
      first.thaw();
      await eventually("the first node lets go", () => first.engine.running().length === 0);
    } else assert.deepEqual(incoming(stage), [], where);
    assertDeployedOnce(stage, where);
  } finally {
    await stage.close();
  }
}

test(
  "D1 D2 D3 D6: wherever kill -9 hits, another node ends the deployment, and each stage of it ran once",
  { timeout: 600_000 },
  async () => {
    const whole = await createPackageStage();
    let effects: string[];
    try {
      await whole.push("Acme.Shop.1.2.0.zip", zip);
      const node = await whole.node("whole");
      const id = await whole.enqueue(everything(whole));
      assert.equal(await whole.finalState(id), "Success", (await whole.log(id)).join("\n"));
      assertDeployedOnce(whole, "nobody died");
      effects = [...node.effects];
    } finally {
      await whole.close();
    }
    for (const name of ["agent-upload", "agent-start", "agent-download"]) assert.ok(effects.includes(name), effects.join(" "));
    // Of each kind of effect the first and the last: those between are the same statements for other parts.
    const places = Map.groupBy(effects.keys(), (n) => effects[n]!);
    const points = [...places.values()].flatMap((of) => [...new Set([of[0]!, of.at(-1)!])].map((n) => n + 1));
    await atEachPoint(points, 3, (effect) => runWith({ effect, when: "after", how: "die" }));
  },
);

test(
  "D2 D4: frozen just before an upload or a start goes out, it wakes to find the package deployed and changes nothing",
  { timeout: 300_000 },
  async () => {
    for (const effect of ["agent-upload", "agent-start"]) await runWith({ effect, when: "before", how: "freeze" });
    await runWith({ effect: "agent-start", since: "agent-upload", when: "before", how: "freeze" });
  },
);
