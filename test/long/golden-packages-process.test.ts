// Golden deployments of packages: each is one process whose marks and files are known beforehand, to the letter. The marks are written by the
// packages' own scripts, in one file, in the order in which they ran. The richest is done again with its node killed at each stage.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { createWorld } from "../support/golden-world.ts";
import type { Deployed, GoldenStep, World } from "../support/golden-world.ts";

const linux = { skip: process.platform === "linux" ? false : "runs Bash scripts on agents of this machine" } as const;
const machine = `$(get_octopusvariable Octopus.Machine.Name)`;
const version = `$(get_octopusvariable Octopus.Action.Package.PackageVersion)`;

/** A package with all stages; each stays a moment after its mark, so that a node can be killed in it. */
const shop = (page: string): { [file: string]: string } => ({
  "index.html": page,
  "settings.json": '{ "Port": 80, "Log": { "Level": "debug" } }',
  "conf/app.yml": "colour: none # kept\n",
  ...Object.fromEntries(
    ["PreDeploy", "Deploy", "PostDeploy"].map((stage) => [`${stage}.sh`, `#!mark\nmark "${stage} ${version} ${machine}"\nsleep 1\n`]),
  ),
  "DeployFailed.sh": `#!mark\nmark "DeployFailed ${machine}"\n`,
});

const rich = (folder: string, role: string): GoldenStep => ({
  name: "Shop",
  role,
  type: "Octopus.TentaclePackage",
  packages: [{ id: "Acme.Shop" }],
  properties: {
    "Octopus.Action.EnabledFeatures": "Octopus.Features.SubstituteInFiles,Octopus.Features.JsonConfigurationVariables",
    "Octopus.Action.SubstituteInFiles.TargetFiles": "*.html",
    "Octopus.Action.Package.JsonConfigurationVariablesTargets": "settings.json\nconf/*.yml",
    "Octopus.Action.Package.CustomInstallationDirectory": `${folder}/#{Octopus.Machine.Name}`,
    "Octopus.Action.Package.CustomInstallationDirectoryShouldBePurgedBeforeDeployment": "True",
  },
  stepProperties: { "Octopus.Action.MaxParallelism": "1" },
});
const variables = [
  { name: "Port", value: "8080" },
  { name: "Log:Level", value: "#{Octopus.Environment.Name}" },
  { name: "Colour", value: "red", role: "db" },
  { name: "Colour", value: "blue" },
];

async function succeeded(deployment: Deployed): Promise<void> {
  const task = await deployment.ended();
  assert.equal(task.State, "Success", `${task.ErrorMessage}\n${await deployment.log()}`);
}

describe("golden deployments: packages", { ...linux, timeout: 600_000 }, () => {
  let world: World;
  before(async () => {
    world = await createWorld({ nodes: 2 });
  });
  after(() => world?.close());

  test("a package with everything, on listening and polling targets; a later step knows where it lies", async () => {
    const folder = path.join(world.cluster.root, "srv");
    const where = `Octopus.Action[Shop].Output[db-1].Package.InstallationDirectoryPath`;
    const later: GoldenStep = { name: "Later", role: "db", script: `mark "$(get_octopusvariable '${where}')"` };
    const project = await world.project({ name: "Rich", steps: [rich(folder, "web,db"), later], variables });
    await world.push("Acme.Shop", "1.0.0", shop("#{Octopus.Machine.Name} #{Octopus.Release.Number}"));
    await project.release("1.0.0", { "Acme.Shop": "1.0.0" });
    const deployment = await project.deploy("1.0.0", "Test");
    await succeeded(deployment);
    const marks = deployment.marks();
    for (const name of ["web-1", "web-2", "db-1"]) {
      const own = marks.filter((mark) => mark.endsWith(name) && !mark.startsWith("/"));
      assert.deepEqual(own, [`PreDeploy 1.0.0 ${name}`, `Deploy 1.0.0 ${name}`, `PostDeploy 1.0.0 ${name}`]);
      const read = (file: string): string => readFileSync(path.join(folder, name, file), "utf8");
      assert.equal(read("index.html"), `${name} 1.0.0`);
      assert.equal(read("settings.json"), '{ "Port": 8080, "Log": { "Level": "Test" } }');
      assert.equal(read("conf/app.yml"), `colour: ${name === "db-1" ? "red" : "blue"} # kept\n`);
    }
    assert.equal(marks.at(-1), `${folder}/db-1`);
  });

  test("a failing stage ends the step with DeployFailed; the next release goes on in the same place", async () => {
    const step: GoldenStep = { name: "Site", role: "db", type: "Octopus.TentaclePackage", packages: [{ id: "Acme.Site" }] };
    const project = await world.project({ name: "Failing", steps: [step] });
    await world.push("Acme.Site", "1.0.0", { ...shop("one"), "Deploy.sh": `#!mark\nmark "Deploy ${machine}"\nexit 7\n` });
    await world.push("Acme.Site", "1.0.1", shop("two"));
    await project.release("1.0.0", { "Acme.Site": "1.0.0" });
    const failing = await project.deploy("1.0.0", "Test");
    assert.equal((await failing.ended()).State, "Failed");
    assert.deepEqual(failing.marks(), ["PreDeploy 1.0.0 db-1", "Deploy db-1", "DeployFailed db-1"]);
    assert.match(await failing.log(), /The Deploy script of the package ended with exit code 7\./);
    await project.release("1.0.1", { "Acme.Site": "1.0.1" });
    const mended = await project.deploy("1.0.1", "Test");
    await succeeded(mended);
    const applications = path.join(world.agents["db-1"]!.home, "Applications/Test/Acme.Site");
    assert.deepEqual(readdirSync(applications).toSorted(), ["1.0.0", "1.0.1"]);
    assert.equal(readFileSync(path.join(applications, "1.0.1/index.html"), "utf8"), "two");
  });

  for (const stage of ["PreDeploy", "Deploy", "PostDeploy"]) {
    test(`D2 D3 A2: its node is killed in ${stage}: the other one goes on, and every stage has run once`, async () => {
      const folder = path.join(world.cluster.root, `killed-in-${stage}`);
      const project = await world.project({ name: `Killed in ${stage}`, steps: [rich(folder, "db")], variables });
      const mine = { PreDeploy: "2.0.0", Deploy: "2.1.0", PostDeploy: "2.2.0" }[stage]!;
      await world.push("Acme.Shop", mine, shop(stage));
      await project.release("1.0.0", { "Acme.Shop": mine });
      const deployment = await project.deploy("1.0.0", "Test");
      await deployment.marked(`${stage} ${mine} db-1`);
      const owner = await deployment.owner();
      await owner.kill();
      try {
        await succeeded(deployment);
        assert.deepEqual(deployment.marks(), [`PreDeploy ${mine} db-1`, `Deploy ${mine} db-1`, `PostDeploy ${mine} db-1`]);
        assert.equal(readFileSync(path.join(folder, "db-1/index.html"), "utf8"), stage);
        assert.match(readFileSync(path.join(folder, "db-1/settings.json"), "utf8"), /8080/);
        assert.equal(existsSync(path.join(world.agents["db-1"]!.home, `Applications/Test/Acme.Shop/${mine}_1`)), false);
      } finally {
        await owner.start();
      }
    });
  }
});
