// Everything that is sent to agents as PowerShell, under the real parser and engine; they come with a package of the .NET SDK. Takes some
// seconds to build, so it runs only when it is asked for: `npm run powershell`. The agent's side runs on the machine's pwsh where there is one.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { scriptLines, startAgentProcess } from "../../agent/agent-process.ts";
import { powerShellCommand } from "../../agent/scripts/shell.ts";
import { composePowerShellScript, refusalOfBash } from "../../server/engine/execution/powershell-body.ts";
import { healthScript } from "../../server/features/runs/health-checks/health-script.ts";

const engine = fileURLToPath(new URL("./engine.cs", import.meta.url));

/** The first .NET SDK that runs a C# file as it is. */
const sdkMajorMin = 10;

function findReasonToSkip(): string | undefined {
  if (process.env["CUTTLE_TEST_POWERSHELL"] !== "1") return "takes the .NET SDK and some seconds; npm run powershell runs it";
  const { status, stdout } = spawnSync("dotnet", ["--version"], { encoding: "utf8" });
  if (status !== 0) return "there is no dotnet on this machine";
  return Number.parseInt(stdout, 10) >= sdkMajorMin ? undefined : `dotnet ${stdout.trim()} is here, and ${sdkMajorMin} or newer is needed`;
}
const skip = findReasonToSkip();

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function runEngine(args: readonly string[], input = ""): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn("dotnet", ["run", engine, "--", ...args], { stdio: ["pipe", "pipe", "pipe"] });
    const ended: Ended = { code: null, stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (ended.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (ended.stderr += text));
    child.once("error", reject);
    child.once("close", (code) => resolve({ ...ended, code }));
    child.stdin.end(input);
  });
}

const awkward = [
  "plain",
  "",
  "two\nlines\n",
  "'; exit 9; '",
  '"$(exit 9)" `id` $HOME \\x41 \\',
  "über 文字 🚀 \u0001\u001b[31m\ttab \u201cquotes\u2019",
  "#> @' '@ {} $() %{}",
];

/** All that is sent as PowerShell, by name. */
const bodies = {
  "health check": healthScript.powerShell,
  "refusal of a step in Bash": refusalOfBash,
  "deployment step": composePowerShellScript(
    awkward.map((value, n) => ({ name: `Value.${n}`, value })),
    "param([string]$Name = 'x')\nWrite-Output $Name # comment",
  ),
  "the agent's command": powerShellCommand("/home/o'neill/Bootstrap.ps1", ["one", "-Two", "it's", '"three"', "$(exit 9)"]),
};

const parse = (scripts: Record<string, string>): Promise<Ended> =>
  runEngine(["parse"], JSON.stringify(Object.entries(scripts).map(([name, text]) => ({ name, text }))));

