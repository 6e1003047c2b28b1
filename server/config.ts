// The settings of a node: one table of names, read once from flags and environment into a typed value within limits. All faults are
// told at once. It opens nothing; files are read only where a setting names one.
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { ConnectionStringProblem, parseConnectionString } from "./connection-string.ts";
import type { ParsedConnection } from "./connection-string.ts";
import type { DatabaseConnection } from "./platform/database/database.ts";
import { MasterKeyProblem, parseMasterKey } from "./platform/secrets/secrets.ts";

const taskCapDefault = 5;
const taskCapMax = 1_000; // a node that should run more than this needs neighbours, not a bigger number
const stopDelayDefault = 0; // who stands behind a balancer sets what that needs to notice
const stopDelayMax = 300;
const webListenPrefixesDefault = "http://localhost:8065";
const commsListenPortDefault = 10_943; // where agents that poll expect a server
const nodeNameCharactersMax = 50; // part of the name each database session shows, which ends after 63
const hostCharactersMax = 253; // of the longest name that the domain name system knows
const builtInWorkerModes = ["auto", "true", "false"] as const;
const logLevels = ["error", "warn", "info", "debug", "silent"] as const;
const secretFileBytesMax = 64 * 1024;
const passwordCharactersMax = 1_000;

/** A setting. `flag` and `environment` are its two names; a secret may also come from a file named by `<environment>_FILE`. */
export interface Setting {
  flag: string;
  environment: string;
  value: string;
  says: string;
  secret: boolean;
}

function setting(flag: string, environment: string, value: string, says: string): Setting {
  return { flag, environment, value, says, secret: false };
}

function secretSetting(flag: string, environment: string, value: string, says: string): Setting {
  return { flag, environment, value, says, secret: true };
}

export const settings = {
  home: setting("home", "CUTTLE_HOME", "folder", "where this node keeps its own files (default: ~/.cuttle, for root /var/lib/cuttle)"),
  serverNodeName: setting(
    "serverNodeName",
    "CUTTLE_SERVER_NODE_NAME",
    "name",
    "name of this node in the cluster (default: the machine's name)",
  ),
  webListenPrefixes: setting(
    "webListenPrefixes",
    "CUTTLE_WEB_LISTEN_PREFIXES",
    "urls",
    `where to answer HTTP, separated by commas; http://*:8080 for all addresses (default: ${webListenPrefixesDefault})`,
  ),
  commsListenPort: setting(
    "commsListenPort",
    "CUTTLE_COMMS_LISTEN_PORT",
    "port",
    `port for agents that connect to the server (default: ${commsListenPortDefault})`,
  ),
  commsListenAddress: setting(
    "commsListenAddress",
    "CUTTLE_COMMS_LISTEN_ADDRESS",
    "address",
    "address to listen on for agents that connect to the server, * for all (default: *)",
  ),
  commsAddress: setting(
    "commsAddress",
    "CUTTLE_COMMS_ADDRESS",
    "host",
    "host, or host:port, at which agents that connect to the server reach this node; agents that joined earlier learn it. none: they are not told (default: the machine's name, or the address of --commsListenAddress; none if that is on loopback)",
  ),
  clusterShared: setting(
    "clusterShared",
    "CUTTLE_CLUSTER_SHARED",
    "folder",
    "folder that all nodes share, for task logs (default: shared in the home folder)",
  ),
  adoptSharedFolder: setting(
    "adoptSharedFolder",
    "CUTTLE_ADOPT_SHARED_FOLDER",
    "true|false",
    "use the folder of --clusterShared although the cluster has used another one, which is lost for good (default: false)",
  ),
  stopDelay: setting(
    "stopDelay",
    "CUTTLE_STOP_DELAY",
    "seconds",
    `how long this node still serves requests after it has told load balancers that it stops (default: ${stopDelayDefault})`,
  ),
  taskCap: setting(
    "taskCap",
    "CUTTLE_TASK_CAP",
    "number",
    `how many tasks this node runs at once, 0 for none (default: ${taskCapDefault})`,
  ),
  agentArchives: setting(
    "agentArchives",
    "CUTTLE_AGENT_ARCHIVES",
    "folder",
    "where the archives of the agent lie that this node hands out to new machines (default: agents in the home folder, or beside the program)",
  ),
  logLevel: setting(
    "logLevel",
    "CUTTLE_LOG_LEVEL",
    "level",
    "how much the node says on standard error: error, warn, info, debug or silent (default: info)",
  ),
  shareDb: setting(
    "shareDb",
    "CUTTLE_SHARE_DB",
    "port",
    "let other nodes on this machine use the embedded database over this TCP port of 127.0.0.1",
  ),
  databaseFolder: setting(
    "databaseFolder",
    "CUTTLE_DATABASE_FOLDER",
    "folder",
    "folder of the embedded database; nodes of one machine that name the same one share it (default: database in the home folder)",
  ),
  pgBin: setting("pgBin", "PGBIN", "folder", "PostgreSQL programs to use for the embedded database instead of the packaged ones"),
  serviceAccount: setting(
    "serviceAccount",
    "CUTTLE_SERVICE_ACCOUNT",
    "name",
    "account that runs the embedded database when the server runs as root (default: cuttle if it exists, else nobody)",
  ),
  builtInWorker: setting(
    "builtInWorker",
    "CUTTLE_BUILT_IN_WORKER",
    "auto|true|false",
    "whether this node runs scripts of steps that run on the server: auto under an account of their own, which only root can give them; true even under the server's account (default: auto)",
  ),
  dbConnectionString: secretSetting(
    "dbConnectionString",
    "DB_CONNECTION_STRING",
    "text",
    "PostgreSQL 15 or newer to use instead of the embedded database",
  ),
  masterKey: secretSetting("masterKey", "MASTER_KEY", "base64", "master key of the cluster (default: kept in the home folder)"),
  adminUsername: setting("adminUsername", "ADMIN_USERNAME", "name", "administrator to make or update at start"),
  adminEmail: setting("adminEmail", "ADMIN_EMAIL", "address", "mail address of that administrator"),
  adminPassword: secretSetting("adminPassword", "ADMIN_PASSWORD", "text", "password of that administrator"),
  adminApiKey: secretSetting(
    "adminApiKey",
    "ADMIN_API_KEY",
    "key",
    "API key of that administrator, API- and 16 to 60 upper-case letters and digits",
  ),
} as const;

