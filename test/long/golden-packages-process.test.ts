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

/** A site of .NET with its transforms; each stays a moment in PreDeploy, so that a node can be killed where the files are rendered next. */
const site: { [file: string]: string } = {
  "web.config": `<?xml version="1.0"?>
<configuration>
  <appSettings>
    <add key="Mode" value="debug" />
    <add key="Greeting" value="none" />
  </appSettings>
  <system.web>
    <compilation debug="true" targetFramework="4.8" />
  </system.web>
</configuration>
`,
  "Web.Release.config": `<configuration xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform">
  <system.web>
    <compilation xdt:Transform="RemoveAttributes(debug)" />
  </system.web>
</configuration>
`,
  "Web.Production.config": `<configuration xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform">
  <appSettings>
    <add key="Mode" value="production on #{Octopus.Machine.Name}" xdt:Transform="SetAttributes(value)" xdt:Locator="Match(key)" />
    <add key="Url" value="to be filled in" xdt:Transform="Insert" />
  </appSettings>
</configuration>
`,
  "conf/rules.xml": `<rules><allow who="all"/></rules>\n`,
  "conf/rules.Strict.xml": `<rules xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform"><allow xdt:Transform="Remove"/></rules>\n`,
  "PreDeploy.sh": `#!mark\nmark "PreDeploy ${machine}"\nsleep 1\n`,
  "Deploy.sh": `#!mark\nmark "Deploy ${machine}"\n`,
};
const transformed = (environment: string, name: string): string =>
  environment === "Production"
    ? `<?xml version="1.0"?>
<configuration>
  <appSettings>
    <add key="Mode" value="production on ${name}" />
    <add key="Greeting" value="hello ${name}" />
    <add key="Url" value="https://shop.example/?a=1&amp;b=2" />
  </appSettings>
  <system.web>
    <compilation targetFramework="4.8" />
  </system.web>
</configuration>
`
    : site["web.config"]!.replace(` debug="true"`, "").replace(`"none"`, `"hello ${name}"`);
const siteStep = (folder: string, role: string): GoldenStep => ({
  name: "Site",
  role,
  type: "Octopus.TentaclePackage",
  packages: [{ id: "Acme.Net" }],
  properties: {
    "Octopus.Action.EnabledFeatures":
      "Octopus.Features.SubstituteInFiles,Octopus.Features.ConfigurationTransforms,Octopus.Features.ConfigurationVariables",
    "Octopus.Action.SubstituteInFiles.TargetFiles": "Web.*.config",
    "Octopus.Action.Package.AdditionalXmlConfigurationTransforms": "*.#{Rules}.xml => *.xml",
    "Octopus.Action.Package.CustomInstallationDirectory": `${folder}/#{Octopus.Machine.Name}`,
  },
});
const siteVariables = [
  { name: "Greeting", value: "hello #{Octopus.Machine.Name}" },
  { name: "Url", value: "https://shop.example/?a=1&b=2" },
  { name: "Rules", value: "Strict" },
];

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

  test("a .NET site: placeholders, then transforms by name and by the step's list, then settings, for each environment and target", async () => {
    const folder = path.join(world.cluster.root, "net");
    const project = await world.project({ name: "Net", steps: [siteStep(folder, "web,db")], variables: siteVariables });
    await world.push("Acme.Net", "1.0.0", site);
    await project.release("1.0.0", { "Acme.Net": "1.0.0" });
    for (const environment of ["Test", "Production"]) {
      const deployment = await project.deploy("1.0.0", environment);
      await succeeded(deployment);
      for (const name of ["web-1", "web-2", "db-1"]) {
        assert.equal(readFileSync(path.join(folder, name, "web.config"), "utf8"), transformed(environment, name), `${environment} ${name}`);
        assert.equal(readFileSync(path.join(folder, name, "conf/rules.xml"), "utf8"), "<rules></rules>\n");
      }
      const log = await deployment.log();
      assert.match(log, /Transforming 'web\.config' with 'Web\.Release\.config'\./);
      assert.equal(log.includes("with 'Web.Production.config'"), environment === "Production");
    }
  });

  test("a transform that finds nothing fails the deployment with its line, or is passed over when a variable says so", async () => {
    const folder = path.join(world.cluster.root, "net-wrong");
    const project = await world.project({ name: "Net wrong", steps: [siteStep(folder, "db")], variables: siteVariables });
    const wrong = site["Web.Release.config"]!.replace("compilation", "compiler");
    await world.push("Acme.Net", "2.0.0", {
      ...site,
      "Web.Release.config": wrong,
      "DeployFailed.sh": `#!mark\nmark "DeployFailed ${machine}"\n`,
    });
    await project.release("1.0.0", { "Acme.Net": "2.0.0" });
    const failing = await project.deploy("1.0.0", "Test");
    assert.equal((await failing.ended()).State, "Failed");
    assert.match(
      await failing.log(),
      /Web\.Release\.config, line 3: no element of the document is \/configuration\/system\.web\/compiler\..*IgnoreConfigTransformationErrors/,
    );
    assert.deepEqual(failing.marks(), ["PreDeploy db-1", "DeployFailed db-1"]);
    const ignoring = { name: "Octopus.Action.Package.IgnoreConfigTransformationErrors", value: "True" };
    await project.change({ steps: [siteStep(folder, "db")], variables: [...siteVariables, ignoring] });
    await project.release("1.0.1", { "Acme.Net": "2.0.0" });
    const passing = await project.deploy("1.0.1", "Test");
    await succeeded(passing);
    assert.match(readFileSync(path.join(folder, "db-1/web.config"), "utf8"), /debug="true"/);
  });

  test("D2 D3 A2: its node is killed before the files are rendered: the other one renders them, and every stage has run once", async () => {
    const folder = path.join(world.cluster.root, "net-killed");
    const project = await world.project({ name: "Net killed", steps: [siteStep(folder, "db")], variables: siteVariables });
    await world.push("Acme.Net", "3.0.0", site);
    await project.release("1.0.0", { "Acme.Net": "3.0.0" });
    const deployment = await project.deploy("1.0.0", "Test");
    await deployment.marked("PreDeploy db-1");
    const owner = await deployment.owner();
    await owner.kill();
    try {
      await succeeded(deployment);
      assert.deepEqual(deployment.marks(), ["PreDeploy db-1", "Deploy db-1"]);
      assert.equal(readFileSync(path.join(folder, "db-1/web.config"), "utf8"), transformed("Test", "db-1"));
    } finally {
      await owner.start();
    }
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
