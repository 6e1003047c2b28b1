// The form of the agent's commands: their options in the spellings that operators of agents of this ecosystem know, their output and
// their exit codes. It knows no single command.

import type { AgentSettings } from "../agent.ts";

/** What a command may be given. The first name is the one that help shows first. */
export interface CommandOption {
  names: readonly string[];
  /** An option without a value is a switch; a value `true` or `false` may follow it after an equals sign. */
  takesValue: boolean;
  says: string;
}

export interface Command {
  name: string;
  aliases?: readonly string[];
  says: string;
  options: readonly CommandOption[];
  run(given: GivenOptions, io: CommandIo): Promise<void>;
}

/** What commands see of the world. */
export interface CommandIo {
  environment: NodeJS.ProcessEnv;
  /** Current folder. */
  folder: string;
  version: string;
  /** As it was called, for usage and hints. */
  programName: string;
  /** The words that call this program, for the units of services. */
  program: readonly string[];
  /** A line for people. */
  say(line: string): void;
  /** Data for programs: as it is, without a line end. */
  print(text: string): void;
  /** A line about what is wrong. */
  complain(line: string): void;
  /** Runs an agent until the process is told to stop. */
  /** `endsWithInput`: the end of standard input, which comes with the end of whoever started it, is as SIGTERM. */
  serve(settings: AgentSettings, how?: { endsWithInput: boolean }): Promise<void>;
}

export interface GivenOptions {
  /** The last value given; undefined when there is none. */
  text(name: string): string | undefined;
  /** All values, in order. */
  all(name: string): string[];
  /** Whether a switch is on. */
  has(name: string): boolean;
}

export const exitCodes = { done: 0, failed: 1, unknownCommand: 2, unexpected: 100 } as const;

/** What went wrong, in a sentence for the operator. Exit code 1, or 100 for what operators know as unexpected. */
export class CommandFailure extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Options that every command takes and that change nothing any more. */
const ignored = new Set(["nologo", "noconsolelogging", "console", "noninteractive"]);
const optionsMax = 1_000;

/** Reads `--name=value`, `--name value`, `-n value`, `/name:value`. Names in any case. Throws CommandFailure for what is not known. */
export function readOptions(words: readonly string[], options: readonly CommandOption[]): GivenOptions {
  const byName = new Map(options.flatMap((option) => option.names.map((name) => [name.toLowerCase(), option] as const)));
  const given = new Map<CommandOption, string[]>();
  const unknown: string[] = [];
  if (words.length > optionsMax) throw new CommandFailure(`More than ${optionsMax} arguments are not taken.`);
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const parts = /^(?:--|-|\/)([A-Za-z][A-Za-z0-9-]*)(?:[=:]([\s\S]*))?$/.exec(word);
    const name = parts?.[1]?.toLowerCase();
    const option = name === undefined ? undefined : byName.get(name);
    if (option === undefined) {
      if (name === undefined || !ignored.has(name)) unknown.push(word);
      continue;
    }
    let value = parts![2];
    if (value === undefined) {
      if (!option.takesValue) value = "true";
      else if (at + 1 < words.length) value = words[++at]!;
      else throw new CommandFailure(`Missing required value for option '${word}'.`);
    }
    given.set(option, [...(given.get(option) ?? []), value]);
  }
  if (unknown.length > 0) throw new CommandFailure(`Unrecognized command line arguments: ${unknown.join(" ")}`);
  const all = (name: string): string[] => {
    const option = byName.get(name.toLowerCase());
    if (option === undefined) throw new Error(`The command has no option ${name}.`);
    return given.get(option) ?? [];
  };
  return { all, text: (name) => all(name).at(-1), has: (name) => /^(true|1|yes)$/i.test(all(name).at(-1) ?? "false") };
}

/** Whether help is asked for. */
export function wantsHelp(words: readonly string[]): boolean {
  return words.some((word) => /^(--help|\/help|-\?|\/\?)$/i.test(word));
}

/** The page of one command. */
export function describeCommand(program: string, command: Command): string {
  const lines = command.options.map(({ names, takesValue, says }) => {
    const short = names.find((name) => name.length === 1);
    const long = names.filter((name) => name.length > 1).map((name) => `--${name}`);
    return `  ${short === undefined ? "   " : `-${short},`} ${long.join(", ")}${takesValue ? "=VALUE" : ""}`.padEnd(40) + ` ${says}`;
  });
  return [
    `Usage: ${program} ${command.name} [<options>]`,
    "",
    command.says,
    "",
    "Where [<options>] is any of: ",
    "",
    ...lines,
    "",
    "Or one of the common options: ",
    "",
    "      --help",
    "",
  ].join("\n");
}

/** The list of commands. */
export function describeCommands(program: string, commands: readonly Command[]): string {
  const lines = commands.flatMap(({ name, says }) => [`  ${name.padEnd(15)}`, `   ${says}`]);
  return [
    `Usage: ${program} <command> [<options>]`,
    "",
    "Where <command> is one of: ",
    "",
    ...lines,
    "",
    "Or use <command> --help for more details.",
    "",
  ].join("\n");
}

export function option(names: string, says: string): CommandOption {
  return { names: names.split("|"), takesValue: true, says };
}

export function toggle(names: string, says: string): CommandOption {
  return { names: names.split("|"), takesValue: false, says };
}