export type SettingName = keyof typeof settings;

/** A connection as the driver takes it; `ssl` only where the connection string asks for it. */
export type ExternalConnection = DatabaseConnection & {
  ssl?: { rejectUnauthorized: boolean; ca?: string; checkServerIdentity?: () => undefined };
};

export type DatabaseConfig =
  | { kind: "external"; connection: ExternalConnection }
  /** The fields are the options of startEmbeddedPostgres. */
  | {
      kind: "embedded";
      dataRoot: string;
      programsFolder: string | undefined;
      sharePort: number | undefined;
      serviceAccount: string | undefined;
    };

export interface WebAddress {
  /** An address or name to bind; undefined means every address. */
  host: string | undefined;
  /** 0 lets the system choose. */
  port: number;
}

/** Everything a node needs to know before it starts. Holds secrets: never log it whole. */
export interface ServerConfig {
  /** Absolute folder of this node alone. */
  home: string;
  nodeName: string;
  web: readonly WebAddress[];
  /** The same as text, checked, as the HTTP server takes it. */
  webListenPrefixes: string;
  /** 0 lets the system choose. */
  commsPort: number;
  /** An address or name to bind for agents; undefined means every address. */
  commsHost: string | undefined;
  /** Where polling agents reach this node, without a port at the one it listens on; undefined when they are not told. */
  commsAddress: { host: string; port: number | undefined } | undefined;
  /** Absolute folder that all nodes share. */
  sharedFolder: string;
  /** True when the operator said that the cluster shall use this folder from now on. */
  adoptSharedFolder: boolean;
  stopDelayMs: number;
  taskCap: number;
  /** Folder with the archives of the agent; undefined takes the usual places. */
  agentArchives: string | undefined;
  logLevel: (typeof logLevels)[number];
  /** True when the operator named the cap, so that it replaces what the cluster remembers. */
  taskCapGiven: boolean;
  /** `auto`: only under an account of its own; `true`: under the server's one too; `false`: never. */
  builtInWorker: (typeof builtInWorkerModes)[number];
  database: DatabaseConfig;
  masterKey: string | undefined;
  administrator: { username: string | undefined; email: string | undefined; password: string | undefined; apiKey: string | undefined };
}

/** The settings are wrong; one sentence for each fault, none of them showing a secret. */
export class ConfigProblem extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.name = "ConfigProblem";
    this.faults = faults;
  }
}

export interface ConfigSources {
  /** By setting name, as given on the command line. */
  flags: Partial<Record<SettingName, string>>;
  environment: NodeJS.ProcessEnv;
  /** Tells about a setting that works but should be given otherwise. */
  warn: (sentence: string) => void;
}

