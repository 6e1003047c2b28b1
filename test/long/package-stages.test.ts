// A package on targets that have a shell and tar, judged by what lies on their disks: the order of its stages, where it comes to lie, what
// is kept and what is told to scripts. The targets run what they are sent; the nodes, the database and the shared folder are real.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { makeZip } from "../support/archives.ts";
import { createPackageStage } from "../support/package-stage.ts";
import { readJournal } from "../../server/features/runs/step-types/deploy-package/journal.ts";

const scripts = "Octopus.Features.CustomScripts";
const mark = (what: string): string => `echo "${what} in $PWD" >> "$TentacleHome/marks"\n`;

async function stageOf(t: TestContext) {
  const stage = await createPackageStage();
  t.after(() => stage.close());
  const home = stage.agents.home("machine-1");
  return {
    stage,
    home,
    applications: stage.agents.applications("machine-1"),
    marks: () => readFileSync(path.join(home, "marks"), "utf8").trim().split("\n"),
    journal: () => readJournal(readFileSync(path.join(home, "DeploymentJournal.xml"), "utf8")),
  };
}

test("D6: the stages of a package run in the official order, the step's script before the package's, and the package lies where it should", async (t) => {
  const { stage, home, applications, marks, journal } = await stageOf(t);
  const custom = path.join(stage.root, "srv/shop");
  mkdirSync(path.join(custom, "logs"), { recursive: true });
  writeFileSync(path.join(custom, "logs/old.log"), "kept");
  writeFileSync(path.join(custom, "stale.txt"), "goes");
  await stage.push(
    "Acme.Shop.1.2.0.zip",
    makeZip([
      { name: "index.html", content: "<h1>Shop</h1>" },
      { name: "PreDeploy.sh", content: mark("package PreDeploy") },
      { name: "Deploy.sh", content: `${mark("package Deploy")}set_octopusvariable Colour "blue #{x} 'y'"\n` },
      {
        name: "PostDeploy.sh",
        content: `${mark("package PostDeploy")}echo "colour $(get_octopusvariable colour)" >> "$TentacleHome/marks"`,
      },
      { name: "DeployFailed.sh", content: mark("package DeployFailed") },
      { name: "bin/tool", content: "#!/bin/sh\n", mode: 0o100755 },
    ]),
  );
  await stage.deploy({
    packageId: "Acme.Shop",
    version: "1.2.0",
    properties: {
      "Octopus.Action.EnabledFeatures": scripts,
      "Octopus.Action.CustomScripts.PreDeploy.sh": mark("step PreDeploy"),
      "Octopus.Action.CustomScripts.Deploy.sh": `${mark("step Deploy")}echo "at $(get_octopusvariable Octopus.Action.Package.InstallationDirectoryPath)" >> "$TentacleHome/marks"`,
      "Octopus.Action.CustomScripts.PostDeploy.sh": mark(
        "step PostDeploy of #{Octopus.Action.Package.PackageVersion} in #{OctopusOriginalPackageDirectoryPath}",
      ),
      "Octopus.Action.Package.CustomInstallationDirectory": "#{Root}/srv/shop",
      "Octopus.Action.Package.CustomInstallationDirectoryShouldBePurgedBeforeDeployment": "True",
      "Octopus.Action.Package.CustomInstallationDirectoryPurgeExclusions": "logs/**\n*.keep",
    },
    values: { Root: stage.root, "Octopus.Action.Package.PackageVersion": "1.2.0" },
  });
  const folder = path.join(applications, "Production/Acme.Shop/1.2.0");
  assert.deepEqual(marks(), [
    `step PreDeploy in ${folder}`,
    `package PreDeploy in ${folder}`,
    `step Deploy in ${custom}`,
    `at ${custom}`,
    `package Deploy in ${custom}`,
    `step PostDeploy of 1.2.0 in ${folder} in ${custom}`,
    `package PostDeploy in ${custom}`,
    "colour blue #{x} 'y'",
  ]);
  assert.deepEqual(readdirSync(custom).sort(), ["DeployFailed.sh", "bin", "index.html", "logs"], "purged but for what is excluded");
  assert.equal(readFileSync(path.join(custom, "logs/old.log"), "utf8"), "kept");
  const [entry, ...others] = journal();
  assert.deepEqual(others, []);
  assert.equal(entry!.wasSuccessful, true);
  assert.equal(entry!.extractedTo, folder);
  assert.equal(entry!.customInstallationDirectory, custom);
  assert.deepEqual(entry!.packages, [{ packageId: "Acme.Shop", packageVersion: "1.2.0", deployedFrom: "" }]);
  assert.match(entry!.installedOn, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assert.deepEqual(readdirSync(path.join(home, "Files/cuttle/incoming")), []);
});

test("a stage that fails is followed by DeployFailed and nothing else, and the journal says so; a stage may end the rest in success", async (t) => {
  const { stage, marks, journal } = await stageOf(t);
  await stage.push(
    "Acme.Shop.1.0.0.zip",
    makeZip([
      { name: "PreDeploy.sh", content: mark("PreDeploy") },
      { name: "Deploy.sh", content: `${mark("Deploy")}exit 3` },
      { name: "PostDeploy.sh", content: mark("PostDeploy") },
      { name: "DeployFailed.sh", content: mark("DeployFailed") },
    ]),
  );
  const lines = await stage.deploy({ packageId: "Acme.Shop", version: "1.0.0" }, "Failed");
  assert.deepEqual(
    marks().map((line) => line.split(" ")[0]),
    ["PreDeploy", "Deploy", "DeployFailed"],
  );
  assert.ok(lines.some((line) => line.includes("The Deploy script of the package ended with exit code 3.")));
  assert.equal(journal()[0]!.wasSuccessful, false);

  await stage.push(
    "Acme.Shop.2.0.0.zip",
    makeZip([
      { name: "PreDeploy.sh", content: `${mark("second")}set_octopusvariable Octopus.Action.SkipRemainingConventions True` },
      { name: "Deploy.sh", content: mark("never") },
    ]),
  );
  await stage.deploy({ packageId: "Acme.Shop", version: "2.0.0" });
  assert.equal(marks().length, 4);
  assert.deepEqual(
    journal().map((entry) => entry.wasSuccessful),
    [false, true],
  );
});

test("a package that is installed is passed over when asked, each new deployment has its own folder, and older ones make way", async (t) => {
  const { stage, home, applications, marks, journal } = await stageOf(t);
  mkdirSync(home, { recursive: true });
  const foreign = `<Deployment Id="other" RetentionPolicySet="x" ExtractedTo="/elsewhere"><Package PackageId="P" PackageVersion="1" /></Deployment>`;
  writeFileSync(path.join(home, "DeploymentJournal.xml"), `<?xml version="1.0"?>\n<Deployments>\n${foreign}\n</Deployments>`);
  const zip = (n: number) =>
    makeZip([
      { name: "Deploy.sh", content: mark(`Deploy ${n} after $(get_octopusvariable Octopus.Tentacle.PreviousInstallation.PackageVersion)`) },
    ]);
  for (const n of [1, 2, 3, 4]) await stage.push(`Acme.Shop.${n}.0.0.zip`, zip(n));
  const deploy = (n: number, properties: Record<string, string> = {}) =>
    stage.deploy({ packageId: "Acme.Shop", version: `${n}.0.0`, properties, values: { "Cuttle.TargetRetention": "items 2" } });
  await deploy(1);
  const lines = await deploy(1, { "Octopus.Action.Package.SkipIfAlreadyInstalled": "True" });
  assert.ok(
    lines.some((line) => line.includes("was installed before")),
    lines.join("\n"),
  );
  assert.equal(marks().length, 1);
  await deploy(1);
  assert.deepEqual(readdirSync(path.join(applications, "Production/Acme.Shop")).sort(), ["1.0.0", "1.0.0_1"]);
  for (const n of [2, 3, 4]) await deploy(n);
  assert.deepEqual(
    marks().map((line) => line.split(" in ")[0]),
    ["Deploy 1 after ", "Deploy 1 after 1.0.0", "Deploy 2 after 1.0.0", "Deploy 3 after 2.0.0", "Deploy 4 after 3.0.0"],
  );
  assert.deepEqual(readdirSync(path.join(applications, "Production/Acme.Shop")).sort(), ["2.0.0", "3.0.0", "4.0.0"]);
  assert.deepEqual(
    journal().map((entry) => entry.packages[0]!.packageVersion),
    ["1", "2.0.0", "3.0.0", "4.0.0"],
    "the entry of somebody else stays",
  );
});

test("values are filled into files after PreDeploy, with what this target knows, and the rest of the package stays as it is", async (t) => {
  const { stage, applications, marks } = await stageOf(t);
  await stage.push(
    "Acme.Shop.1.0.0.zip",
    makeZip([
      { name: "PreDeploy.sh", content: `${mark("PreDeploy")}echo '#{Colour}' > made-by-predeploy.txt` },
      { name: "Deploy.sh", content: `cat settings.json >> "$TentacleHome/marks"` },
      { name: "settings.json", content: '{"Port": 80, "Log": {"Level": "debug"}}' },
      { name: "conf/app.yml", content: "colour: none # kept\n" },
      { name: "web.config", content: `<configuration><appSettings><add key="Colour" value="old"/></appSettings></configuration>` },
      { name: "bin/start.sh", content: "echo #{Colour} in #{Octopus.Action.Package.InstallationDirectoryPath}", mode: 0o100755 },
      { name: "untouched.txt", content: "#{Colour}" },
    ]),
  );
  const deployment = {
    packageId: "Acme.Shop",
    version: "1.0.0",
    properties: {
      "Octopus.Action.EnabledFeatures":
        "Octopus.Features.SubstituteInFiles,Octopus.Features.JsonConfigurationVariables,Octopus.Features.ConfigurationVariables",
      "Octopus.Action.SubstituteInFiles.TargetFiles": "bin/*.sh\nmade-*.txt\nno/such.file",
      "Octopus.Action.Package.JsonConfigurationVariablesTargets": "settings.json\n**/*.yml",
    },
    values: { Colour: "blue", port: "8080", "Log:Level": "#{Colour}" },
  };
  const told = await stage.deploy(deployment);
  assert.ok(told.includes("No file of the package fits 'no/such.file', so no values are filled in there."), told.join("\n"));
  const folder = path.join(applications, "Production/Acme.Shop/1.0.0");
  const read = (name: string): string => readFileSync(path.join(folder, name), "utf8");
  assert.equal(read("settings.json"), '{"Port": 8080, "Log": {"Level": "blue"}}');
  assert.equal(marks().at(-1), read("settings.json"), "Deploy sees it filled in");
  assert.equal(read("conf/app.yml"), "colour: blue # kept\n");
  assert.match(read("web.config"), /value="blue"/);
  assert.equal(read("bin/start.sh"), `echo blue in ${folder}`);
  assert.equal(statSync(path.join(folder, "bin/start.sh")).mode & 0o111, 0o111);
  assert.equal(read("made-by-predeploy.txt"), "blue\n");
  assert.equal(read("untouched.txt"), "#{Colour}");

  await stage.push(
    "Acme.Shop.2.0.0.zip",
    makeZip([
      { name: "settings.json", content: '{"Port": ' },
      { name: "DeployFailed.sh", content: mark("DeployFailed") },
      { name: "Deploy.sh", content: mark("never") },
    ]),
  );
  const ignoring = { ...deployment.properties, "Octopus.Action.Package.IgnoreVariableReplacementErrors": "True" };
  await stage.deploy({ ...deployment, version: "2.0.0", properties: ignoring });
  const lines = await stage.deploy({ ...deployment, version: "2.0.0" }, "Failed");
  assert.ok(
    lines.some((line) => line.includes("settings.json cannot be filled in: it is no JSON")),
    lines.join("\n"),
  );
  assert.match(marks().at(-1)!, /DeployFailed in/);
});

test("packages that the step refers to are there for its scripts and fields, and go when all is over", async (t) => {
  const { stage, home, marks } = await stageOf(t);
  await stage.push(
    "Acme.Shop.1.0.0.zip",
    makeZip([
      { name: "settings.json", content: '{"Tools": ""}' },
      { name: "a", content: "a" },
    ]),
  );
  await stage.push("Acme.Tools.2.0.0.zip", makeZip([{ name: "tool.txt", content: "hammer" }]));
  await stage.deploy({
    packageId: "Acme.Shop",
    version: "1.0.0",
    further: [{ name: "tools", packageId: "Acme.Tools", feedId: "feeds-builtin", version: "2.0.0", properties: {} }],
    properties: {
      "Octopus.Action.EnabledFeatures": `${scripts},Octopus.Features.JsonConfigurationVariables`,
      "Octopus.Action.Package.JsonConfigurationVariablesTargets": "settings.json",
      "Octopus.Action.CustomScripts.PreDeploy.sh": 'cat "#{Octopus.Action.Package[tools].ExtractedPath}/tool.txt" >> "$TentacleHome/marks"',
      "Octopus.Action.CustomScripts.PostDeploy.sh":
        'cat "$(get_octopusvariable "Octopus.Action.Package[tools].ExtractedPath")/tool.txt" settings.json >> "$TentacleHome/marks"',
    },
    values: { Tools: "#{Octopus.Action.Package[tools].ExtractedPath}" },
  });
  const place = path.join(home, "Files/cuttle/running/");
  assert.match(marks().join(""), new RegExp(`^hammerhammer{"Tools": "${place}[^"]+/tools"}$`));
  assert.ok(
    readdirSync(place).every((name) => !name.endsWith("-script-1")),
    readdirSync(place).join(" "),
  );
});

test("what cannot be deployed is refused with a sentence before anything runs on a target", async (t) => {
  const { stage } = await stageOf(t);
  await stage.push("Acme.Evil.1.0.0.tar", await evilTar());
  const missing = await stage.deploy({ packageId: "Acme.Missing", version: "1.0.0" }, "Failed");
  assert.ok(
    missing.some((line) => line.includes("Acme.Missing 1.0.0 is not in the built-in feed")),
    missing.join("\n"),
  );
  const evil = await stage.deploy({ packageId: "Acme.Evil", version: "1.0.0" }, "Failed");
  assert.ok(
    evil.some((line) => line.includes("outside of the package's folder")),
    evil.join("\n"),
  );
  await stage.push("Acme.Shop.1.0.0.zip", makeZip([{ name: "a", content: "a" }]));
  const near = {
    "Octopus.Action.Package.CustomInstallationDirectory": "/etc",
    "Octopus.Action.Package.CustomInstallationDirectoryShouldBePurgedBeforeDeployment": "True",
  };
  const root = await stage.deploy({ packageId: "Acme.Shop", version: "1.0.0", properties: near }, "Failed");
  assert.ok(
    root.some((line) => line.includes("too near to the root")),
    root.join("\n"),
  );
  assert.equal(stage.agents.executions.filter((one) => !one.body.includes("cuttle_ask acme")).length, 0, "only questions went out");
});

async function evilTar(): Promise<Buffer> {
  const { tarHeader, paddingOf, endOfTar } = await import("../../server/platform/archives/archives.ts");
  const entry = { name: "../../escaped", kind: "file", isExecutable: false, bytes: 1, linkTarget: "" } as const;
  return Buffer.concat([tarHeader(entry), Buffer.from("x"), paddingOf(1), endOfTar()]);
}
