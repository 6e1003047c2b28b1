// Starts, adopts and stops the PostgreSQL server of one place (embedded-postgres-place.ts). PostgreSQL's own postmaster.pid decides
// which of two starters wins; a session with an advisory lock shows that a launcher is present.
import { spawn } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { makePrivateFolder, spawnAs } from "./embedded-postgres-account.ts";
import { EmbeddedPostgresError } from "./embedded-postgres-errors.ts";
import { orFolderProblem } from "./embedded-postgres-place.ts";
import type { LaunchLog, Place, WayIn } from "./embedded-postgres-place.ts";
import { isAlive, postmasterFilePath, processesIn, readPostmasterFile } from "./embedded-postgres-process.ts";
import type { PostmasterFile } from "./embedded-postgres-process.ts";
import type { DatabaseConnection } from "./queryable.ts";

const initTimeoutMs = 120_000;
const lockRetryMs = 8_000; // how long "another postmaster is running" is taken for a leftover that is about to go
const socketGoneMs = 5_000; // a server whose socket is missing for this long will not get it back
const foreignCheckMs = 250; // walking through all processes is not for every round
const stopTimeoutMs = 20_000; // fast shutdown writes a checkpoint; after this the immediate one, which recovers at next start
const immediateStopTimeoutMs = 5_000;
const ownSessionsLingerMs = 1_000; // closed connections of our own pools are still listed for a moment
const pollMs = 10;
const connectTimeoutMs = 5_000;
const closeTimeoutMs = 1_000;
const logTailBytes = 4_000;
const logBytesMax = 5 * 1024 * 1024; // the log before the last is dropped at a start when it grew past this
export const adminRole = "cuttle_admin";
export const ownerRole = "cuttle";
export const databaseName = "cuttle";
const launcherApplicationName = "cuttle-launcher";
const presenceLockKey = "5207294913604551"; // any fixed number; advisory locks of these databases only

/** A server that answers, and our session on it. `wayIn` is that of the server, which another launcher may have started. */
export interface Running {
  session: pg.Client;
  pid: number;
  adopted: boolean;
  wayIn: WayIn;
}

/**
 * Comes back with a session on a server that answers: one that runs already, or one it started. `giveUp` is asked in every round.
 * Errors: EmbeddedPostgresError.
 */
export async function ensureRunning(place: Place, log: LaunchLog, giveUp: () => boolean): Promise<Running> {
  let lockedSinceMs: number | undefined;
  let startedPid: number | undefined;
  const watch: SilentServer = { socketGoneSinceMs: undefined, lookedAtMs: performance.now() };
  while (!giveUp()) {
    const file = await readPostmasterFile(place.dataFolder);
    if (file !== undefined && (await isAlive(file.pid))) {
      const wayIn = wayInto(place, file);
      const attempt = file.status === "ready" ? await openSession(place, wayIn) : "not-yet";
      if (typeof attempt === "object") {
        if (!place.wayIn.listenOnTcp || (wayIn.listenOnTcp && wayIn.port === place.wayIn.port)) {
          return { session: attempt, pid: file.pid, adopted: startedPid !== file.pid, wayIn };
        }
        await replaceServer(place, attempt, file.pid, log);
        continue;
      }
      await judgeSilentServer(place, file.pid, attempt, watch, log);
      await delay(pollMs);
      continue;
    }
    if (file !== undefined) await dropDeadPidFile(place, file.pid);
    const fresh = await initialiseOnce(place, log);
    const outcome = await launch(place, giveUp);
    if (outcome.running) {
      startedPid = outcome.pid;
      if (fresh) await createDatabase(place, place.wayIn);
      continue;
    }
    if (/could not bind|no space left/i.test(outcome.words) || !/lock file|pre-existing shared memory/i.test(outcome.words)) {
      throw startFailure(place, outcome.words);
    }
    // Another starter was quicker, or a killed server's children are still about to end.
    lockedSinceMs ??= performance.now();
    if (performance.now() - lockedSinceMs > lockRetryMs) {
      throw new EmbeddedPostgresError(
        "in-use",
        `Another process uses ${place.dataFolder}; stop it first. PostgreSQL said: ${outcome.words}`,
      );
    }
    await delay(100);
  }
  throw new EmbeddedPostgresError(
    "start-timed-out",
    `The embedded PostgreSQL in ${place.folder} did not answer in time. It said: ${await lastWords(place)}`,
  );
}

