// Prepares where the embedded database lives: account, folders, programs, passwords, socket folder. It starts nothing.
import crypto from "node:crypto";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { canReach, chooseDatabaseAccount, makePrivateFolder } from "./embedded-postgres-account.ts";
import type { DatabaseAccount } from "./embedded-postgres-account.ts";
import {
  findPackagedBinaries,
  installPackagedBinaries,
  operatorBinaries,
  packagedBinariesName,
  queryMajorVersion,
} from "./embedded-postgres-binaries.ts";
import type { PostgresPrograms } from "./embedded-postgres-binaries.ts";
import { EmbeddedPostgresError } from "./embedded-postgres-errors.ts";

const socketPathBytesMax = process.platform === "linux" ? 107 : 103; // sun_path of the kernel, without the closing zero
const socketPort = 5432; // only part of the socket's file name while TCP is off
const windowsPort = 18_432; // Windows has no private unix sockets; below 32768, where outgoing connections start
const rootFallbackFolder = "/var/lib/cuttle/embedded-postgres";
const majorVersionMin = 15; // what this program's SQL needs

/** Small and steady rather than fast under load: a cluster that needs more brings its own PostgreSQL. */
const serverSettings: Readonly<Record<string, string>> = {
  shared_buffers: "32MB",
  max_connections: "100",
  huge_pages: "off",
  jit: "off",
  max_wal_size: "256MB",
  min_wal_size: "32MB",
  max_wal_senders: "0",
  max_parallel_workers: "0",
  max_parallel_workers_per_gather: "0",
  max_logical_replication_workers: "0",
  autovacuum_max_workers: "2",
  password_encryption: "scram-sha-256",
  timezone: "UTC",
  log_timezone: "UTC",
  logging_collector: "off",
  // Statements and the values in error details may be secrets: the log holds only what the server says about itself.
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_statement: "none",
  log_checkpoints: "off",
};
const settingsSince18: Readonly<Record<string, string>> = { io_method: "sync" }; // saves three worker processes

export interface LaunchLog {
  info(message: string): void;
  warn(message: string): void;
}

export interface PlaceOptions {
  /** Absolute folder that holds (or will hold) the database. Made when missing. */
  dataRoot: string;
  log: LaunchLog;
  /** Folder with `postgres` and `initdb` to use instead of the packaged ones (setting PGBIN). */
  programsFolder?: string | undefined;
  /** Account to run as when we are root. Default: `cuttle` when it exists, else `nobody`. */
  serviceAccount?: string | undefined;
  /** TCP port on 127.0.0.1 for other nodes of this machine; without it there is only the unix socket. */
  sharePort?: number | undefined;
  /** Further server settings (tests switch fsync off). */
  settings?: Readonly<Record<string, string>> | undefined;
}

/** Where the server answers. `socketFolder` is undefined where there are no private unix sockets (Windows). */
export interface WayIn {
  socketFolder: string | undefined;
  port: number;
  listenOnTcp: boolean;
}

export interface Place {
  account: DatabaseAccount;
  programs: PostgresPrograms;
  major: number;
  folder: string;
  dataFolder: string;
  logFile: string;
  wayIn: WayIn;
  credentials: Credentials;
  settings: Readonly<Record<string, string>>;
}

export interface Credentials {
  version: 1;
  adminPassword: string;
  ownerPassword: string;
}

