// Makes sure that there is a database to talk to: the operator's, or the embedded one, started or adopted. Apart from compose.ts, so
// that the database can start while the rest of the program is still being loaded.

import type { ServerConfig } from "./config.ts";
import { startEmbeddedPostgres } from "./platform/database/database.ts";
import type { DatabaseConnection } from "./platform/database/database.ts";
import type { ServerLog } from "./platform/telemetry/telemetry.ts";

export interface ReachedDatabase {
  connection: DatabaseConnection;
  /** Stops the embedded server unless another node uses it. All pools must be closed. */
  letGo(): Promise<unknown>;
}

/** @throws EmbeddedPostgresError */
export async function reachDatabase(config: ServerConfig, log: ServerLog): Promise<ReachedDatabase> {
  if (config.database.kind === "external") return { connection: config.database.connection, letGo: async () => {} };
  const { kind: _, ...options } = config.database;
  const embedded = await startEmbeddedPostgres({
    ...options,
    log: { info: (message) => log.info({}, message), warn: (message) => log.warn({}, message) },
  });
  return { connection: embedded.connection, letGo: () => embedded.stop() };
}