function wayInto(place: Place, file: PostmasterFile): WayIn {
  return {
    socketFolder: place.wayIn.socketFolder === undefined ? undefined : file.socketFolder,
    port: file.port,
    listenOnTcp: file.listenAddress !== "",
  };
}

interface SilentServer {
  socketGoneSinceMs: number | undefined;
  lookedAtMs: number;
}

/** A process with the server's id lives but does not let us in: it starts, or stops, or lost its socket, or is some other program. */
async function judgeSilentServer(
  place: Place,
  pid: number,
  attempt: "not-yet" | "socket-gone",
  watch: SilentServer,
  log: LaunchLog,
): Promise<void> {
  const nowMs = performance.now();
  watch.socketGoneSinceMs = attempt === "socket-gone" ? (watch.socketGoneSinceMs ?? nowMs) : undefined;
  const hopeless = watch.socketGoneSinceMs !== undefined && nowMs - watch.socketGoneSinceMs > socketGoneMs;
  if (!hopeless && nowMs - watch.lookedAtMs < foreignCheckMs) return;
  watch.lookedAtMs = nowMs;
  const inside = await processesIn(place.dataFolder);
  if (inside === undefined) {
    if (!hopeless) return;
    throw new EmbeddedPostgresError(
      "in-use",
      `${postmasterFilePath(place.dataFolder)} names process ${pid}, which runs but does not answer as a database; if that process is no PostgreSQL, remove the file and start again`,
    );
  }
  if (inside.length === 0) {
    log.warn(`${postmasterFilePath(place.dataFolder)} names process ${pid}, which is another program; the file is stale and is removed`);
    await removePidFileOf(place, pid);
  } else if (hopeless && inside.includes(pid)) {
    log.warn(`the embedded PostgreSQL (process ${pid}) runs but its socket is gone; stopping it to start it anew`);
    await endServer(place, pid);
  }
}

function startFailure(place: Place, words: string): EmbeddedPostgresError {
  if (/address already in use|could not bind/i.test(words)) {
    return new EmbeddedPostgresError(
      "port-busy",
      `Port ${place.wayIn.port} on 127.0.0.1 is taken by another program; choose another one with --shareDb`,
    );
  }
  if (/no space left on device/i.test(words)) {
    return new EmbeddedPostgresError(
      "disk-full",
      `The disk with ${place.dataFolder} is full; free some space or choose another folder with --home`,
    );
  }
  return new EmbeddedPostgresError("start-failed", `PostgreSQL did not start in ${place.folder}. It said: ${words}`);
}

function clientFor(place: Place, wayIn: WayIn, database: string): pg.Client {
  const client = new pg.Client({
    ...connectionOf(wayIn, adminRole, place.credentials.adminPassword, database),
    application_name: launcherApplicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: connectTimeoutMs,
  });
  client.on("error", () => undefined); // "end" follows and is what is watched
  return client;
}

/** Ends a session; a server that does not answer cannot hold us up. */
export async function closeSession(client: pg.Client): Promise<void> {
  const timer = new AbortController();
  await Promise.race([
    client.end().catch(() => undefined),
    delay(closeTimeoutMs, undefined, { signal: timer.signal }).catch(() => undefined),
  ]);
  timer.abort();
}

