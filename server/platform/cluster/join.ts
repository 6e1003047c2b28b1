// Whether this node may join its cluster: the same shared folder as every other node, and a clock that is about right. Master key and
// schema are checked where they are read.

import type { Database } from "../database/database.ts";
import type { SharedFolder } from "../files/files.ts";
import { enterSharedFolder, readClock } from "./installation-store.ts";

/** No decision of the cluster rests on a node's clock, but people read its logs. */
const clockWarningMs = 60_000;
/** Farther off than any time zone is: certificates seem expired or not valid yet, and sessions end at once. */
const clockRefusalMs = 12 * 3_600_000;

/** This node does not belong into the cluster as it is; the message says why and what to do. */
export class JoinRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "JoinRefused";
  }
}

/**
 * Checks clock and shared folder, and enters the folder where the cluster has none yet. Answers the folder's identity.
 * Throws JoinRefused, SharedFolderError.
 */
export async function checkJoin(parts: {
  database: Database;
  sharedFolder: Pick<SharedFolder, "root" | "identity">;
  /** The operator said that this folder takes the place of the one before. */
  adoptFolder: boolean;
  log: { warn(fields: object, message: string): void };
}): Promise<string> {
  const offMs = await clockDifference(parts.database);
  if (Math.abs(offMs) > clockRefusalMs) {
    throw new JoinRefused(
      `The clock of this machine is ${Math.round(Math.abs(offMs) / 3_600_000)} hours ${offMs > 0 ? "ahead of" : "behind"} the database's. ` +
        "Set it, for instance with a time service, and start the node again.",
    );
  }
  if (Math.abs(offMs) > clockWarningMs) {
    parts.log.warn(
      { secondsAhead: Math.round(offMs / 1_000) },
      "The clock of this machine differs from the database's. Nothing depends on it, but the times in its logs are wrong.",
    );
  }
  const identity = await parts.sharedFolder.identity();
  const known = await enterSharedFolder(parts.database, identity, parts.adoptFolder);
  if (known === identity) return identity;
  throw new JoinRefused(
    `${parts.sharedFolder.root} is not the shared folder of this cluster: it is marked ${identity}, the cluster uses ${known}. ` +
      "Mount the folder that the other nodes use, or name it with --clusterShared. " +
      "If that one is lost for good, start one node with --adoptSharedFolder true: the logs in it are lost with it.",
  );
}

/** How far this machine's clock is ahead of the database's, in milliseconds; wrong by half the time the question takes. */
async function clockDifference(database: Database): Promise<number> {
  const sentAtMs = Date.now();
  const there = await readClock(database);
  return (sentAtMs + Date.now()) / 2 - there;
}
