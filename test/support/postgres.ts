// A real PostgreSQL for the tests of one process: started on first use, gone with the process however it ends. Databases are clones
// of one that holds the schema, so a test gets its own in some tens of milliseconds. Knows nothing of what is in the tables.
import { execFile, spawn } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import { migrations } from "../../server/migrations/migrations.ts";
import { migrate } from "../../server/platform/database/database.ts";
import type { DatabaseConnection } from "../../server/platform/database/database.ts";
import { startEmbeddedPostgres } from "../../server/platform/database/embedded-postgres.ts";
import type { EmbeddedPostgres } from "../../server/platform/database/embedded-postgres.ts";

const run = promisify(execFile);
const templateName = "cuttle_test_template";
const cachesMax = 4; // about 100 MB each: this schema and the one before, two PostgreSQL versions
const connectionsMax = 200; // several pools of several nodes in one test

export interface TestDatabase {
  /** As the server itself connects: owner of the database, no superuser. */
  connection: DatabaseConnection;
  /** Ends all its connections and removes it. Not needed at the end of a process. */
  drop(): Promise<void>;
}

export interface TestPostgres {
  /** A new database with all migrations applied, or an empty one. */
  createDatabase(options?: { empty?: boolean }): Promise<TestDatabase>;
  /** Superuser, in a database of no interest; for ending connections, looking at pg_stat_activity and the like. */
  adminConnection: DatabaseConnection;
  /** Process id of the server, for tests that kill or stop it. */
  pid: number;
  /** Ends the server now instead of at the end of the process. The next startPostgres() starts another. */
  stop(): Promise<void>;
}

let started: Promise<TestPostgres> | undefined;

/**
 * The server of this process; all callers share it. Uses the packaged programs, or those in the folder CUTTLE_TEST_PGBIN names
 * (for example /usr/lib/postgresql/15/bin).
 */
export function startPostgres(): Promise<TestPostgres> {
  return (started ??= start());
}

async function start(): Promise<TestPostgres> {
  const dataRoot = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-pg-"));
  await fs.chmod(dataRoot, 0o711); // as root the server runs under another account, which must get through
  watchOver(dataRoot);
  const cached = await cacheFolder();
  const fromCache = cached !== undefined && (await copyFolder(path.join(cached, "database"), dataRoot));
  let server = await startServer(dataRoot);
  if (!fromCache) {
    await makeTemplate(server);
    if (cached !== undefined) {
      // Making a database from nothing takes a second of processor time; the next test processes start from a copy of this one.
      await server.stop();
      await fillCache(cached, dataRoot);
      server = await startServer(dataRoot);
    }
  }
  const admin = new pg.Pool({ ...server.adminConnection, max: 1, allowExitOnIdle: true, application_name: "test-support" });
  admin.on("error", () => undefined); // a test may end the server on purpose

  let made = 0;
  async function createDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
    const name = `test_${++made}`;
    const template = options.empty === true ? "template1" : templateName;
    await admin.query(`create database ${name} owner ${server.connection.user} template ${template} strategy file_copy`);
    return {
      connection: { ...server.connection, database: name },
      drop: async () => void (await admin.query(`drop database if exists ${name} with (force)`)),
    };
  }
  return { createDatabase, adminConnection: server.adminConnection, pid: server.pid, stop: () => end(server, admin) };
}

function startServer(dataRoot: string): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({
    dataRoot,
    log: { info: () => undefined, warn: (message) => process.emitWarning(message) },
    programsFolder: process.env["CUTTLE_TEST_PGBIN"],
    settings: {
      fsync: "off",
      synchronous_commit: "off",
      full_page_writes: "off",
      autovacuum: "off",
      max_connections: String(connectionsMax),
    },
  });
}

async function makeTemplate(server: EmbeddedPostgres): Promise<void> {
  const admin = new pg.Client({ ...server.adminConnection, application_name: "test-support" });
  await admin.connect();
  await admin.query(`create database ${templateName} owner ${server.connection.user}`);
  await admin.end();
  await migrate({ ...server.connection, database: templateName }, migrations, { applicationName: "test-support" });
}