/** Opens the session that shows our presence, by a shared advisory lock. */
async function openSession(place: Place, wayIn: WayIn): Promise<pg.Client | "not-yet" | "socket-gone"> {
  const client = clientFor(place, wayIn, databaseName);
  try {
    await client.connect();
    const { rows } = await client.query<{ present: boolean }>("select pg_try_advisory_lock_shared($1) as present", [presenceLockKey]);
    if (rows[0]?.present === true) {
      (client as unknown as { unref(): void }).unref(); // being present is no reason for a process to stay
      return client;
    }
    await closeSession(client); // somebody is stopping this server
    return "not-yet";
  } catch (error) {
    await closeSession(client);
    const { code } = error as { code?: string };
    if (code === "3D000") await createDatabase(place, wayIn); // a launcher was killed between initdb and this
    if (code === "28P01" || code === "28000") {
      throw new EmbeddedPostgresError(
        "in-use",
        `The server in ${place.folder} does not accept the password in ${path.join(place.folder, "credentials")}; put back the file that belongs to this database`,
        error,
      );
    }
    return code === "ENOENT" || code === "ECONNREFUSED" ? "socket-gone" : "not-yet";
  }
}

/** Makes our role and database in a cluster that was just initialised; does nothing when they are there. */
async function createDatabase(place: Place, wayIn: WayIn): Promise<void> {
  const client = clientFor(place, wayIn, "template1");
  try {
    await client.connect();
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock($1)", [presenceLockKey]);
    const { rows } = await client.query("select 1 from pg_database where datname = $1", [databaseName]);
    if (rows.length === 0) {
      await client.query(`create role ${ownerRole} login password '${place.credentials.ownerPassword}'`);
      // Renaming the empty database that initdb made takes no time; copying a template would.
      await client.query(`alter database postgres rename to ${databaseName}`);
      await client.query(`alter database ${databaseName} owner to ${ownerRole}`);
    }
    await client.query("commit");
  } catch (error) {
    throw new EmbeddedPostgresError(
      "start-failed",
      `The database could not be made in ${place.folder}: ${(error as Error).message}`,
      error,
    );
  } finally {
    await closeSession(client);
  }
}

/** A server that runs without the TCP port we were asked for is started anew, if nobody else uses it. */
async function replaceServer(place: Place, session: pg.Client, pid: number, log: LaunchLog): Promise<void> {
  const { stopped } = await stopUnlessShared(place, session, log);
  if (!stopped) {
    throw new EmbeddedPostgresError(
      "in-use",
      `The database in ${place.folder} is in use by another node, without TCP port ${place.wayIn.port}; stop that node (server process ${pid}) first, or start it with the same --shareDb`,
    );
  }
}

async function dropDeadPidFile(place: Place, pid: number): Promise<void> {
  // PostgreSQL removes a dead server's file itself, except a zombie's: there only we know that it is dead.
  const inside = await processesIn(place.dataFolder);
  if (inside?.length === 0) await removePidFileOf(place, pid);
}

/** Removes what a dead server left: its socket's lock file holds the same process id and would hold up the next one just so. */
async function removePidFileOf(place: Place, pid: number): Promise<void> {
  const file = await readPostmasterFile(place.dataFolder);
  if (file?.pid !== pid) return;
  for (const folder of new Set([file.socketFolder, place.wayIn.socketFolder ?? ""])) {
    if (folder === "") continue;
    for (const port of new Set([file.port, place.wayIn.port])) {
      const lock = path.join(folder, `.s.PGSQL.${port}.lock`);
      const holder = await fs.readFile(lock, "utf8").catch(() => "");
      if (Number(holder.split("\n")[0]) === pid) await fs.rm(lock, { force: true });
    }
  }
  await fs.rm(postmasterFilePath(place.dataFolder), { force: true });
}