describe("PowerShell", { skip }, () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cuttle-powershell-"));
    // Builds it, once for all that follows.
    const built = spawnSync("dotnet", ["build", engine], { encoding: "utf8" });
    assert.equal(built.status, 0, built.stdout);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("the parser takes every body that is sent to agents, and none is newer than 5.1", async () => {
    const { code, stdout, stderr } = await parse(bodies);
    assert.deepEqual([code, stdout, stderr], [0, "", ""]);
  });

  test("and it would notice", async () => {
    const { code, stdout } = await parse({ "left open": "if ($x) {", ternary: "$x = $y ? 1 : 2", chain: "a && b", null: "$x ?? 1" });
    assert.equal(code, 1);
    assert.deepEqual(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(",")[0]),
      ["left open", "ternary", "chain", "null"],
    );
  });

  test("a script reads every value exactly as it was set, names ignore case, and an unknown one is empty", async () => {
    const variables = awkward.map((value, n) => ({ name: `Value.${n}`, value }));
    const body = [
      ...awkward.map((_, n) => `__CuttleEncode $OctopusParameters['VALUE.${n}']`),
      "\"[$(Get-OctopusVariable 'nothing')]\"",
      "Set-OctopusVariable -Name 'Out' -Value 'it''s' -Sensitive",
      "Write-Highlight 'seen'",
    ].join("\n");
    const script = path.join(folder, "values.ps1");
    writeFileSync(script, composePowerShellScript(variables, body));
    const { code, stdout, stderr } = await runEngine(["-NoProfile", "-File", script]);
    assert.deepEqual([code, stderr], [0, ""]);
    const lines = stdout.trimEnd().split("\n");
    assert.deepEqual(
      lines.slice(0, awkward.length).map((line) => Buffer.from(line, "base64").toString("utf8")),
      awkward,
    );
    assert.deepEqual(lines.slice(awkward.length), [
      "[]",
      "##octopus[setVariable name='T3V0' value='aXQncw==' sensitive='VHJ1ZQ==']",
      "##octopus[stdout-highlight]",
      "seen",
      "##octopus[stdout-default]",
    ]);
  });

  test("artifacts are named one by one or come through a pipeline; one that is not there is an error; progress is said", async () => {
    const script = path.join(folder, "artifacts.ps1");
    const files = ["one.txt", "two.txt"].map((name) => path.join(folder, name));
    for (const file of files) writeFileSync(file, "content");
    const body = [
      // The engine comes without the module that has it.
      "function Write-Error([string]$Message) { throw $Message }",
      `New-OctopusArtifact '${files[0]}' 'first'`,
      `[pscustomobject]@{ FullName = '${files[1]}' } | New-OctopusArtifact`,
      "Update-Progress 40 'so far'",
      `New-OctopusArtifact '${path.join(folder, "gone.txt")}'`,
    ].join("\n");
    writeFileSync(script, composePowerShellScript([], body));
    const { code, stdout, stderr } = await runEngine(["-NoProfile", "-File", script]);
    const encoded = (text: string): string => Buffer.from(text, "utf8").toString("base64");
    const said = (file: string, name: string): string =>
      `##octopus[createArtifact path='${encoded(file)}' name='${encoded(name)}' length='${encoded("7")}']`;
    assert.deepEqual(
      stdout.split("\n").filter((line) => /^##octopus\[(createArtifact|progress) /.test(line)),
      [
        said(files[0]!, "first"),
        said(files[1]!, "two.txt"),
        `##octopus[progress percentage='${encoded("40")}' message='${encoded("so far")}']`,
      ],
      stderr,
    );
    assert.equal(code, 1);
    assert.match(stderr, /There is no file .*gone\.txt to collect as an artifact/);
  });

  test("the agent runs PowerShell: arguments, exit codes of script and program, and an error that ends it", async (t) => {
    const pwsh = path.join(folder, "pwsh");
    writeFileSync(pwsh, `#!/bin/bash\nexec dotnet run ${engine} -- "$@"\n`, { mode: 0o755 });
    const agent = await startAgentProcess(t, { environment: { PATH: `${process.env["PATH"]}:${folder}` } });
    const run = (ticket: string, powerShell: string, Arguments: string[] = []) =>
      agent.start({ ticket, body: "echo bash ran", Scripts: { PowerShell: powerShell }, Arguments, waitMs: 60_000 });
    const [plain, program, failed, composed] = await Promise.all([
      run("plain", 'param($First, $Name)\r\n"$First|$Name|über|$($env:TentacleHome)"\r\nexit 5\r\n', ['"it\'s one"', "-Name", "two"]),
      run("program", "bash -c 'exit 3'\n'after'"),
      run("failed", "'before'\nthrow 'wrong'\n'never'"),
      run("composed", composePowerShellScript([{ name: "Name", value: "v" }], "Get-OctopusVariable name\nFail-Step 'enough'\n'never'")),
    ]);
    assert.deepEqual([plain.ExitCode, scriptLines(plain.Logs)], [5, [`it's one|two|über|${agent.home}`]]);
    assert.deepEqual([program.ExitCode, scriptLines(program.Logs)], [3, ["after"]]);
    assert.deepEqual([failed.ExitCode, scriptLines(failed.Logs)], [1, ["before", "wrong"]]);
    assert.deepEqual([composed.ExitCode, scriptLines(composed.Logs)], [1, ["v", "enough"]]);
  });
});
