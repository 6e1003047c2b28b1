// Commands that need the cluster's database but no running node: they open it, do their one thing and close it again.
import { existsSync } from "node:fs";
import type { ServerConfig } from "./config.ts";
import { loadServerIdentity } from "./engine/agents/agents.ts";
import { errorCode, openDatabase, startEmbeddedPostgres } from "./platform/database/database.ts";
import type { DatabaseConnection } from "./platform/database/database.ts";
import { removeEmbeddedPostgres } from "./platform/database/embedded-postgres.ts";
import { openSecrets } from "./platform/secrets/secrets.ts";

const neverUsed = "No node has used this database yet, so it has no certificate. Start one first: cuttle-server run";
const undefinedTable = "42P01";

/** The command cannot do its thing; the message says why and what to do. */
export class CommandProblem extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "CommandProblem";
  }
}

/** Thumbprint of the cluster's certificate. Throws CommandProblem for a database that no node has used yet. */
export async function readThumbprint(config: ServerConfig): Promise<string> {
  return await withDatabase(config, async (connection) => {
    const database = openDatabase({ connection, applicationName: "cuttle show-thumbprint", connectionsMax: 1 });
    try {
      const secrets = await openSecrets({ database, masterKey: config.masterKey, home: config.home });
      return (await loadServerIdentity({ database, secrets })).thumbprint;
    } catch (error) {
      if (errorCode(error) !== undefinedTable) throw error;
      throw new CommandProblem(neverUsed, error);
    } finally {
      await database.close();
    }
  });
}

/** Ends the embedded database of this home and removes all of it. Throws CommandProblem, EmbeddedPostgresError in-use. */
export async function deleteDatabase(config: ServerConfig): Promise<void> {
  if (config.database.kind === "external") {
    throw new CommandProblem(
      "Only the embedded database is deleted by this command; drop the one of DB_CONNECTION_STRING with the tools of its server.",
    );
  }
  await removeEmbeddedPostgres({ ...config.database, log: quiet });
}

const quiet = { info: (): void => undefined, warn: (): void => undefined };

async function withDatabase<T>(config: ServerConfig, work: (connection: DatabaseConnection) => Promise<T>): Promise<T> {
  if (config.database.kind === "external") return await work(config.database.connection);
  if (!existsSync(config.database.dataRoot)) throw new CommandProblem(neverUsed);
  const embedded = await startEmbeddedPostgres({ ...config.database, log: quiet });
  try {
    return await work(embedded.connection);
  } finally {
    await embedded.stop();
  }
}