/** Runs initdb once; the data folder appears under its name only when complete. Answers whether it ran. */
async function initialiseOnce(place: Place, log: LaunchLog): Promise<boolean> {
  const present = await fs.access(place.dataFolder).then(
    () => true,
    () => false,
  );
  if (present) return false;
  log.info(`making a new database in ${place.folder}`);
  const suffix = crypto.randomBytes(6).toString("hex");
  const staging = `${place.dataFolder}.new-${suffix}`;
  const passwordFile = path.join(place.folder, `initial-password.${suffix}`);
  try {
    await orFolderProblem(place.folder, async () => {
      await makePrivateFolder(place.account, staging);
      await fs.writeFile(passwordFile, place.credentials.adminPassword, { mode: 0o600, flag: "wx" });
      if (place.account.switched) await fs.chown(passwordFile, place.account.uid, place.account.gid);
    });
    const args = [
      "-D",
      staging,
      "-U",
      adminRole,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--locale=C",
      "--encoding=UTF8",
      "--data-checksums",
      "--no-instructions",
    ];
    if (place.settings["fsync"] === "off") args.push("--no-sync");
    const { code, output } = await runToEnd(place, place.programs.initdb, args, initTimeoutMs);
    if (code !== 0) {
      if (/no space left on device/i.test(output)) throw startFailure(place, output);
      throw new EmbeddedPostgresError("start-failed", `Initdb failed in ${place.folder}. It said: ${output.slice(-logTailBytes).trim()}`);
    }
    await fs.rename(staging, place.dataFolder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error; // another starter was quicker: its database counts
    });
    return true;
  } finally {
    await fs.rm(passwordFile, { force: true });
    await fs.rm(staging, { recursive: true, force: true });
  }
}

async function runToEnd(
  place: Place,
  program: string,
  args: string[],
  timeoutMs: number,
): Promise<{ code: number | null; output: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; output: string }>();
  const child = spawn(program, args, {
    ...spawnAs(place.account),
    cwd: place.folder,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
    windowsHide: true,
  });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString("utf8")).slice(-4 * logTailBytes);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  child.once("error", (error) => reject(new EmbeddedPostgresError("programs-unusable", `Cannot run ${program}: ${error.message}`, error)));
  child.once("close", (code) => resolve({ code, output }));
  return await promise;
}

/** Starts the server process and waits until it says it is ready (or that it is in use) or ends. */
async function launch(place: Place, giveUp: () => boolean): Promise<{ running: true; pid: number } | { running: false; words: string }> {
  const size = await fs.stat(place.logFile).then(
    (stat) => stat.size,
    () => 0,
  );
  if (size > logBytesMax) await fs.rename(place.logFile, `${place.logFile}.1`);
  const logHandle = await fs.open(place.logFile, "a", 0o600);
  const { size: wordsFrom } = await logHandle.stat();
  const args = ["-D", place.dataFolder];
  const settings = {
    ...place.settings,
    port: String(place.wayIn.port),
    listen_addresses: place.wayIn.listenOnTcp ? "127.0.0.1" : "",
    unix_socket_directories: place.wayIn.socketFolder ?? "",
    unix_socket_permissions: "0700",
  };
  for (const [name, value] of Object.entries(settings)) args.push("-c", `${name}=${value}`);
  let ended = false;
  let failure: Error | undefined;
  // A process group of its own: Ctrl-C in a terminal must not end the database before the node has finished with it.
  const child = spawn(place.programs.postgres, args, {
    ...spawnAs(place.account),
    cwd: place.folder,
    detached: true,
    stdio: ["ignore", logHandle.fd, logHandle.fd],
    windowsHide: true,
  });
  child.once("error", (error) => {
    failure = error;
    ended = true;
  });
  child.once("exit", () => {
    ended = true;
  });
  child.unref();
  await logHandle.close();
  while (!ended && !giveUp()) {
    const file = await readPostmasterFile(place.dataFolder);
    if (file?.pid === child.pid && file?.status === "ready" && child.pid !== undefined) return { running: true, pid: child.pid };
    await delay(pollMs);
  }
  if (failure !== undefined)
    throw new EmbeddedPostgresError("programs-unusable", `Cannot run ${place.programs.postgres}: ${failure.message}`, failure);
  const words = await lastWords(place, wordsFrom);
  if (ended) return { running: false, words };
  throw new EmbeddedPostgresError("start-timed-out", `PostgreSQL in ${place.folder} started but was not ready in time. It said: ${words}`);
}