/** Makes or finds everything the server needs. Safe to run by several launchers at once. Errors: EmbeddedPostgresError. */
export async function preparePlace(options: PlaceOptions): Promise<Place> {
  if (!path.isAbsolute(options.dataRoot))
    throw new EmbeddedPostgresError("folder-unusable", `The data root must be an absolute path, not ${options.dataRoot}`);
  const account = await chooseDatabaseAccount(options.serviceAccount);
  if (account === undefined) {
    const wanted =
      options.serviceAccount === undefined ? "neither an account named cuttle nor nobody" : `no account named ${options.serviceAccount}`;
    throw new EmbeddedPostgresError(
      "folder-unusable",
      `PostgreSQL does not run as root, and this machine has ${wanted}; make one or start as an ordinary user`,
    );
  }
  return await orFolderProblem(options.dataRoot, async () => {
    const location = await chooseLocation(account, options.dataRoot, options.log);
    const programs = await findPrograms(options.programsFolder, location);
    const major = await queryMajorVersion(programs).catch((error: unknown) => {
      throw new EmbeddedPostgresError("programs-unusable", `Cannot run ${programs.postgres}: ${(error as Error).message}`, error);
    });
    if (major < majorVersionMin) {
      throw new EmbeddedPostgresError(
        "programs-unusable",
        `${programs.postgres} is PostgreSQL ${major}; this server needs ${majorVersionMin} or newer`,
      );
    }
    await refuseOtherMajor(location, major);
    const folder = path.join(location, `postgres-${major}`);
    await makeReachableFolder(account, folder);
    const onWindows = process.platform === "win32";
    const port = options.sharePort ?? (onWindows ? windowsPort : socketPort);
    return {
      account,
      programs,
      major,
      folder,
      dataFolder: path.join(folder, "data"),
      logFile: path.join(folder, "server.log"),
      wayIn: {
        socketFolder: onWindows ? undefined : await chooseSocketFolder(account, folder, port),
        port,
        listenOnTcp: onWindows || options.sharePort !== undefined,
      },
      credentials: await readOrMakeCredentials(folder),
      settings: { ...serverSettings, ...(major >= 18 ? settingsSince18 : {}), ...options.settings },
    };
  });
}

/** Turns the operating system's complaints about folders into one sentence that names the setting. */
export async function orFolderProblem<T>(dataRoot: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (error instanceof EmbeddedPostgresError || code === undefined) throw error;
    const where = (error as NodeJS.ErrnoException).path ?? dataRoot;
    if (code === "ENOSPC" || code === "EDQUOT") {
      throw new EmbeddedPostgresError(
        "disk-full",
        `The disk with ${where} is full; free some space or choose another folder with --home`,
        error,
      );
    }
    throw new EmbeddedPostgresError(
      "folder-unusable",
      `Cannot use ${where} for the embedded database (${code}); give the account that runs the server access, or choose another folder with --home`,
      error,
    );
  }
}

/**
 * The data root itself, or, when we are root and the database's account cannot walk into it (a clone under /root, say), a folder of
 * the system whose name is noted in `<dataRoot>/moved-to`.
 */
