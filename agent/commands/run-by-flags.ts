// Runs an agent whose settings are flags and environment variables instead of an instance's file, so that one command line starts one from
// nothing. Reads no environment by itself except through the names of its options.
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { type AgentSettings, defaultAgentName, type PolledServer, settingPrefix } from "../agent.ts";
import { createHome, hasIdentity, loadIdentity } from "../home/home.ts";
import { scriptLimitsDefault } from "../scripts/scripts.ts";
import type { CommandIo } from "./command-line.ts";

/** Where servers look for listening agents unless told otherwise. */
const portDefault = 10933;
/** Scripts at once that one server may have under way; each connection costs the server memory. */
const pollConnectionsMax = 32;

interface RunOptions {
  home: string;
  port: number;
  listenAddress: string;
  listen: boolean;
  trust: string[];
  poll: { host: string; port: number }[];
  subscription?: string;
  pollConnections: number;
  certificate?: string;
  key?: string;
  name: string;
  freeDiskMin: number;
  backgroundOutputWait: number;
  endWithInput?: boolean;
}

/** Whether the words or the environment hold settings of this form. */
export function usesFlags(words: readonly string[], environment: NodeJS.ProcessEnv): boolean {
  if (words.some((word) => /^--(instance|config)(=|$)/i.test(word))) return false;
  if (Object.keys(environment).some((name) => name.startsWith(settingPrefix))) return true;
  return words.some((word) => ownFlags.includes(word.split("=")[0]!));
}

const ownFlags = [
  "--home",
  "--port",
  "--listen-address",
  "--trust",
  "--poll",
  "--subscription",
  "--poll-connections",
  "--no-listen",
  "--certificate",
  "--key",
  "--name",
  "--free-disk-min",
  "--background-output-wait",
  "--end-with-input",
];

/** Runs `run` or `show-thumbprint`. Throws with a sentence for the operator. */
export async function runByFlags(words: readonly string[], io: CommandIo): Promise<void> {
  await describeFlags(io).parseAsync(words, { from: "user" });
}

function describeFlags(io: CommandIo): Command {
  const program = new Command(io.programName)
    .description("Runs deployment scripts on this machine for the servers it trusts.")
    .helpOption("--help", "print this help")
    .showHelpAfterError("(cuttle-agent help lists the commands and their options)");

  program
    .command("run")
    .description(
      "listen for servers and run their scripts, until SIGTERM or Ctrl-C; running scripts then go on and are followed after the next start",
    )
    .addOption(homeOption())
    .addOption(setting("--port <number>", "PORT", "port to listen on; 0 lets the system choose").default(portDefault).argParser(parsePort))
    .addOption(setting("--listen-address <address>", "LISTEN_ADDRESS", "address to listen on").default("0.0.0.0"))
    .addOption(
      setting("--trust <thumbprint>", "TRUST", "thumbprint of a server that may give commands; repeat it, or separate several by commas")
        .default([], "none")
        .argParser(parseThumbprints),
    )
    .addOption(
      setting(
        "--poll <host:port>",
        "POLL",
        "server to ask for work, with --subscription and one --trust; repeat it for each node of a cluster",
      )
        .default([], "none")
        .argParser(parseServers),
    )
    .addOption(
      setting("--subscription <uri>", "SUBSCRIPTION", "what this agent is registered as with those servers, such as poll://abc123/"),
    )
    .addOption(
      setting("--poll-connections <number>", "POLL_CONNECTIONS", "connections to each server that is polled")
        .default(1)
        .argParser(parseConnections),
    )
    .addOption(new Option("--no-listen", "only poll: open no port"))
    .addOption(certificateOption())
    .addOption(keyOption())
    .addOption(nameOption())
    .addOption(
      setting("--free-disk-min <megabytes>", "FREE_DISK_MIN", "refuse scripts when less disk space is free below the home")
        .default(Math.round(scriptLimitsDefault.freeDiskBytesMin / 1024 / 1024))
        .argParser(parseCount),
    )
    .addOption(
      setting(
        "--background-output-wait <seconds>",
        "BACKGROUND_OUTPUT_WAIT",
        "how long a script's children may hold its output after it has ended",
      )
        .default(scriptLimitsDefault.backgroundOutputWaitMs / 1000)
        .argParser(parseCount),
    )
    .addOption(new Option("--end-with-input", "stop when standard input ends, as it does when the program that started this agent dies"))
    .addHelpText(
      "after",
      "\nAn instance with a settings file runs instead with --instance=NAME or --config=FILE, or when it is there and nothing of the above is given.",
    )
    .action((options: RunOptions) => run(options, io));

  program
    .command("show-thumbprint")
    .description(
      "print the thumbprint of this agent's certificate, which the server must be told; makes the certificate when there is none",
    )
    .addOption(homeOption())
    .addOption(certificateOption())
    .addOption(keyOption())
    .addOption(nameOption())
    .action(async (options: RunOptions) => {
      const home = resolve(options.home);
      await createHome(home);
      const identity = await loadIdentity(home, identityFiles(options), options.name);
      io.say(identity.thumbprint);
    });
  return program;
}

