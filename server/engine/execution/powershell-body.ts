// Makes a step's script for agents that run PowerShell, in the syntax of Windows PowerShell 5.1; and what the other shell is told when a
// step is written for one only. Pure, as script-body.ts, whose twin it is.

import type { ScriptFile } from "@cuttle/contract/agent/script";
import type { ScriptVariable } from "./script-body.ts";

/** The script in the form each kind of agent runs: others than Windows ones take `bash`. */
export interface ScriptForAgents {
  bash: string;
  powerShell: string;
  /** Laid into its working folder, where they depend on what is known only when it goes out. */
  files?: readonly ScriptFile[];
}

/** Text as a PowerShell expression that means exactly this text. */
function powerShellText(text: string): string {
  return `(__CuttleText '${Buffer.from(text, "utf8").toString("base64")}')`;
}

const reading = [
  "$ErrorActionPreference = 'Stop'",
  "function __CuttleText([string]$Encoded) { [System.Text.Encoding]::UTF8.GetString([System.Convert]::FromBase64String($Encoded)) }",
  "$OctopusParameters = [System.Collections.Generic.Dictionary[string,string]]::new([System.StringComparer]::OrdinalIgnoreCase)",
];

/** Functions that speak to the server by service messages; their values travel as base64. */
const saying = [
  "function __CuttleEncode([string]$Text) { [System.Convert]::ToBase64String([System.Text.Encoding]::UTF8.GetBytes($Text)) }",
  "function __CuttleSay([string]$Level, [string]$Message) {",
  '  [System.Console]::Out.WriteLine("##octopus[stdout-$Level]")',
  "  [System.Console]::Out.WriteLine($Message)",
  "  [System.Console]::Out.WriteLine('##octopus[stdout-default]')",
  "}",
  "function Get-OctopusVariable([string]$Name) { if ($OctopusParameters.ContainsKey($Name)) { $OctopusParameters[$Name] } }",
  "function Set-OctopusVariable([string]$Name, [string]$Value, [switch]$Sensitive) {",
  "  $kind = ''",
  "  if ($Sensitive) { $kind = \" sensitive='$(__CuttleEncode 'True')'\" }",
  "  [System.Console]::Out.WriteLine(\"##octopus[setVariable name='$(__CuttleEncode $Name)' value='$(__CuttleEncode $Value)'$kind]\")",
  "}",
  // The file is fetched when the script has ended, by then perhaps in another folder, so its whole path is said.
  "function New-OctopusArtifact {",
  "  param([Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)] [Alias('FullName', 'FullPath')] [string]$Path,",
  "    [Parameter(Position = 1)] [string]$Name)",
  "  process {",
  "    if (-not [System.IO.File]::Exists($ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path))) {",
  '      Write-Error "There is no file $Path to collect as an artifact."',
  "      return",
  "    }",
  "    $file = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path)",
  "    $as = $Name",
  "    if (-not $as) { $as = [System.IO.Path]::GetFileName($file) }",
  "    $length = [System.IO.FileInfo]::new($file).Length",
  "    __CuttleSay 'verbose' \"Artifact $as will be collected from $file after this step completes.\"",
  "    [System.Console]::Out.WriteLine(\"##octopus[createArtifact path='$(__CuttleEncode $file)' name='$(__CuttleEncode $as)' length='$(__CuttleEncode $length)']\")",
  "  }",
  "}",
  "function Update-Progress([string]$Percentage, [string]$Message) {",
  "  [System.Console]::Out.WriteLine(\"##octopus[progress percentage='$(__CuttleEncode $Percentage)' message='$(__CuttleEncode $Message)']\")",
  "}",
  "function Write-Verbose([string]$Message) { __CuttleSay 'verbose' $Message }",
  "function Write-Highlight([string]$Message) { __CuttleSay 'highlight' $Message }",
  "function Write-Wait([string]$Message) { __CuttleSay 'wait' $Message }",
  "function Write-Warning([string]$Message) { __CuttleSay 'warning' $Message }",
  "function Fail-Step([string]$Message) {",
  "  if ($Message) { [System.Console]::Error.WriteLine($Message) }",
  "  exit 1",
  "}",
];

/** A program's exit code counts when it was the last one that the script ran, as agents on Windows have it. */
const ending = [
  "$__cuttleExitCode = $ExecutionContext.SessionState.PSVariable.GetValue('LASTEXITCODE')",
  "if ($null -ne $__cuttleExitCode) { exit $__cuttleExitCode }",
];

/**
 * The script for PowerShell 5.1 and newer. The user's text is a block of its own, so that it may begin with `param`; `parameters` are
 * arguments of it as they stand.
 */
export function composePowerShellScript(variables: readonly ScriptVariable[], body: string, parameters = ""): string {
  const values = variables.map((one) => `$OctopusParameters[${powerShellText(one.name)}] = ${powerShellText(one.value)}`);
  return [...reading, ...values, ...saying, ". {", body, `} ${parameters.replaceAll(/\s+/g, " ")}`.trimEnd(), ...ending, ""].join("\n");
}

/** What an agent that runs PowerShell is given for a step in Bash. */
export const refusalOfBash = [
  "[System.Console]::Error.WriteLine('This step is written in Bash, and the agent of this machine runs PowerShell. Write the step in PowerShell, or give it other target roles.')",
  "exit 1",
  "",
].join("\n");

const base64LineCharacters = 120;

/** Lets bash hand a script to PowerShell where there is one. Others than the agent's user cannot read the file. */
export function runPowerShellFromBash(powerShell: string): string {
  const encoded = Buffer.from(powerShell, "utf8").toString("base64");
  const lines = encoded.match(new RegExp(`.{1,${base64LineCharacters}}`, "g")) ?? [];
  return [
    "if ! command -v pwsh >/dev/null 2>&1; then",
    "  echo 'This step is written in PowerShell, and this machine has no pwsh. Install PowerShell on it, write the step in Bash, or give it other target roles.' >&2",
    "  exit 127",
    "fi",
    "(umask 077; base64 -d >Step.ps1) <<'END_OF_SCRIPT' || exit",
    ...lines,
    "END_OF_SCRIPT",
    'exec pwsh -NoLogo -NoProfile -NonInteractive -File "$PWD/Step.ps1"',
    "",
  ].join("\n");
}
