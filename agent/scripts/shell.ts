// Which program runs a script, with which arguments, and whether it is there.
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import type { ScriptShell } from "./ticket-state.ts";
import { bootstrapName } from "./workspace.ts";

/** The shell that runs scripts, and the wrapper. */
export const shellPath = "/bin/bash";

/** PowerShell for Linux, found by PATH. It need not be there. */
const powerShellName = "pwsh";

/** Names of what runs scripts, for messages. */
export const shellName: { readonly [shell in ScriptShell]: string } = { bash: shellPath, powershell: powerShellName };

/** Programs the wrapper calls by name. Both belong to the smallest installation of every Linux. */
const neededPrograms = ["cat", "sleep"];

/** Bytes of all arguments of a script together. The kernel's own limit is two megabytes, shared with the environment. */
const argumentBytesMax = 512 * 1024;
/** Bytes of one argument; the kernel refuses 128 KiB and more. */
const oneArgumentBytesMax = 120 * 1024;

/** The script that a wrapper is to run. */
export interface Command {
  shell: ScriptShell;
  workspace: string;
  arguments: readonly string[];
}

/** Program and arguments that run the script of a workspace. */
export function commandLine({ shell, workspace, arguments: scriptArguments }: Command): string[] {
  const path = join(workspace, bootstrapName[shell]);
  if (shell === "bash") return [shellPath, path, ...scriptArguments];
  return [powerShellName, "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", powerShellCommand(path, scriptArguments)];
}

/**
 * What PowerShell is told to do: stop at the first error, run the script in this scope with its arguments, and end with the exit code of the
 * last program it ran, if it ran any. Uses no module, in the syntax of version 5.1.
 */
export function powerShellCommand(path: string, scriptArguments: readonly string[]): string {
  const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  // The name of a parameter is no text: `-Name` in quotes would be a value.
  const words = scriptArguments.map((argument) => (/^-[A-Za-z_]\w*:?$/.test(argument) ? argument : quote(argument)));
  return [
    "$ErrorActionPreference = 'Stop'",
    [".", quote(path), ...words].join(" "),
    "$exitCode = $ExecutionContext.SessionState.PSVariable.GetValue('LASTEXITCODE')",
    "if ($null -ne $exitCode) { exit $exitCode }",
  ].join("; ");
}

/** What is missing on this machine to run scripts, or undefined. */
export function findMissingProgram(environment: NodeJS.ProcessEnv): string | undefined {
  if (!isExecutable(shellPath)) return shellPath;
  return neededPrograms.find((name) => !isOnPath(name, environment));
}

/** Whether this shell is there to run a script. */
export function hasShell(shell: ScriptShell, environment: NodeJS.ProcessEnv): boolean {
  return shell === "bash" ? isExecutable(shellPath) : isOnPath(powerShellName, environment);
}

/** Whether a program is found by this PATH. */
export function isOnPath(name: string, environment: NodeJS.ProcessEnv): boolean {
  return (environment["PATH"] ?? "/usr/bin:/bin").split(":").some((folder) => isExecutable(join(folder, name)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Splits an argument text as .NET does, because servers quote for that: blanks and tabs separate, double quotes group and vanish,
 * a doubled double quote within quotes is one, a backslash is special only before a double quote. Nothing else is.
 */
export function splitArguments(text: string): string[] {
  const result: string[] = [];
  let position = 0;
  const isBlank = (character: string | undefined): boolean => character === " " || character === "\t";
  while (position < text.length) {
    if (isBlank(text[position])) {
      position++;
      continue;
    }
    let argument = "";
    let quoted = false;
    while (position < text.length && (quoted || !isBlank(text[position]))) {
      let backslashes = 0;
      while (text[position] === "\\") {
        backslashes++;
        position++;
      }
      if (text[position] !== '"') {
        argument += "\\".repeat(backslashes);
        if (position < text.length && (quoted || !isBlank(text[position]))) argument += text[position++];
        continue;
      }
      argument += "\\".repeat(backslashes >> 1);
      position++;
      if (backslashes % 2 === 1) {
        argument += '"';
      } else if (quoted && text[position] === '"') {
        argument += '"';
        position++;
      } else {
        quoted = !quoted;
      }
    }
    result.push(argument);
  }
  return result;
}

/** Why these arguments cannot be given to a program, or undefined. */
export function findArgumentProblem(scriptArguments: readonly string[]): string | undefined {
  if (scriptArguments.some((argument) => argument.includes("\0"))) return "An argument contains a NUL character.";
  const lengths = scriptArguments.map((argument) => Buffer.byteLength(argument) + 1);
  if (lengths.some((length) => length > oneArgumentBytesMax))
    return `An argument is longer than ${oneArgumentBytesMax} bytes. Attach a file instead.`;
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total > argumentBytesMax)
    return `The arguments together have ${total} bytes; at most ${argumentBytesMax} are taken. Attach a file instead.`;
  return undefined;
}
