// The server's command line: reads settings, starts a node, stops it in an orderly way. The only file that may end the process.
import fs from "node:fs/promises";
import { Command, CommanderError, Option } from "commander";
import type { ServerNode } from "./compose.ts";
import { ConfigProblem, readConfig, settings } from "./config.ts";
import type { ServerConfig, SettingName } from "./config.ts";
import { MasterKeyProblem, parseMasterKey, readMasterKeyFile } from "./platform/secrets/secrets.ts";

/** An orderly stop gets this long, its delay besides: running calls end, leases are let go, the embedded database writes its checkpoint. */
const stopTimeoutMs = 30_000;
/** A day: longer waits belong to whoever calls. */
const waitSecondsMax = 86_400;
const exitCodes = { done: 0, failed: 1, wrongUse: 2, stoppedAtOnce: 130 };

type Flags = Partial<Record<SettingName, string>>;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

function settingsFrom(flags: Flags): ServerConfig {
  const config = readConfig({ flags, environment: process.env, warn: (sentence) => complain(`Warning: ${sentence}`) });
  // Programs that this process starts must not inherit them.
  for (const { secret, environment } of Object.values(settings)) if (secret) delete process.env[environment];
  return config;
}

async function run(flags: Flags & { readyLine?: boolean }): Promise<number> {
  const config = settingsFrom(flags);
  await makeHome(config.home);
  const signals = watchSignals();
  let node: ServerNode;
  try {
    node = await startNode(config);
  } catch (error) {
    const { explainStartFailure } = await import("./start-failure.ts");
    complain(explainStartFailure(error, config));
    return exitCodes.failed;
  }
  if (!signals.received()) announce(node, flags.readyLine === true);
  await signals.first;
  return await stopInTime(node, config.stopDelayMs + stopTimeoutMs);
}

/** Loads the server late, so that wrong settings and help are answered without it, and while the database is already starting. */
async function startNode(config: ServerConfig): Promise<ServerNode> {
  const [{ reachDatabase }, { createServerLog }] = await Promise.all([
    import("./reach-database.ts"),
    import("./platform/telemetry/telemetry.ts"),
  ]);
  const log = createServerLog({ level: config.logLevel, nodeName: config.nodeName });
  const [database, { createServerNode }] = await Promise.all([reachDatabase(config, log), import("./compose.ts")]);
  return createServerNode(config, { log, database });
}

/** The node's own folder: for this account only; as root one may pass through it, which the database's account has to. */
async function makeHome(home: string): Promise<void> {
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
  try {
    if ((await fs.mkdir(home, { recursive: true, mode })) !== undefined) await fs.chmod(home, mode);
  } catch (error) {
    throw new ConfigProblem([
      `The home folder ${home} cannot be made (${(error as NodeJS.ErrnoException).code ?? "unknown error"}); choose another one with --home.`,
    ]);
  }
}

function announce(node: ServerNode, asJson: boolean): void {
  if (asJson) {
    say(JSON.stringify({ ready: true, ...node.ready }));
    return;
  }
  say(`Node ${node.ready.nodeName} is ready at ${node.ready.url}`);
  say(`Agents trust it by the thumbprint ${node.ready.thumbprint}`);
}

/** The first signal asks for an orderly stop; a second one ends the process at once, which the cluster is built to survive. */
function watchSignals(): { first: Promise<void>; received(): boolean } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let count = 0;
  const onSignal = (): void => {
    count += 1;
    if (count > 1) process.exit(exitCodes.stoppedAtOnce);
    complain("Stopping; a second signal ends it at once.");
    resolve();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
  return { first: promise, received: () => count > 0 };
}

async function stopInTime(node: ServerNode, limitMs: number): Promise<number> {
  const timer = setTimeout(() => {
    complain(
      `The node did not stop within ${limitMs / 1000} s and is ended. Nothing is lost: another node, or this one at its next start, goes on with its tasks.`,
    );
    // Not exit(): it waits for threads, and one that hangs in a file server's answer may be why we are here.
    process.kill(process.pid, "SIGKILL");
  }, limitMs);
  try {
    await node.stop();
    return exitCodes.done;
  } finally {
    clearTimeout(timer);
  }
}