async function chooseLocation(account: DatabaseAccount, dataRoot: string, log: LaunchLog): Promise<string> {
  await makeReachableFolder(account, dataRoot);
  const note = path.join(dataRoot, "moved-to");
  const noted = await fs.readFile(note, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (noted !== undefined) {
    const location = noted.trim();
    if (!path.isAbsolute(location))
      throw new EmbeddedPostgresError("folder-unusable", `${note} should hold the absolute path of the database's folder`);
    await makeReachableFolder(account, location);
    return location;
  }
  if (await canReach(account, dataRoot)) return dataRoot;
  const fresh = path.join(rootFallbackFolder, crypto.randomBytes(8).toString("hex"));
  await makeReachableFolder(account, fresh);
  if (!(await canReach(account, fresh))) {
    throw new EmbeddedPostgresError(
      "folder-unusable",
      `The account ${account.name}, which runs PostgreSQL when the server runs as root, may enter neither ${dataRoot} nor ${fresh}; choose another folder with --home`,
    );
  }
  const location = (await writeOnce(note, fresh)).trim();
  if (location === fresh) log.info(`the account ${account.name} may not enter ${dataRoot}; the database's folder is ${fresh}`);
  return location;
}

/** mkdir -p, where the folders we make may be walked through (not listed) by the database's account. */
async function makeReachableFolder(account: DatabaseAccount, folder: string): Promise<void> {
  const firstMade = await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  if (firstMade === undefined || !account.switched) return;
  for (let current = folder; current.length >= firstMade.length; current = path.dirname(current)) await fs.chmod(current, 0o711);
}

async function findPrograms(operatorFolder: string | undefined, location: string): Promise<PostgresPrograms> {
  if (operatorFolder !== undefined) return operatorBinaries(operatorFolder);
  const packaged = await findPackagedBinaries();
  if (packaged === undefined) {
    throw new EmbeddedPostgresError(
      "programs-missing",
      `There is no packaged PostgreSQL for this machine (${packagedBinariesName()} is not installed); set PGBIN to the folder of a PostgreSQL 15 or newer (for example /usr/lib/postgresql/15/bin), or DB_CONNECTION_STRING to a server`,
    );
  }
  return await installPackagedBinaries(packaged, location);
}

async function refuseOtherMajor(location: string, major: number): Promise<void> {
  const majors: number[] = [];
  for (const name of await fs.readdir(location)) {
    const found = Number(/^postgres-(\d+)$/.exec(name)?.[1]);
    const version = Number.isInteger(found)
      ? await fs.readFile(path.join(location, name, "data", "PG_VERSION"), "utf8").catch(() => "")
      : "";
    if (version === "") continue;
    if (Number(version) !== found) {
      throw new EmbeddedPostgresError(
        "other-major",
        `${path.join(location, name, "data")} holds a database of PostgreSQL ${version.trim()}, which its folder's name does not say; put it back where it was`,
      );
    }
    majors.push(found);
  }
  const other = majors.at(-1);
  if (other === undefined || majors.includes(major)) return;
  throw new EmbeddedPostgresError(
    "other-major",
    `${location} holds a database of PostgreSQL ${other}, but this server brings PostgreSQL ${major}, which cannot read it; start with PGBIN set to the programs of PostgreSQL ${other} to go on with that database, or choose another folder with --home to begin a new one`,
  );
}

/** A folder for the socket that only the account may enter and whose path the kernel can still hold. */
async function chooseSocketFolder(account: DatabaseAccount, folder: string, port: number): Promise<string> {
  const beside = path.join(folder, "run");
  if (fitsSocketPath(beside, port)) {
    await fs.mkdir(beside, { mode: 0o700 }).then(
      () => (account.switched ? fs.chown(beside, account.uid, account.gid) : undefined),
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      },
    );
    return beside;
  }
  // The name follows from the folder, so that every launcher of this database looks in the same place.
  const name = `cuttle-pg-${crypto
    .createHash("sha256")
    .update(await fs.realpath(folder))
    .digest("hex")
    .slice(0, 12)}`;
  for (const parent of [os.tmpdir(), "/tmp"]) {
    const short = path.join(parent, name);
    if (!fitsSocketPath(short, port) || !(await canReach(account, parent))) continue;
    await makePrivateFolder(account, short).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    const stat = await fs.lstat(short);
    // Temporary folders are open to everybody: a folder somebody else put there could hold a socket of theirs.
    if (!stat.isDirectory() || (stat.mode & 0o077) !== 0 || stat.uid !== (account.switched ? account.uid : process.getuid?.())) {
      throw new EmbeddedPostgresError(
        "folder-unusable",
        `${short} should hold the database's socket but belongs to somebody else; remove it or choose a shorter folder with --home`,
      );
    }
    return short;
  }
  throw new EmbeddedPostgresError(
    "folder-unusable",
    `${folder} is too long for a socket (${socketPathBytesMax} bytes) and so is the temporary folder; choose a shorter folder with --home`,
  );
}

function fitsSocketPath(folder: string, port: number): boolean {
  return Buffer.byteLength(path.join(folder, `.s.PGSQL.${port}`)) <= socketPathBytesMax;
}

async function readOrMakeCredentials(folder: string): Promise<Credentials> {
  const password = (): string => crypto.randomBytes(32).toString("base64url");
  const file = path.join(folder, "credentials");
  const text = await fs.readFile(file, "utf8").catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    const made: Credentials = { version: 1, adminPassword: password(), ownerPassword: password() };
    return await writeOnce(file, JSON.stringify(made));
  });
  const read = JSON.parse(text) as Partial<Credentials>;
  if (read.version !== 1 || typeof read.adminPassword !== "string" || typeof read.ownerPassword !== "string") {
    throw new EmbeddedPostgresError(
      "folder-unusable",
      `${file} was written by a version of this server that is not known here; use that version`,
    );
  }
  return { version: 1, adminPassword: read.adminPassword, ownerPassword: read.ownerPassword };
}

/** Makes a file (mode 0600) that appears complete and only once; answers the content that counts, which may be another's. */
async function writeOnce(file: string, content: string): Promise<string> {
  const staging = `${file}.new-${crypto.randomBytes(6).toString("hex")}`;
  try {
    const handle = await fs.open(staging, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.link(staging, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await fs.rm(staging, { force: true });
  }
  return await fs.readFile(file, "utf8");
}
