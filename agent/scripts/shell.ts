// Starting a script under its wrapper, in a session of its own so that nothing that hits the agent hits the script.
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { ScriptShell } from "./ticket-state.ts";
import { bootstrapName } from "./workspace.ts";
import { wrapperText } from "./wrapper.ts";

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

/** A spare wrapper is told its script over a pipe that the shell reads byte by byte; longer arguments go the direct way. */
const spareArgumentBytesMax = 4096;

/** What every wrapper of an agent is started with. */
export interface WrapperSettings {
  streamBytesMax: number;
  umask: number;
  environment: NodeJS.ProcessEnv;
}

/** The script that a wrapper is to run. */
export interface Command {
  shell: ScriptShell;
  workspace: string;
  arguments: readonly string[];
}

export interface Launch extends WrapperSettings, Command {
  record: string;
  attempt: number;
}

/** Starts the wrapper. Resolves when it runs; rejects when the system refused to start it, and then nothing was started. */
export async function launchScript(launch: Launch): Promise<ChildProcess> {
  const child = startWrapper(launch, launch.record, launch.attempt, ["go", launch.workspace, ...commandLine(launch)]);
  await spawned(child);
  return child;
}

/** A wrapper that is started and prepared but has no script yet: saves the time of starting it when a script comes. */
export interface SpareWrapper {
  readonly process: ChildProcess;
  /** Its record folder, to be renamed to the script's. Its attempt has number 1. */
  readonly record: string;
  /** Whether it can run this script now. */
  suits(scriptArguments: readonly string[]): boolean;
  /** Lets it begin the script. */
  go(command: Command): void;
  /** Ends it; its folder stays. */
  dismiss(): void;
}

/** Starts a spare wrapper in an empty folder. Rejects when the system refuses. */
export async function startSpareWrapper(settings: WrapperSettings, record: string): Promise<SpareWrapper> {
  const child = startWrapper(settings, record, 1, ["wait"]);
  // It may die at any time; who follows it notices by its exit.
  child.stdin?.on("error", () => {});
  await spawned(child);
  return {
    process: child,
    record,
    suits: (scriptArguments) =>
      child.exitCode === null &&
      child.signalCode === null &&
      scriptArguments.reduce((sum, argument) => sum + argument.length, 0) <= spareArgumentBytesMax,
    go(command) {
      const fields = [command.workspace, ...commandLine(command)];
      child.stdin?.end(`${[fields.length, ...fields].join("\0")}\0`);
    },
    dismiss: () => child.stdin?.destroy(),
  };
}

function commandLine({ shell, workspace, arguments: scriptArguments }: Command): string[] {
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

function startWrapper(settings: WrapperSettings, record: string, attempt: number, rest: readonly string[]): ChildProcess {
  const kib = String(Math.ceil(settings.streamBytesMax / 1024));
  const umask = settings.umask.toString(8).padStart(4, "0");
  // Node's pipes are sockets, and bash runs ~/.bashrc when its input is one and no shell is above it: whatever that does, however long.
  const child = spawn(shellPath, ["--norc", "-p", "-c", wrapperText, "cuttle-script", String(attempt), kib, umask, ...rest], {
    cwd: record,
    env: settings.environment,
    detached: true,
    stdio: [rest[0] === "wait" ? "pipe" : "ignore", "ignore", "ignore"],
  });
  // The agent may stop while scripts go on.
  child.unref();
  (child.stdin as Socket | null)?.unref();
  return child;
}

async function spawned(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
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

function isOnPath(name: string, environment: NodeJS.ProcessEnv): boolean {
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