async function showMasterKey(flags: Flags & { format?: string }): Promise<number> {
  const config = settingsFrom(flags);
  const key = config.masterKey === undefined ? await readMasterKeyFile(config.home) : parseMasterKey(config.masterKey);
  if (key === undefined) {
    complain(
      `There is no master key in ${config.home} and MASTER_KEY is not set. A node makes one at its first start with a new database.`,
    );
    return exitCodes.failed;
  }
  say(flags.format === "json" ? JSON.stringify({ MasterKey: key.text }) : key.text);
  return exitCodes.done;
}

async function showThumbprint(flags: Flags & { format?: string }): Promise<number> {
  const config = settingsFrom(flags);
  return await explained(config, async () => {
    const { readThumbprint } = await import("./offline-commands.ts");
    const thumbprint = await readThumbprint(config);
    say(flags.format === "json" ? JSON.stringify({ Thumbprint: thumbprint }) : thumbprint);
  });
}

interface NodeFlags {
  drain?: string;
  wait?: string;
  cancelTasks?: boolean;
}

async function changeNode(flags: Flags & NodeFlags): Promise<number> {
  const config = settingsFrom(flags);
  const complaint = wrongNodeFlags(flags);
  if (complaint !== undefined) {
    complain(complaint);
    return exitCodes.wrongUse;
  }
  let code = exitCodes.done;
  const failed = await explained(config, async () => {
    const { changeNodeRecord } = await import("./offline-commands.ts");
    const change = {
      nodeName: config.nodeName,
      // Only as a word of this command: what the machine sets for its next start is no wish to change anything now.
      taskCap: flags.taskCap === undefined ? undefined : config.taskCap,
      drain: flags.drain === undefined ? undefined : flags.drain.toLowerCase() === "true",
      waitSeconds: Number(flags.wait ?? 0),
      cancelTasks: flags.cancelTasks === true,
    };
    const result = await changeNodeRecord(config, change, say);
    const { node } = result;
    say(`Node ${node.name} ${node.isInMaintenanceMode ? "is drained: it starts no task" : `runs up to ${node.taskCap} tasks at once`}.`);
    if (result.outcome !== "still-running") return;
    const hint = change.cancelTasks
      ? "They were asked to end and have not yet"
      : "Wait longer with --wait, or cancel them with --cancel-tasks";
    complain(`It still runs ${result.running.join(", ")}. ${hint}.`);
    code = exitCodes.failed;
  });
  return failed === exitCodes.done ? code : failed;
}

/** What is wrong with the words of the command `node`; undefined when nothing is. */
function wrongNodeFlags({ drain, wait, cancelTasks, taskCap }: Flags & NodeFlags): string | undefined {
  if (drain === undefined && taskCap === undefined) return "Say what to change: --taskCap=<number>, --drain=true or --drain=false.";
  if (drain !== undefined && !/^(true|false)$/i.test(drain)) return `--drain is true or false, not "${drain}".`;
  if (wait !== undefined && !(/^\d{1,6}$/.test(wait) && Number(wait) <= waitSecondsMax))
    return `--wait is a number of seconds up to ${waitSecondsMax}, not "${wait}".`;
  if ((wait !== undefined || cancelTasks === true) && drain?.toLowerCase() !== "true")
    return "--wait and --cancel-tasks only go with --drain=true.";
  return undefined;
}

async function changeDatabase(flags: Flags & { delete?: boolean }): Promise<number> {
  const config = settingsFrom(flags);
  if (flags.delete !== true) {
    complain(
      "Say what to do with the database: --delete removes the embedded one. It is made and brought up to date by cuttle-server run.",
    );
    return exitCodes.wrongUse;
  }
  return await explained(config, async () => {
    const { deleteDatabase } = await import("./offline-commands.ts");
    await deleteDatabase(config);
    say(`The embedded database of ${config.home} is deleted.`);
  });
}

