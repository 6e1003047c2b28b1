// Scripts that come with packages, on targets that have a shell and tar: a file of the step's own package as the script, and packages that a
// script refers to, unpacked or as files. Judged by what the scripts left on the targets' disks. The nodes, the database and the shared folder are real.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { makeZip } from "../support/archives.ts";
import { createPackageStage } from "../support/package-stage.ts";
import type { PackageDeployment } from "../support/package-stage.ts";
import { readScriptFile } from "../../server/features/runs/step-types/script/packaged-script.ts";

const tools = makeZip([
  { name: "scripts/migrate it.sh", content: 'echo "ran $# $1|$2 in $PWD for $(get_octopusvariable Colour)" >> "$TentacleHome/marks"\r\n' },
  {
    name: "scripts/count.py",
    content:
      "import sys, os, words\nopen(os.environ['TentacleHome'] + '/marks', 'a').write(f'{sys.argv[1:]} {words.of} {os.getcwd()} {get_octopusvariable(\"colour\")}\\n')\n",
  },
  { name: "scripts/words.py", content: "of = 'beside it'\n" },
  { name: "data.txt", content: "kept" },
]);

function scriptOf(properties: Record<string, string>, more: Partial<PackageDeployment> = {}): PackageDeployment {
  const source = properties["Octopus.Action.Script.ScriptBody"] === undefined ? "Package" : "Inline";
  return {
    packageId: "Acme.Tools",
    version: "1.0.0",
    type: "Octopus.Script",
    properties: { "Octopus.Action.Script.ScriptSource": source, ...properties },
    values: { Colour: "blue" },
    ...more,
  };
}

async function stageOf(t: TestContext) {
  const stage = await createPackageStage();
  t.after(() => stage.close());
  await stage.push("Acme.Tools.1.0.0.zip", tools);
  const home = stage.agents.home("machine-1");
  const running = path.join(home, "Files/cuttle/running");
  return { stage, home, running, marks: () => readFileSync(path.join(home, "marks"), "utf8").trim().split("\n") };
}

test("a file of the step's package runs in its own folder of the unpacked package, with parameters and variables, and nothing of it stays", async (t) => {
  const { stage, running, marks } = await stageOf(t);
  await stage.deploy(
    scriptOf({
      "Octopus.Action.Script.ScriptFileName": "scripts\\migrate it.sh",
      "Octopus.Action.Script.ScriptParameters": `"one two" #{Octopus.Action.Package.ExtractedPath}/data.txt`,
    }),
  );
  const lines = await stage.deploy(
    scriptOf(
      { "Octopus.Action.Script.ScriptFileName": "scripts/#{What}.py", "Octopus.Action.Script.ScriptParameters": "'a b' c" },
      {
        values: { Colour: "blue", What: "count" },
      },
    ),
  );
  const [bash, python] = marks();
  const [, argument, folder] = /^ran 2 one two\|(.+)\/data\.txt in (.+) for blue$/.exec(bash ?? "") ?? assert.fail(bash);
  assert.equal(`${argument}/scripts`, folder);
  assert.ok(folder?.startsWith(`${running}/`), folder);
  assert.match(python ?? "", /^\['a b', 'c'\] beside it .+\/Acme\.Tools\/scripts blue$/);
  assert.deepEqual(readdirSync(running), []);
  assert.ok(lines.includes("Acme.Tools 1.0.0 is there already."), lines.join("\n"));
});

test("packages that a script refers to are there before it: unpacked, or the very file that was pushed", async (t) => {
  const { stage, home, running } = await stageOf(t);
  const big = Buffer.concat([tools, createHash("sha512").update("x").digest(), Buffer.alloc(2_500_000, "y")]);
  await stage.push("Acme.Image.2.0.0-beta.jar", makeZip([{ name: "big", content: big }]));
  const reference = (name: string, packageId: string, version: string, properties: Record<string, string>) => ({
    name,
    packageId,
    version,
    feedId: "feeds-builtin",
    properties,
  });
  const lines = await stage.deploy(
    scriptOf(
      {
        "Octopus.Action.Script.Syntax": "Bash",
        "Octopus.Action.Script.ScriptBody": [
          'cat "$(get_octopusvariable "Octopus.Action.Package[my tools].ExtractedPath")/data.txt"; echo',
          "cp '#{Octopus.Action.Package[image].PackageFilePath}' \"$TentacleHome/copy\"",
          "echo name #{Octopus.Action.Package[image].PackageFileName}",
          "echo nothing [#{if Octopus.Action.Package[docs].ExtractedPath}there#{/if}]",
        ].join("\n"),
      },
      {
        further: [
          reference("my tools", "acme.tools", "1.0.0", { Extract: "True" }),
          reference("image", "Acme.Image", "2.0.0-beta", { Extract: "False" }),
          { ...reference("docs", "Acme.Docs", "1.0.0", {}), isNotAcquired: true },
        ],
      },
    ),
  );
  assert.ok(lines.includes("kept"), lines.join("\n"));
  assert.ok(lines.includes("name Acme.Image.2.0.0-beta.jar"), lines.join("\n"));
  assert.ok(lines.includes("nothing []"), lines.join("\n"));
  assert.deepEqual(readFileSync(path.join(home, "copy")), makeZip([{ name: "big", content: big }]));
  assert.deepEqual(readdirSync(running), []);
});

test("a wrong file name, a missing file and a missing package fail the step with a sentence, before anything has run", async (t) => {
  const { stage, home } = await stageOf(t);
  const run = async (file: string, more: Partial<PackageDeployment> = {}): Promise<string> =>
    (await stage.deploy(scriptOf({ "Octopus.Action.Script.ScriptFileName": file }, more), "Failed")).join("\n");
  assert.match(
    await run("scripts/gone.sh"),
    /The package Acme\.Tools 1\.0\.0 has no file scripts\/gone\.sh\. Correct the name in the step/,
  );
  assert.match(await run("#{Up}/x.sh", { values: { Up: ".." } }), /'\.\.\/x\.sh' is not a file within the package/);
  assert.match(await run("data.txt"), /'data\.txt' cannot be run: scripts of packages end with \.sh, \.ps1, \.py here/);
  assert.match(await run("scripts/migrate it.sh", { version: "9.9.9" }), /Acme\.Tools 9\.9\.9 is not in the built-in feed of this space/);
  assert.deepEqual(
    readdirSync(home).filter((name) => name === "marks"),
    [],
  );
});

test("names that lead out of the package, or to nothing that can be run, are told apart from scripts", () => {
  for (const name of ["../x.sh", "/etc/x.sh", "\\x.sh", "C:\\x.ps1", "a/../../x.sh", "a\nb.sh", "", "  ", "x", "x.csx", "x.sh/"])
    assert.equal("fault" in readScriptFile(name), name !== "x.sh/", name);
  assert.deepEqual(readScriptFile("./a\\b/Deploy.PS1"), { file: "a/b/Deploy.PS1", syntax: "PowerShell" });
});
