// The prelude of Python scripts under the real Python: values come as they were set, and what a script says is what the server reads.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { composePythonScript, runPython } from "./python-body.ts";
import { readServiceMessage } from "./service-messages.ts";

const skip = spawnSync("python3", ["--version"]).status === 0 ? false : "there is no python3 on this machine";

function run(t: { after(work: () => void): void }, body: string, parameters = "", variables: { name: string; value: string }[] = []) {
  const cwd = mkdtempSync(path.join(tmpdir(), "cuttle-python-"));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  const { bash } = runPython(composePythonScript(variables, body), parameters);
  return { cwd, ...spawnSync("/bin/bash", ["-s"], { cwd, input: bash, encoding: "utf8", timeout: 30_000 }) };
}

const awkward = ["plain", "", "two\nlines\n", "'''; exit(9) #", '"""\\x41 \\', "über 文字 🚀 \u0001\ttab"];

test("a script reads every value exactly, by a name in any case, and gets its parameters as the shell reads them", { skip }, (t) => {
  const variables = awkward.map((value, n) => ({ name: `Value.${n}`, value }));
  const body = [
    "import json, sys",
    `values = [get_octopusvariable('vALUE.%d' % n) for n in range(${awkward.length})]`,
    "assert octopusvariables['Value.0'] == 'plain' and 'value.1' in octopusvariables and get_octopusvariable('no') == ''",
    "print(json.dumps({'values': values, 'given': sys.argv[1:]}))",
  ].join("\r\n");
  const { status, stdout, stderr, cwd } = run(t, body, "one 'two words'", variables);
  assert.equal(status, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), { values: awkward, given: ["one", "two words"] });
  assert.equal(statSync(path.join(cwd, "Step.py")).mode & 0o777, 0o600);
});

test("outputs, artifacts, progress and levels are service messages; failstep and exceptions fail the script", { skip }, (t) => {
  const said = run(
    t,
    "set_octopusvariable('Key', 'a\\nb', True)\nopen('x.txt', 'w').write('abc')\ncreateartifact('x.txt')\nupdateprogress(50)\nprintwarning('w')",
  );
  const messages = said.stdout.split("\n").flatMap((line) => readServiceMessage(line) ?? []);
  assert.deepEqual(
    messages.map(({ name, attributes }) => [name, Object.fromEntries(attributes)]),
    [
      ["setVariable", { name: "Key", value: "a\nb", sensitive: "True" }],
      ["createArtifact", { path: path.join(said.cwd, "x.txt"), name: "x.txt", length: "3" }],
      ["progress", { percentage: "50", message: "" }],
      ["stdout-warning", {}],
      ["stdout-default", {}],
    ],
  );
  const failed = run(t, "failstep('no')");
  assert.deepEqual([failed.status, failed.stderr], [1, "no\n"]);
  const broken = run(t, "\nraise ValueError('x')");
  assert.equal(broken.status, 1);
  assert.match(broken.stderr, /Script\.py", line 2/);
});
