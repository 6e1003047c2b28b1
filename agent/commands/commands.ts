// The agent's commands by name, and what is the same for all: help, unknown commands, failures and exit codes.
import {
  type Command,
  CommandFailure,
  type CommandIo,
  describeCommand,
  describeCommands,
  exitCodes,
  option,
  readOptions,
  wantsHelp,
} from "./command-line.ts";

export { type CommandIo, exitCodes } from "./command-line.ts";
export { instanceThere } from "./chosen-configuration.ts";

/** Commands by the file they are in: a command loads what it needs, and help loads all. */
const groups: readonly { names: readonly string[]; load(): Promise<readonly Command[]> }[] = [
  { names: ["agent", "run"], load: async () => [(await import("./agent.ts")).agentCommand] },
  { names: ["livez", "watchdog", "checkservices"], load: async () => (await import("./liveness.ts")).livenessCommands },
  {
    names: ["configure", "set-polling-connection-count", "update-trust", "clear-trusted-servers", "server-comms"],
    load: async () => (await import("./settings.ts")).settingsCommands,
  },
  { names: ["show-configuration"], load: async () => [(await import("./show-configuration.ts")).showConfigurationCommand] },
  { names: ["create-instance", "delete-instance", "list-instances"], load: async () => (await import("./instances.ts")).instanceCommands },
  {
    names: ["new-certificate", "import-certificate", "export-certificate", "show-thumbprint"],
    load: async () => (await import("./certificates.ts")).certificateCommands,
  },
  { names: ["register-with", "register-worker"], load: async () => (await import("./registration.ts")).registrationCommands },
  { names: ["deregister-from", "deregister-worker"], load: async () => (await import("./registration.ts")).deregistrationCommands },
  { names: ["join"], load: async () => [(await import("./join.ts")).joinCommand] },
  { names: ["poll-server"], load: async () => [(await import("./poll-server.ts")).pollServerCommand] },
  { names: ["proxy", "polling-proxy"], load: async () => (await import("./proxies.ts")).proxyCommands },
  { names: ["service"], load: async () => [(await import("./service.ts")).serviceCommand] },
  { names: ["extract"], load: async () => [(await import("./extract.ts")).extractCommand] },
];

const versionCommand: Command = {
  name: "version",
  says: "Prints the version",
  options: [option("format", "text or json")],
  async run(given, io) {
    if (given.text("format")?.toLowerCase() !== "json") return io.print(io.version);
    const plain = io.version.split("+")[0]!;
    const described = {
      InformationalVersion: io.version,
      MajorMinorPatch: plain.split("-")[0],
      NuGetVersion: plain,
      SourceBranchName: "main",
      IsPrerelease: plain.includes("-"),
    };
    io.print(JSON.stringify(described, null, 2));
  },
};

const helpCommand: Command = {
  name: "help",
  aliases: ["h", "?"],
  says: "Lists the commands, or tells about one",
  options: [option("format", "text or json")],
  async run(given, io) {
    const commands = await allCommands();
    if (given.text("format")?.toLowerCase() !== "json") return io.print(describeCommands(io.programName, commands));
    const described = commands.map(({ name, says, aliases = [] }) => ({ Name: name, Description: says, Aliases: aliases }));
    io.print(JSON.stringify({ Commands: described }, null, 2));
  },
};

/** Runs the command that the words name. Answers the exit code. */
export async function runCommand(words: readonly string[], io: CommandIo): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined) {
    io.print(describeCommands(io.programName, await allCommands()));
    return exitCodes.unknownCommand;
  }
  try {
    if (wantsHelp([first])) {
      await helpCommand.run(readOptions([], helpCommand.options), io);
      return exitCodes.done;
    }
    const isHelp = isNamed(helpCommand, first.toLowerCase());
    const asked = isHelp && rest[0] !== undefined && !rest[0].startsWith("-") ? rest[0] : first;
    const command = await findCommand(asked.toLowerCase());
    if (command === undefined) {
      io.complain(`Command '${asked}' is not supported`);
      io.say(`See '${io.programName} help'`);
      return exitCodes.unknownCommand;
    }
    if (asked !== first || wantsHelp(rest)) io.print(describeCommand(io.programName, command));
    else await command.run(readOptions(rest, command.options), io);
    return exitCodes.done;
  } catch (error) {
    io.complain(describeFailure(error));
    return error instanceof CommandFailure ? error.exitCode : exitCodes.unexpected;
  }
}

function isNamed({ name, aliases = [] }: Command, wanted: string): boolean {
  return name === wanted || aliases.includes(wanted);
}

async function findCommand(name: string): Promise<Command | undefined> {
  const own = [helpCommand, versionCommand].find((command) => isNamed(command, name));
  if (own !== undefined) return own;
  const group = groups.find(({ names }) => names.includes(name));
  return (await group?.load())?.find((command) => isNamed(command, name));
}

async function allCommands(): Promise<Command[]> {
  const loaded = await Promise.all(groups.map((group) => group.load()));
  return [...loaded.flat(), helpCommand, versionCommand].sort((one, other) => (one.name < other.name ? -1 : 1));
}

function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") return `${error.message}. Another program uses the port; choose one with configure --port=NUMBER.`;
  if (code === "EACCES" || code === "EPERM") return `${error.message}. The command needs more rights, perhaps those of root.`;
  return error.message;
}
