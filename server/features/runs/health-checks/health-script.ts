// The script of a health check, for bash and for PowerShell, and how its lines are read. It changes nothing on the machine.

import type { MachineHealth } from "../../infrastructure/infrastructure.ts";

/** Below this a machine gets a warning: a deployment of some size would fill its disk. */
export const freeMegabytesWarning = 5 * 1024;

/** Each line is `Name: value`; a name that is not known is only shown. */
export const healthScript = {
  bash: `
system=$(uname -sr)
if [ -r /etc/os-release ]; then system=$(. /etc/os-release; printf '%s' "\${PRETTY_NAME:-$NAME}"); fi
echo "Operating system: $system"
echo "Machine: $(uname -n) ($(uname -m))"
echo "User: $(id -un 2>/dev/null || id -u)"
echo "Shell: Bash $BASH_VERSION"
echo "Agent version: $TentacleVersion"
free=$(df -Pk . 2>/dev/null | tail -n 1 | while read -r device size used available rest; do echo $((available / 1024)); done)
echo "Free megabytes: $free"
`,
  powerShell: `
$ErrorActionPreference = 'Stop'
$system = [System.Environment]::OSVersion.VersionString
Write-Output "Operating system: $system"
Write-Output "Machine: $([System.Environment]::MachineName) ($($env:PROCESSOR_ARCHITECTURE))"
Write-Output "User: $([System.Environment]::UserName)"
Write-Output "Shell: PowerShell $($PSVersionTable.PSVersion)"
Write-Output "Agent version: $($env:TentacleVersion)"
$drive = (Get-Location).Drive
if ($null -ne $drive) { Write-Output "Free megabytes: $([math]::Floor($drive.Free / 1MB))" }
`,
} as const;

const valueCharactersMax = 200;

/** What the lines of the script say about the machine. */
export function readHealth(exitCode: number, lines: readonly string[]): MachineHealth {
  const said = new Map<string, string>();
  for (const line of lines) {
    const parts = /^([A-Z][a-z ]{1,30}): (.+)$/.exec(line.trim());
    if (parts !== null) said.set(parts[1]!, parts[2]!.slice(0, valueCharactersMax));
  }
  const [, shellName, shellVersion] = /^(\S+) (\S+)/.exec(said.get("Shell") ?? "") ?? [];
  const system = said.get("Operating system");
  const agentVersion = said.get("Agent version");
  const known = {
    ...(system === undefined ? {} : { operatingSystem: system }),
    ...(shellName === undefined ? {} : { shellName }),
    ...(shellVersion === undefined ? {} : { shellVersion }),
    ...(agentVersion === undefined ? {} : { agentVersion }),
  };
  if (exitCode !== 0) {
    return { ...known, healthStatus: "Unhealthy", statusSummary: `The health check's script ended with exit code ${exitCode}.` };
  }
  const freeMegabytes = Number(said.get("Free megabytes") ?? "unknown");
  if (freeMegabytes < freeMegabytesWarning) {
    const statusSummary = `The agent runs scripts, but only ${freeMegabytes} MB are free where it works; free some space.`;
    return { ...known, healthStatus: "HasWarnings", statusSummary };
  }
  return { ...known, healthStatus: "Healthy", statusSummary: "The agent answered and runs scripts." };
}