/** Reads all settings. A flag wins over the environment, the environment over a file. Throws ConfigProblem with all faults. */
export function readConfig(sources: ConfigSources): ServerConfig {
  const faults: string[] = [];
  const given = {} as Record<SettingName, string | undefined>;
  for (const name of Object.keys(settings) as SettingName[]) given[name] = readSetting(name, sources, faults);
  warnOfUnknown(sources);

  const home = path.resolve(given.home ?? defaultHome(sources.environment));
  const nodeName = checkNodeName(given.serverNodeName ?? os.hostname(), faults);
  const web = checkPrefixes(given.webListenPrefixes ?? webListenPrefixesDefault, faults);
  const config: ServerConfig = {
    home,
    nodeName,
    web: web.map(({ host, port }) => ({ host, port })),
    webListenPrefixes: web.map((address) => address.prefix).join(","),
    commsPort: checkNumber("commsListenPort", given.commsListenPort, { min: 0, max: 65_535, fallback: commsListenPortDefault }, faults),
    commsHost: checkCommsAddress(given.commsListenAddress ?? "*", faults),
    commsAddress: checkToldAddress(given.commsAddress, given.commsListenAddress ?? "*", faults),
    sharedFolder: path.resolve(given.clusterShared ?? path.join(home, "shared")),
    adoptSharedFolder: checkSwitch("adoptSharedFolder", given.adoptSharedFolder, faults),
    stopDelayMs: 1_000 * checkNumber("stopDelay", given.stopDelay, { min: 0, max: stopDelayMax, fallback: stopDelayDefault }, faults),
    taskCap: checkNumber("taskCap", given.taskCap, { min: 0, max: taskCapMax, fallback: taskCapDefault }, faults),
    taskCapGiven: given.taskCap !== undefined,
    agentArchives: given.agentArchives === undefined ? undefined : path.resolve(given.agentArchives),
    logLevel: checkLogLevel(given.logLevel, faults),
    builtInWorker: checkBuiltInWorker(given.builtInWorker, faults),
    database: checkDatabase(given, home, faults),
    masterKey: checkMasterKey(given.masterKey, faults),
    administrator: checkAdministrator(given, faults),
  };
  if (faults.length > 0) throw new ConfigProblem(faults);
  return config;
}

function checkLogLevel(given: string | undefined, faults: string[]): ServerConfig["logLevel"] {
  const level = logLevels.find((known) => known === (given ?? "info").toLowerCase());
  if (level === undefined) faults.push(`${nameOf("logLevel")} is "${shown(given ?? "")}"; it is one of ${logLevels.join(", ")}.`);
  return level ?? "info";
}

function checkBuiltInWorker(given: string | undefined, faults: string[]): ServerConfig["builtInWorker"] {
  const mode = builtInWorkerModes.find((known) => known === (given ?? "auto").trim().toLowerCase());
  if (mode === undefined) faults.push(`${nameOf("builtInWorker")} is ${builtInWorkerModes.join(", ")}, not "${shown(given ?? "")}".`);
  return mode ?? "auto";
}

/** Both names of a setting, for messages. */
function nameOf(name: SettingName): string {
  return `--${settings[name].flag} (${settings[name].environment})`;
}

function readSetting(name: SettingName, sources: ConfigSources, faults: string[]): string | undefined {
  const { flag, environment, secret } = settings[name];
  const fromFlag = sources.flags[name];
  if (fromFlag !== undefined) {
    if (secret) {
      sources.warn(
        `--${flag} shows its value to everybody who can list the processes of this machine; set ${environment}, or ${environment}_FILE to a file that holds it.`,
      );
    }
    return fromFlag;
  }
  const fromEnvironment = sources.environment[environment];
  // Container tools set what nobody filled in to the empty text.
  if (fromEnvironment !== undefined && fromEnvironment !== "") return fromEnvironment;
  const file = secret ? sources.environment[`${environment}_FILE`] : undefined;
  if (file === undefined || file === "") return undefined;
  try {
    if (fs.statSync(file).size > secretFileBytesMax) throw new Error("it is too large");
    return fs.readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    faults.push(
      `${environment}_FILE names ${file}, which cannot be read (${(error as NodeJS.ErrnoException).code ?? (error as Error).message}).`,
    );
    return undefined;
  }
}

