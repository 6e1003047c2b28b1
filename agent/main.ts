// The agent's command line: turns flags and environment variables into settings, starts and stops. The only file of the agent
// that reads the environment, prints, or ends the process.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { defaultAgentName, type PolledServer, settingPrefix, startAgent } from "./agent.ts";
import { createHome, hasIdentity, loadIdentity } from "./home/home.ts";
import { scriptLimitsDefault } from "./scripts/scripts.ts";

/** Where servers look for listening agents unless told otherwise. */
const portDefault = 10933;
/** Scripts at once that one server may have under way; each connection costs the server memory. */
const pollConnectionsMax = 32;
/** A stop that takes longer is cut short; running scripts are not touched either way. */
const stopMsMax = 5000;

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
}

const version = (JSON.parse(readFileSync(new URL("./package.json", import.meta.url), "utf8")) as { version: string }).version;

const program = new Command("cuttle-agent")
  .description("Runs deployment scripts on this machine for the servers it trusts.")
  .version(version, "--version", "print the version")
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
  .addOption(setting("--subscription <uri>", "SUBSCRIPTION", "what this agent is registered as with those servers, such as poll://abc123/"))
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
  .action(run);

program
  .command("show-thumbprint")
  .description("print the thumbprint of this agent's certificate, which the server must be told; makes the certificate when there is none")
  .addOption(homeOption())
  .addOption(certificateOption())
  .addOption(keyOption())
  .addOption(nameOption())
  .action(async (options: RunOptions) => {
    const home = resolve(options.home);
    await createHome(home);
    const identity = await loadIdentity(home, identityFiles(options), options.name);
    process.stdout.write(`${identity.thumbprint}\n`);
  });

program
  .command("version")
  .description("print the version")
  .action(() => {
    process.stdout.write(`${version}\n`);
  });

async function run(options: RunOptions): Promise<void> {
  if (process.platform !== "linux") throw new Error(`The agent runs on Linux; this is ${process.platform}.`);
  const home = resolve(options.home);
  const poll = polledServers(options);
  if (!options.listen && poll.length === 0) throw new Error("With --no-listen the agent needs a server to poll: give --poll <host:port>.");
  if (options.trust.length === 0)
    report("No server is trusted, so every connection will be refused. Name servers with --trust <thumbprint>.");
  if (identityFiles(options) === undefined && !hasIdentity(home)) {
    // Making a certificate loads 15 MB of code that is never needed again: a process of its own takes it away with it.
    spawnSync(process.execPath, [process.argv[1]!, "show-thumbprint", "--home", home, "--name", options.name], { stdio: "ignore" });
  }
  const agent = await startAgent({
    home,
    name: options.name,
    listen: options.listen ? { host: options.listenAddress, port: options.port } : null,
    trust: options.trust,
    poll,
    identityFiles: identityFiles(options),
    version,
    limits: { freeDiskBytesMin: options.freeDiskMin * 1024 * 1024, backgroundOutputWaitMs: options.backgroundOutputWait * 1000 },
    environment: process.env,
    report,
  });
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(0), stopMsMax).unref();
    agent.stop().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  // For whoever started the agent: one line, when it can be called.
  const ready = {
    ready: true,
    thumbprint: agent.identity.thumbprint,
    port: agent.port,
    address: options.listen ? options.listenAddress : null,
    polls: poll.map((server) => `${server.host}:${server.port}`),
    name: options.name,
    home,
    version,
    pid: process.pid,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
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

function report(message: string): void {
  process.stderr.write(`${new Date().toISOString()} ${message.replace(/\s+/g, " ")}\n`);
}

function fail(error: unknown): never {
  const code = (error as NodeJS.ErrnoException).code;
  const hint =
    code === "EADDRINUSE"
      ? " Another program uses the port; choose one with --port."
      : code === "EACCES"
        ? " Check the permissions, or choose another folder with --home or port with --port."
        : "";
  process.stderr.write(`cuttle-agent: ${(error as Error).message}${hint}\n`);
  process.exit(1);
}

await program.parseAsync().catch(fail);