async function run(options: RunOptions, io: CommandIo): Promise<void> {
  const home = resolve(options.home);
  const poll = polledServers(options);
  if (!options.listen && poll.length === 0) throw new Error("With --no-listen the agent needs a server to poll: give --poll <host:port>.");
  if (options.trust.length === 0)
    io.complain("No server is trusted, so every connection will be refused. Name servers with --trust <thumbprint>.");
  if (identityFiles(options) === undefined && !hasIdentity(home)) {
    // Making a certificate loads 15 MB of code that is never needed again: a process of its own takes it away with it.
    const [file, ...words] = io.program;
    spawnSync(file!, [...words, "show-thumbprint", "--home", home, "--name", options.name], { stdio: "ignore" });
  }
  const settings: AgentSettings = {
    home,
    name: options.name,
    listen: options.listen ? { host: options.listenAddress, port: options.port } : null,
    trust: options.trust,
    poll,
    // What ends with the program that started it is that program's alone.
    learnsAddresses: options.endWithInput !== true,
    identity: identityFiles(options),
    version: io.version,
    applications: join(home, "Applications"),
    instance: options.name,
    proxy: null,
    limits: { freeDiskBytesMin: options.freeDiskMin * 1024 * 1024, backgroundOutputWaitMs: options.backgroundOutputWait * 1000 },
    environment: io.environment,
    report: io.complain,
  };
  await io.serve(settings, { endsWithInput: options.endWithInput === true });
}

function polledServers({ poll, subscription, trust, pollConnections }: RunOptions): PolledServer[] {
  if (poll.length === 0) return [];
  if (subscription === undefined) throw new Error("--poll needs --subscription, the name under which the server knows this agent.");
  const [thumbprint, ...more] = trust;
  if (thumbprint === undefined || more.length > 0)
    throw new Error("--poll needs one --trust: the thumbprint that all polled servers show, which are nodes of one cluster.");
  return poll.map(({ host, port }) => ({ host, port, thumbprint, subscription, connections: pollConnections }));
}

function homeOption(): Option {
  const home = process.getuid?.() === 0 ? "/var/lib/cuttle-agent" : join(homedir(), ".cuttle-agent");
  return setting("--home <folder>", "HOME", "folder for tickets, workspaces and the certificate").default(home);
}

function certificateOption(): Option {
  return setting(
    "--certificate <file>",
    "CERTIFICATE",
    "PEM file of the certificate to show, together with --key; default: one of its own, made at the first start",
  );
}

function keyOption(): Option {
  return setting("--key <file>", "KEY", "PEM file of the certificate's private key");
}

function nameOption(): Option {
  return setting("--name <name>", "NAME", "the agent's name, for scripts and for a new certificate").default(
    defaultAgentName(),
    "the host's name",
  );
}

/** An option that can also come from the environment. */
function setting(flags: string, variable: string, description: string): Option {
  return new Option(flags, description).env(settingPrefix + variable);
}

function identityFiles({ certificate, key }: RunOptions): { certificate: string; key: string } | undefined {
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) throw new Error("--certificate and --key belong together: give both or none.");
  return { certificate: resolve(certificate), key: resolve(key) };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new InvalidArgumentError("A port is a number from 0 to 65535.");
  return port;
}

function parseServers(text: string, before: { host: string; port: number }[]): { host: string; port: number }[] {
  const servers = text
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const parts = /^(?:https:\/\/)?(\[[0-9a-f:.]+\]|[a-z0-9.-]+):(\d{1,5})\/?$/i.exec(part.trim());
      if (parts === null || Number(parts[2]) > 65535 || Number(parts[2]) === 0)
        throw new InvalidArgumentError(`"${part}" is no server; write it as host:port, such as cuttle.example.com:10943.`);
      return { host: parts[1]!.replace(/^\[|\]$/g, ""), port: Number(parts[2]) };
    });
  return [...before, ...servers];
}

function parseConnections(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > pollConnectionsMax)
    throw new InvalidArgumentError(`Give a number from 1 to ${pollConnectionsMax}.`);
  return count;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isFinite(count) || count < 0) throw new InvalidArgumentError("Give a number of 0 or more.");
  return count;
}

function parseThumbprints(text: string, before: string[]): string[] {
  const thumbprints = text
    .split(",")
    .map((part) => part.replace(/[\s:]/g, "").toUpperCase())
    .filter((part) => part !== "");
  for (const thumbprint of thumbprints) {
    if (!/^[0-9A-F]{40}$/.test(thumbprint))
      throw new InvalidArgumentError(`"${thumbprint}" is no thumbprint; it has 40 hexadecimal digits.`);
  }
  return [...before, ...thumbprints];
}