function warnOfUnknown(sources: ConfigSources): void {
  const known = new Set(Object.values(settings).map((one) => one.environment));
  for (const name of Object.keys(sources.environment)) {
    if (!name.startsWith("CUTTLE_") || name.startsWith("CUTTLE_TEST_") || known.has(name.replace(/_FILE$/, "")) || known.has(name))
      continue;
    sources.warn(`${name} is not a setting of this server; "cuttle-server run --help" lists them.`);
  }
}

function defaultHome(environment: NodeJS.ProcessEnv): string {
  if (process.platform === "win32") return path.join(environment["ProgramData"] ?? "C:\\ProgramData", "Cuttle");
  return process.getuid?.() === 0 ? "/var/lib/cuttle" : path.join(os.homedir(), ".cuttle");
}

function checkNumber(
  name: SettingName,
  text: string | undefined,
  limits: { min: number; max: number; fallback: number },
  faults: string[],
): number {
  if (text === undefined) return limits.fallback;
  const number = /^\d{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (number >= limits.min && number <= limits.max) return number;
  faults.push(`${nameOf(name)} must be a number from ${limits.min} to ${limits.max}, not "${shown(text)}".`);
  return limits.fallback;
}

function checkSwitch(name: SettingName, text: string | undefined, faults: string[]): boolean {
  const word = (text ?? "false").trim().toLowerCase();
  if (word !== "true" && word !== "false") faults.push(`${nameOf(name)} is true or false, not "${shown(text ?? "")}".`);
  return word === "true";
}

function checkNodeName(text: string, faults: string[]): string {
  const name = text.trim();
  if (/^[A-Za-z0-9][A-Za-z0-9 ._-]*$/.test(name) && name.length <= nodeNameCharactersMax) return name;
  faults.push(
    `${nameOf("serverNodeName")} must be 1 to ${nodeNameCharactersMax} letters, digits, spaces, dots, hyphens or underscores, not "${shown(text)}".`,
  );
  return "node";
}

function checkCommsAddress(text: string, faults: string[]): string | undefined {
  const address = text.trim();
  if (address === "*") return undefined;
  if (address.toLowerCase() === "localhost") return "127.0.0.1";
  if (/^([a-z0-9.-]+|\[?[0-9a-f:.]+\]?)$/i.test(address)) return address.replace(/^\[|\]$/g, "");
  faults.push(`${nameOf("commsListenAddress")} must be an address of this machine or *, not "${shown(text)}".`);
  return undefined;
}

/** What agents are told. Where it was not given, what is likely right for machines elsewhere; loopback never is. */
function checkToldAddress(text: string | undefined, listensOn: string, faults: string[]): ServerConfig["commsAddress"] {
  if (text === undefined) {
    const everywhere = ["*", "0.0.0.0", "::", "[::]"].includes(listensOn.trim());
    const host = everywhere ? os.hostname() : listensOn.trim().replace(/^\[|\]$/g, "");
    return /^(localhost(\..*)?|127\..*|::1)$/i.test(host) || !isHost(host) ? undefined : { host: host.toLowerCase(), port: undefined };
  }
  const address = text.trim();
  if (address.toLowerCase() === "none") return undefined;
  const parts = net.isIPv6(address) ? [address, address, undefined] : /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(address);
  const host = parts?.[1]?.replace(/^\[|\]$/g, "") ?? "";
  const port = parts?.[2] === undefined ? undefined : Number(parts[2]);
  if (isHost(host) && (port === undefined || (port > 0 && port <= 65_535))) return { host: host.toLowerCase(), port };
  faults.push(
    `${nameOf("commsAddress")} must be a host or host:port under which agents reach this node, such as node-2.example.com:10943, or none, not "${shown(text)}".`,
  );
  return undefined;
}

function isHost(text: string): boolean {
  return net.isIPv6(text) || (text.length <= hostCharactersMax && /^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?$/i.test(text));
}

function checkPrefixes(text: string, faults: string[]): (WebAddress & { prefix: string })[] {
  const addresses: (WebAddress & { prefix: string })[] = [];
  const faultsBefore = faults.length;
  for (const prefix of text.split(/[,;]/).map((one) => one.trim())) {
    if (prefix === "") continue;
    const parts = /^(https?):\/\/(\*|\+|\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(\d{1,5}))?(\/[^?#\s]*)?$/i.exec(prefix);
    const port = Number(parts?.[3] ?? 80);
    if (parts === null) {
      faults.push(`${nameOf("webListenPrefixes")} holds "${shown(prefix)}", which is not of the form http://host:port.`);
    } else if (parts[1]!.toLowerCase() === "https") {
      faults.push(
        `${nameOf("webListenPrefixes")} holds "${shown(prefix)}": HTTPS is not served by the node itself; let the load balancer do it and listen on http.`,
      );
    } else if (port > 65_535) {
      faults.push(`${nameOf("webListenPrefixes")} holds "${shown(prefix)}", whose port is above 65535.`);
    } else {
      // Bound by number: on some systems the name leads to ::1 first, where clients that use 127.0.0.1 do not look.
      const host = parts[2]!.toLowerCase() === "localhost" ? "127.0.0.1" : parts[2]!;
      addresses.push({
        host: host === "*" || host === "+" ? undefined : host.replace(/^\[|\]$/g, ""),
        port,
        prefix: `http://${host}:${port}${parts[4] ?? ""}`,
      });
    }
  }
  if (addresses.length === 0 && faults.length === faultsBefore) faults.push(`${nameOf("webListenPrefixes")} names no address.`);
  return addresses;
}

function checkDatabase(given: Record<SettingName, string | undefined>, home: string, faults: string[]): DatabaseConfig {
  const embedded: DatabaseConfig = {
    kind: "embedded",
    dataRoot: path.resolve(given.databaseFolder ?? path.join(home, "database")),
    programsFolder: given.pgBin === undefined ? undefined : path.resolve(given.pgBin),
    sharePort:
      given.shareDb === undefined ? undefined : checkNumber("shareDb", given.shareDb, { min: 1, max: 65_535, fallback: 1 }, faults),
    serviceAccount: given.serviceAccount,
  };
  if (given.dbConnectionString === undefined) return embedded;
  if (given.shareDb !== undefined)
    faults.push(
      `${nameOf("shareDb")} is for the embedded database, but ${nameOf("dbConnectionString")} names another one; give only one of them.`,
    );
  try {
    return { kind: "external", connection: connectionOf(parseConnectionString(given.dbConnectionString)) };
  } catch (error) {
    if (!(error instanceof ConnectionStringProblem)) throw error;
    faults.push(
      `${nameOf("dbConnectionString")} cannot be used: ${error.message}. Write it as postgres://user:password@host:5432/database or as Host=…;Port=5432;Database=…;Username=…;Password=….`,
    );
    return embedded;
  }
}

function connectionOf(parsed: ParsedConnection): ExternalConnection {
  if (parsed.tls === "off") return parsed.connection;
  const ssl: NonNullable<ExternalConnection["ssl"]> = { rejectUnauthorized: parsed.tls !== "encrypt" };
  if (parsed.tls === "verify") ssl.checkServerIdentity = () => undefined;
  if (parsed.tlsAuthorityFile !== undefined) {
    try {
      ssl.ca = fs.readFileSync(parsed.tlsAuthorityFile, "utf8");
    } catch (error) {
      throw new ConnectionStringProblem(
        `its sslrootcert ${parsed.tlsAuthorityFile} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`,
      );
    }
  }
  return { ...parsed.connection, ssl };
}

function checkMasterKey(text: string | undefined, faults: string[]): string | undefined {
  if (text === undefined) return undefined;
  try {
    return parseMasterKey(text).text;
  } catch (error) {
    if (!(error instanceof MasterKeyProblem)) throw error;
    faults.push(`${nameOf("masterKey")}: ${error.message}`);
    return undefined;
  }
}

function checkAdministrator(given: Record<SettingName, string | undefined>, faults: string[]): ServerConfig["administrator"] {
  const { adminUsername: username, adminEmail: email, adminPassword: password, adminApiKey: apiKey } = given;
  if (username !== undefined && !/^[^\s@][^\p{Cc}]{0,63}$/u.test(username)) {
    faults.push(`${nameOf("adminUsername")} must be 1 to 64 characters, not "${shown(username)}".`);
  }
  if (email !== undefined && !/^[^\s@]+@[^\s@]+$/.test(email))
    faults.push(`${nameOf("adminEmail")} must be a mail address, not "${shown(email)}".`);
  if (password !== undefined && password.length > passwordCharactersMax)
    faults.push(`${nameOf("adminPassword")} is longer than ${passwordCharactersMax} characters.`);
  if (apiKey !== undefined && !/^API-[A-Z0-9]{16,60}$/.test(apiKey)) {
    faults.push(`${nameOf("adminApiKey")} must be API- and 16 to 60 upper-case letters and digits.`);
  }
  return { username, email, password, apiKey };
}

/** A value in a message: short, on one line. */
function shown(text: string): string {
  const line = text.replace(/\p{Cc}/gu, " ");
  return line.length > 80 ? `${line.slice(0, 80)}…` : line;
}