/** Runs a command that uses the database; what goes wrong is told as at the start of a node. */
async function explained(config: ServerConfig, work: () => Promise<void>): Promise<number> {
  try {
    await work();
    return exitCodes.done;
  } catch (error) {
    const { explainStartFailure } = await import("./start-failure.ts");
    complain(explainStartFailure(error, config));
    return exitCodes.failed;
  }
}

async function showVersion(flags: { format?: string }): Promise<number> {
  const description = JSON.parse(await fs.readFile(new URL("package.json", import.meta.url), "utf8")) as { version: string };
  say(flags.format === "json" ? JSON.stringify({ Version: description.version }) : description.version);
  return exitCodes.done;
}

function addSettings(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) {
    const { flag, environment, value, says, secret } = settings[name];
    const better = secret ? `; better as variable, or as file with ${environment}_FILE` : "";
    command.addOption(new Option(`--${flag} <${value}>`, `${says} [${environment}${better}]`));
  }
  return command;
}

function commandLine(finish: (code: number) => void): Command {
  const program = new Command("cuttle-server")
    .description("One node of a Cuttle cluster. Every setting is a flag or the environment variable in brackets.")
    .exitOverride()
    .configureOutput({ writeOut: (text) => void process.stdout.write(text), writeErr: (text) => void process.stderr.write(text) });
  const format = new Option("--format <format>", "how to print it").choices(["text", "json"]).default("text");
  addSettings(program.command("run").description("start this node and keep it running"), Object.keys(settings) as SettingName[])
    .option("--ready-line", "when ready, print one line of JSON instead of sentences")
    .action(async (flags: Flags & { readyLine?: boolean }) => finish(await run(flags)));
  addSettings(program.command("show-master-key").description("print the master key this node uses"), ["home"])
    .addOption(format)
    .action(async (flags: Flags & { format?: string }) => finish(await showMasterKey(flags)));
  const ofDatabase: SettingName[] = ["home", "dbConnectionString", "masterKey", "pgBin", "serviceAccount"];
  addSettings(program.command("show-thumbprint").description("print the thumbprint by which agents know this cluster"), ofDatabase)
    .addOption(format)
    .action(async (flags: Flags & { format?: string }) => finish(await showThumbprint(flags)));
  addSettings(program.command("database").description("work on the cluster's database"), ofDatabase)
    .option("--delete", "end the embedded database of this home folder and remove everything in it")
    .action(async (flags: Flags & { delete?: boolean }) => finish(await changeDatabase(flags)));
  addSettings(program.command("node").description("change what a node may run, drain it before maintenance, and wait until it is empty"), [
    ...ofDatabase,
    "serverNodeName",
    "taskCap",
  ])
    .option(
      "--drain <true|false>",
      "true: it starts no task from now on, and load balancers send requests elsewhere; false: it works again",
    )
    .option("--wait <seconds>", "with --drain=true: how long to wait for the tasks it runs (default: 0)")
    .option("--cancel-tasks", "with --drain=true: cancel what still runs after the wait")
    .action(async (flags: Flags & NodeFlags) => finish(await changeNode(flags)));
  program
    .command("version")
    .description("print the version")
    .addOption(format)
    .action(async (flags: { format?: string }) => finish(await showVersion(flags)));
  return program;
}

async function main(words: string[]): Promise<number> {
  // Whoever reads our output may go away first; that is no reason to stop serving.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
  // The process is in an unknown state: end it, its tasks go on elsewhere when their leases end.
  process.on("uncaughtException", (error) => {
    complain(`The node ends because of a fault of its own: ${error.stack ?? error.message}`);
    process.exit(exitCodes.failed);
  });
  let code: number = exitCodes.done;
  try {
    await commandLine((result) => (code = result)).parseAsync(words, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUse;
    if (error instanceof ConfigProblem) {
      for (const fault of error.faults) complain(fault);
      return exitCodes.wrongUse;
    }
    if (error instanceof MasterKeyProblem) {
      complain(error.message);
      return exitCodes.failed;
    }
    throw error;
  }
  return code;
}

process.exit(await main(process.argv.slice(2)));