async function lastWords(place: Place, from = 0): Promise<string> {
  const handle = await fs.open(place.logFile, "r").catch(() => undefined);
  if (handle === undefined) return "it has not written a log yet";
  try {
    const { size } = await handle.stat();
    const start = Math.max(from, size - logTailBytes);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.max(0, size - start)), 0, size - start, start);
    const words = buffer.toString("utf8", 0, bytesRead).trim();
    return words === "" ? `nothing (its log is ${place.logFile})` : words;
  } finally {
    await handle.close();
  }
}

export function connectionOf(wayIn: WayIn, user: string, password: string, database: string): DatabaseConnection {
  return { host: wayIn.socketFolder ?? "127.0.0.1", port: wayIn.port, user, password, database };
}

/** Stops the server unless another launcher holds the presence lock or another node's session is open. Ends the given session. */
export async function stopUnlessShared(place: Place, session: pg.Client, log: LaunchLog): Promise<{ stopped: boolean }> {
  const file = await readPostmasterFile(place.dataFolder);
  let alone: boolean;
  try {
    alone = await isAlone(session);
  } catch {
    // The session is gone: either the server ended or was stopped by somebody. Nothing of ours is left to end.
    await closeSession(session);
    return { stopped: file === undefined || !(await isAlive(file.pid)) };
  }
  if (!alone || file === undefined) {
    await closeSession(session);
    log.info(`another node uses the embedded PostgreSQL in ${place.folder}; it keeps running`);
    return { stopped: false };
  }
  await endServer(place, file.pid);
  await closeSession(session);
  return { stopped: true };
}

/** Whether no other node uses the server. When it answers true the session holds the lock that keeps new ones away. */
async function isAlone(session: pg.Client): Promise<boolean> {
  const untilMs = performance.now() + ownSessionsLingerMs;
  for (;;) {
    const { rows } = await session.query<{ others: boolean }>(
      `select exists (select from pg_stat_activity where application_name like 'cuttle%' and application_name <> $1 and pid <> pg_backend_pid()) as others`,
      [launcherApplicationName],
    );
    if (rows[0]?.others === false) break;
    if (performance.now() > untilMs) return false;
    await delay(5 * pollMs);
  }
  await session.query("select pg_advisory_unlock_shared($1)", [presenceLockKey]);
  const { rows } = await session.query<{ alone: boolean }>("select pg_try_advisory_lock($1) as alone", [presenceLockKey]);
  return rows[0]?.alone === true;
}

/** Ends the server: fast first, at once when that takes too long. The caller has made sure that `pid` is the server. */
async function endServer(place: Place, pid: number): Promise<void> {
  await signalServer(place, pid, "SIGINT", "fast");
  if (await goneWithin(place, pid, stopTimeoutMs)) return;
  await signalServer(place, pid, "SIGQUIT", "immediate");
  if (await goneWithin(place, pid, immediateStopTimeoutMs)) return;
  throw new EmbeddedPostgresError("stop-timed-out", `The embedded PostgreSQL (process ${pid}) in ${place.folder} does not end`);
}

async function signalServer(place: Place, pid: number, signal: "SIGINT" | "SIGQUIT", mode: "fast" | "immediate"): Promise<void> {
  if (process.platform === "win32") {
    await runToEnd(place, place.programs.pgCtl, ["stop", "-D", place.dataFolder, "-m", mode, "-W"], stopTimeoutMs);
    return;
  }
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function goneWithin(place: Place, pid: number, ms: number): Promise<boolean> {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs) {
    const file = await readPostmasterFile(place.dataFolder);
    if (file?.pid !== pid && !(await isAlive(pid))) return true;
    if (!(await isAlive(pid))) return true;
    await delay(pollMs);
  }
  return false;
}
