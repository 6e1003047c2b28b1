// Starts the PostgreSQL server that comes with a single node, or adopts the one a killed node left running, and keeps it running.
// Takes care of the account, the programs, the data folder, the socket and the passwords; knows nothing of tables.
//
// What stands where, under the data root (or under `moved-to`, see chooseLocation):
//   programs-<package version>/      the programs, complete with their library links
//   postgres-<major>/credentials     passwords of the two roles, readable by us only; written once
//   postgres-<major>/data/           the database cluster, appears under this name only when initialised
//   postgres-<major>/run/            the unix socket, unless its path would be too long
//   postgres-<major>/server.log      what the server says about itself (never statements)
//
// Several nodes of one machine may use one data root at once. Each holds a session with a shared advisory lock for as long as it
// lives; who wants to stop the server needs the lock alone. PostgreSQL's own postmaster.pid decides which of two starters wins.
import fs from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EmbeddedPostgresError } from "./embedded-postgres-errors.ts";
import { preparePlace } from "./embedded-postgres-place.ts";
import type { PlaceOptions } from "./embedded-postgres-place.ts";
import { adminRole, connectionOf, databaseName, ensureRunning, ownerRole, stopUnlessShared } from "./embedded-postgres-server.ts";
import type { DatabaseConnection } from "./queryable.ts";

export { EmbeddedPostgresError };
export type { EmbeddedPostgresFailure } from "./embedded-postgres-errors.ts";
export type { LaunchLog } from "./embedded-postgres-place.ts";

const startTimeoutMsDefault = 120_000; // recovery after a crash under load may take this long on a slow disk
const restartDelayMsMin = 200;
const restartDelayMsMax = 5_000;

export interface EmbeddedPostgresOptions extends PlaceOptions {
  /** How long the first start may take before it fails. */
  startTimeoutMs?: number | undefined;
}

export interface EmbeddedPostgres {
  /** Owner of the database `cuttle`, without superuser rights. */
  connection: DatabaseConnection;
  /** Superuser, for backup and tests. */
  adminConnection: DatabaseConnection;
  /** True when a server that was already running was taken over. */
  adopted: boolean;
  /** Process id of the server at the time of the start (a restart changes it). */
  pid: number;
  /** Folder with everything of this database. */
  folder: string;
  /**
   * Ends our part: stops the server unless another node uses it. Close your own pools first. Safe to call twice.
   * Answers whether the server was stopped. Errors: EmbeddedPostgresError stop-timed-out.
   */
  stop(): Promise<{ stopped: boolean }>;
}

/**
 * Starts or adopts the embedded database and waits until it answers. While the returned object lives, a server that ends is
 * started again. Errors: EmbeddedPostgresError.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log } = options;
  const place = await preparePlace(options);
  const first = await ensureRunning(place, log, deadlineIn(options.startTimeoutMs ?? startTimeoutMsDefault));
  // Whoever starts the server again after a fault starts it in the way the connections handed out expect.
  place.wayIn = first.wayIn;
  log.info(`embedded PostgreSQL ${place.major} ${first.adopted ? "was already running" : "started"} in ${place.folder}`);

  let session = first.session;
  let stopping: Promise<{ stopped: boolean }> | undefined;
  let restarting: Promise<void> = Promise.resolve();

  function watchForEnd(): void {
    session.once("end", () => {
      if (stopping !== undefined) return;
      log.warn("the embedded PostgreSQL server ended; starting it again");
      restarting = restart();
    });
  }

  async function restart(): Promise<void> {
    for (let waitMs = restartDelayMsMin; stopping === undefined; waitMs = Math.min(waitMs * 2, restartDelayMsMax)) {
      const expired = deadlineIn(startTimeoutMsDefault);
      try {
        session = (await ensureRunning(place, log, () => stopping !== undefined || expired())).session;
        watchForEnd();
        log.info("the embedded PostgreSQL server is back");
        return;
      } catch (error) {
        log.warn(`the embedded PostgreSQL server could not be started again: ${(error as Error).message}`);
        await delay(waitMs);
      }
    }
  }

  async function stop(): Promise<{ stopped: boolean }> {
    await restarting;
    return await stopUnlessShared(place, session, log);
  }

  watchForEnd();
  return {
    connection: connectionOf(place.wayIn, ownerRole, place.credentials.ownerPassword, databaseName),
    adminConnection: connectionOf(place.wayIn, adminRole, place.credentials.adminPassword, databaseName),
    adopted: first.adopted,
    pid: first.pid,
    folder: place.folder,
    stop: () => (stopping ??= stop()),
  };
}

/**
 * Ends the embedded database and removes all of its files, wherever they are; nothing happens when there are none. It is started for
 * this when it does not run, because only a running server says whether a node uses it. Errors: EmbeddedPostgresError, in-use when one does.
 */
export async function removeEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<void> {
  const present = await fs.readdir(options.dataRoot).catch(() => []);
  if (present.length === 0) return;
  const server = await startEmbeddedPostgres(options);
  if (!(await server.stop()).stopped) {
    throw new EmbeddedPostgresError("in-use", `A node uses the database in ${server.folder}; stop it first.`);
  }
  // Its folder lies in the data root, or where `moved-to` in there says.
  await fs.rm(path.dirname(server.folder), { recursive: true, force: true });
  await fs.rm(options.dataRoot, { recursive: true, force: true });
}

function deadlineIn(ms: number): () => boolean {
  const deadlineMs = performance.now() + ms;
  return () => performance.now() > deadlineMs;
}