/** Named after everything that decides what is in it, so it never has to be renewed. Undefined where there is no `cp -a`. */
async function cacheFolder(): Promise<string | undefined> {
  if (process.platform === "win32") return undefined;
  const server = fileURLToPath(new URL("../../server/", import.meta.url));
  const hash = crypto.createHash("sha256");
  for (const file of ["package.json", ...(await listLauncherFiles(server))]) hash.update(await fs.readFile(path.join(server, file)));
  hash.update(JSON.stringify([migrations, process.env["CUTTLE_TEST_PGBIN"] ?? "", process.getuid?.(), fileURLToPath(import.meta.url)]));
  const cache = fileURLToPath(new URL("../../node_modules/.cache/cuttle-test-postgres/", import.meta.url));
  return path.join(cache, hash.digest("hex").slice(0, 16));
}

async function listLauncherFiles(server: string): Promise<string[]> {
  const folder = path.join("platform", "database");
  const names = await fs.readdir(path.join(server, folder));
  return names.filter((name) => name.startsWith("embedded-postgres") && !name.endsWith(".test.ts")).map((name) => path.join(folder, name));
}

/** Copies with owners and modes; false when there is nothing to copy. */
async function copyFolder(from: string, to: string): Promise<boolean> {
  const there = await fs.access(from).then(
    () => true,
    () => false,
  );
  if (there) await run("cp", ["-a", `${from}/.`, to]);
  return there;
}

/** Best effort: without a cache (read-only checkout, full disk) the next process is only slower. */
async function fillCache(cached: string, dataRoot: string): Promise<void> {
  const staging = `${cached}.new-${process.pid}`;
  try {
    if ((await fs.readdir(dataRoot)).includes("moved-to")) return; // the database is not in there
    await fs.mkdir(path.join(staging, "database"), { recursive: true });
    await copyFolder(dataRoot, path.join(staging, "database"));
    await fs.rename(staging, cached);
    await dropOldCaches(path.dirname(cached));
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? ""))
      process.emitWarning(`no cache for test databases: ${String(error)}`);
  } finally {
    await fs.rm(staging, { recursive: true, force: true });
  }
}

async function dropOldCaches(parent: string): Promise<void> {
  const entries = await Promise.all(
    (await fs.readdir(parent)).map(async (name) => ({ name, atMs: (await fs.stat(path.join(parent, name))).mtimeMs })),
  );
  entries.sort((one, other) => other.atMs - one.atMs);
  for (const old of entries.slice(cachesMax)) await fs.rm(path.join(parent, old.name), { recursive: true, force: true });
}

async function end(server: EmbeddedPostgres, admin: pg.Pool): Promise<void> {
  started = undefined;
  await admin.end();
  await server.stop();
}

/**
 * A shell that waits for the end of its input, which comes with the end of this process, a crash or kill -9 included; then it ends
 * the server and removes the folders.
 */
function watchOver(dataRoot: string): void {
  const script = `
    read -r _
    for file in "$0"/postgres-*/data*/postmaster.pid "$(cat "$0/moved-to" 2>/dev/null)"/postgres-*/data*/postmaster.pid; do
      [ -f "$file" ] && kill -QUIT "$(head -n 1 "$file")" && while [ -f "$file" ]; do sleep 0.05; n=$((n + 1)); [ $n -gt 100 ] && break; done
    done
    [ -f "$0/moved-to" ] && rm -rf "$(cat "$0/moved-to")"
    rm -rf "$0"`;
  const shell = spawn("/bin/sh", ["-c", script, dataRoot], { stdio: ["pipe", "ignore", "ignore"], detached: true, cwd: "/" });
  shell.once("error", () => undefined); // no shell (Windows): the folder stays behind
  shell.unref();
  (shell.stdin as unknown as { unref(): void }).unref();
}
