// Makes a step's script for Python 3, and what each kind of agent runs to start it. Pure, as script-body.ts, whose twin it is.

import type { ScriptForAgents } from "./powershell-body.ts";
import type { ScriptVariable } from "./script-body.ts";

const base64LineCharacters = 120;
const base64 = (text: string): string => Buffer.from(text, "utf8").toString("base64");

/** Functions that speak to the server by service messages; their values travel as base64. */
const saying = [
  "class _OctopusVariables(dict):",
  "    def __getitem__(self, name): return dict.__getitem__(self, name.lower())",
  "    def __contains__(self, name): return dict.__contains__(self, name.lower())",
  "    def get(self, name, default=None): return dict.get(self, name.lower(), default)",
  "def _octopus_text(text): return base64.b64decode(text).decode('utf-8')",
  "def _octopus_encode(text): return base64.b64encode(str(text).encode('utf-8')).decode('ascii')",
  "def _octopus_say(level, message):",
  "    print('##octopus[stdout-' + level + ']\\n' + str(message) + '\\n##octopus[stdout-default]', flush=True)",
  "def get_octopusvariable(name): return octopusvariables.get(name, '')",
  "def set_octopusvariable(name, value, sensitive=False):",
  "    kind = \" sensitive='\" + _octopus_encode('True') + \"'\" if sensitive else ''",
  "    print(\"##octopus[setVariable name='\" + _octopus_encode(name) + \"' value='\" + _octopus_encode(value) + \"'\" + kind + ']', flush=True)",
  "    octopusvariables[name.lower()] = str(value)",
  "def createartifact(path, fileName=None):",
  "    path = os.path.abspath(path)",
  "    name = os.path.basename(path) if fileName is None else fileName",
  "    values = [('path', path), ('name', name), ('length', os.path.getsize(path))]",
  "    said = ' '.join(key + \"='\" + _octopus_encode(value) + \"'\" for key, value in values)",
  "    print('##octopus[createArtifact ' + said + ']', flush=True)",
  "def updateprogress(progress, message=None):",
  "    print(\"##octopus[progress percentage='\" + _octopus_encode(progress) + \"' message='\" + _octopus_encode(message or '') + \"']\", flush=True)",
  "def failstep(message=None):",
  "    if message is not None: print(message, file=sys.stderr, flush=True)",
  "    sys.exit(1)",
  "def printverbose(message): _octopus_say('verbose', message)",
  "def printhighlight(message): _octopus_say('highlight', message)",
  "def printwait(message): _octopus_say('wait', message)",
  "def printwarning(message): _octopus_say('warning', message)",
];

/** The script as a program of Python 3.6 and newer. The user's text is compiled by itself, so that its lines keep their numbers. */
export function composePythonScript(variables: readonly ScriptVariable[], body: string): string {
  const values = variables.map(
    (one) => `octopusvariables[_octopus_text('${base64(one.name)}').lower()] = _octopus_text('${base64(one.value)}')`,
  );
  return [
    "# -*- coding: utf-8 -*-",
    "import base64, os, sys",
    "for _octopus_stream in (sys.stdout, sys.stderr):",
    "    if hasattr(_octopus_stream, 'reconfigure'): _octopus_stream.reconfigure(encoding='utf-8', errors='replace')",
    ...saying,
    "octopusvariables = _OctopusVariables()",
    ...values,
    `exec(compile(_octopus_text('${base64(body)}'), 'Script.py', 'exec'))`,
    "",
  ].join("\n");
}

/** Lets the shell of each kind of agent start Python where there is one. Others than the agent's user cannot read the file. */
export function runPython(python: string, parameters = ""): ScriptForAgents {
  const lines = base64(python).match(new RegExp(`.{1,${base64LineCharacters}}`, "g")) ?? [];
  const given = parameters.replaceAll(/\s+/g, " ").trim();
  return {
    bash: [
      "if ! command -v python3 >/dev/null 2>&1; then",
      "  echo 'This step is written in Python, and this machine has no python3. Install Python 3 on it, or give the step other target roles.' >&2",
      "  exit 127",
      "fi",
      "(umask 077; base64 -d >Step.py) <<'END_OF_SCRIPT' || exit",
      ...lines,
      "END_OF_SCRIPT",
      `exec python3 "$PWD/Step.py" ${given}`.trimEnd(),
      "",
    ].join("\n"),
    powerShell: [
      "$ErrorActionPreference = 'Stop'",
      "$python = @('python', 'py') | Where-Object { Get-Command $_ -ErrorAction SilentlyContinue } | Select-Object -First 1",
      "if (-not $python) {",
      "  [System.Console]::Error.WriteLine('This step is written in Python, and this machine has none. Install Python 3 on it, or give the step other target roles.')",
      "  exit 127",
      "}",
      `[System.IO.File]::WriteAllBytes("$PWD/Step.py", [System.Convert]::FromBase64String('${base64(python)}'))`,
      `& $python "$PWD/Step.py" ${given}`.trimEnd(),
      "exit $LASTEXITCODE",
      "",
    ].join("\n"),
  };
}
