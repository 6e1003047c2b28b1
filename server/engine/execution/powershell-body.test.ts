// What each kind of agent is given for a step, as far as it can be tried without PowerShell; the rest is in test/powershell/.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { composePowerShellScript, runPowerShellFromBash } from "./powershell-body.ts";

function runInFolder(t: { after(run: () => void): void }, script: string, programs: Record<string, string>) {
  const folder = mkdtempSync(path.join(tmpdir(), "cuttle-powershell-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const bin = path.join(folder, "bin");
  spawnSync("mkdir", [bin]);
  for (const [name, text] of Object.entries(programs)) writeFileSync(path.join(bin, name), text, { mode: 0o755 });
  symlinkSync("/usr/bin/base64", path.join(bin, "base64"));
  const result = spawnSync("/bin/bash", ["-s"], { cwd: folder, input: script, encoding: "utf8", timeout: 10_000, env: { PATH: bin } });
  return { folder, ...result };
}

const awkward = "Write-Output 'über 文字 🚀 END_OF_SCRIPT'\r\n$x = @'\n'; `\"\n'@\n";

test("bash hands the script to pwsh byte for byte, in a file of the agent's user only, and gives back its exit code", (t) => {
  const { folder, status, stdout, stderr } = runInFolder(t, runPowerShellFromBash(awkward), {
    pwsh: '#!/bin/bash\necho "$@"\necho oops >&2\numask\nexit 7\n',
  });
  const script = path.join(folder, "Step.ps1");
  const umask = process.umask().toString(8).padStart(4, "0");
  assert.deepEqual(
    [status, stdout, stderr],
    [7, `-NoLogo -NoProfile -NonInteractive -File ${script}\n${umask}\n`, "oops\n"],
    "the script itself runs with the machine's own umask",
  );
  assert.equal(readFileSync(script, "utf8"), awkward);
  assert.equal(statSync(script).mode & 0o777, 0o600);
});

test("on a machine without pwsh the step fails and says what to do", (t) => {
  const { status, stderr } = runInFolder(t, runPowerShellFromBash("exit 0"), {});
  assert.equal(status, 127);
  assert.match(stderr, /written in PowerShell, and this machine has no pwsh\. Install PowerShell/);
});

test("no value can end its own quotes, and the same values give the same bytes", () => {
  const compose = (): string => composePowerShellScript([{ name: "A'B", value: "'; exit 9; '$(exit 8)`" }], "exit 0");
  assert.doesNotMatch(compose(), /exit [89]/);
  assert.equal(compose(), compose());
});

test("each function that scripts call is defined once: a later definition would silently take the place of a fuller one", () => {
  const names = [...composePowerShellScript([], "exit 0").matchAll(/^function ([A-Za-z_-]+)/gm)].map(([, name]) => name!.toLowerCase());
  assert.ok(names.includes("new-octopusartifact") && names.includes("update-progress"), names.join(" "));
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  );
});
