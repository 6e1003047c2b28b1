// Commands that need the cluster's database but no running node: they open it, do their one thing and close it again.
import { existsSync } from "node:fs";
import type { ServerConfig } from "./config.ts";
import { changeNode } from "./node-command.ts";
import type { NodeChange, NodeChangeResult } from "./node-command.ts";
import { loadServerIdentity } from "./engine/agents/agents.ts";
import { errorCode, openDatabase, startEmbeddedPostgres } from "./platform/database/database.ts";
import type { Database, DatabaseConnection } from "./platform/database/database.ts";
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

/** Changes the record of a node and waits as asked (node-command.ts). Throws CommandProblem where there is no such node. */
export async function changeNodeRecord(
  config: ServerConfig,
  change: NodeChange,
  say: (sentence: string) => void,
): Promise<Exclude<NodeChangeResult, { outcome: "no-such-node" }>> {
  const result = await withNodesDatabase(config, "cuttle node", (database) => changeNode(database, change, say));
  if (result.outcome !== "no-such-node") return result;
  throw new CommandProblem(
    `No node named '${change.nodeName}' is known to this cluster. Name it with --serverNodeName as it was named when it was started.`,
  );
}

/** Thumbprint of the cluster's certificate. Throws CommandProblem for a database that no node has used yet. */
export async function readThumbprint(config: ServerConfig): Promise<string> {
  return await withNodesDatabase(config, "cuttle show-thumbprint", async (database) => {
    const secrets = await openSecrets({ database, masterKey: config.masterKey, home: config.home });
    return (await loadServerIdentity({ database, secrets })).thumbprint;
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

/** Works on a database that nodes have used. Throws CommandProblem for one that none has. */
async function withNodesDatabase<T>(config: ServerConfig, applicationName: string, work: (database: Database) => Promise<T>): Promise<T> {
  return await withDatabase(config, async (connection) => {
    const database = openDatabase({ connection, applicationName, connectionsMax: 1 });
    try {
      return await work(database);
    } catch (error) {
      if (errorCode(error) !== undefinedTable) throw error;
      throw new CommandProblem(neverUsed, error);
    } finally {
      await database.close();
    }
  });
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
