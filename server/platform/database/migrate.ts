// Brings the schema up to date under a lock, so that any number of nodes may start at once; refuses a schema newer than this program.

import { Kysely, PostgresDialect, sql } from "kysely";
import { Migrator } from "kysely/migration";
import type { Migration } from "kysely/migration";
import { Pool } from "pg";
import type { DatabaseConnection } from "./queryable.ts";

/** Long enough for another node to finish a big migration while we wait for its lock. */
const migrationTimeoutMs = 10 * 60_000;

/** The database was written by a newer version of this program. */
export class SchemaTooNew extends Error {
  constructor(unknown: readonly string[]) {
    super(
      `The database was upgraded by a newer version of Cuttle (it holds ${unknown.join(", ")}, which this version does not know). ` +
        `Start this node with that version or a later one; nothing was changed.`,
    );
    this.name = "SchemaTooNew";
  }
}

/** The server is older than what this program's SQL needs. */
export class DatabaseTooOld extends Error {
  constructor(version: string) {
    super(`PostgreSQL ${version} is too old: Cuttle needs PostgreSQL 15 or later.`);
    this.name = "DatabaseTooOld";
  }
}

/** A step that begins now; how long it takes depends on what lies in the database, so nothing is said of time. */
export interface MigrationStep {
  name: string;
  number: number;
  of: number;
}

/** Applies what is missing; returns the names applied by this call (none when another node was first). */
export async function migrate(
  connection: DatabaseConnection,
  migrations: readonly { name: string; sql: string }[],
  options: { applicationName: string; onStep?(step: MigrationStep): void },
): Promise<string[]> {
  const pool = new Pool({
    ...connection,
    max: 2,
    application_name: options.applicationName,
    connectionTimeoutMillis: 5_000,
    statement_timeout: migrationTimeoutMs,
  });
  pool.on("error", () => {});
  const kysely = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    const version = (await pool.query("SHOW server_version_num")).rows[0] as { server_version_num: string };
    if (Number(version.server_version_num) < 150000) throw new DatabaseTooOld((Number(version.server_version_num) / 10000).toFixed(0));
    /** Those that this database lacks; another node may take some of them before us. */
    let missing: readonly string[] = [];
    const known = new Map<string, Migration>(
      migrations.map(({ name, sql: text }) => [
        name,
        {
          up: async (db) => {
            options.onStep?.({ name, number: missing.indexOf(name) + 1, of: missing.length });
            await sql.raw(text).execute(db);
          },
        },
      ]),
    );
    const migrator = new Migrator({
      db: kysely,
      provider: { getMigrations: async () => Object.fromEntries(known) },
      migrationTableName: "schema_migrations",
      migrationLockTableName: "schema_migrations_lock",
    });
    const unknown = await unknownMigrations(pool, known);
    if (unknown.length > 0) throw new SchemaTooNew(unknown);
    missing = (await migrator.getMigrations()).filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name);
    const { error, results } = await migrator.migrateToLatest();
    if (error !== undefined) {
      const now = await unknownMigrations(pool, known);
      if (now.length > 0) throw new SchemaTooNew(now);
      const failed = results?.find((one) => one.status === "Error")?.migrationName ?? "before the first step";
      const why = error instanceof Error ? error.message : "unknown error";
      throw new Error(`The database could not be upgraded (${failed}): ${why}. Nothing of that step was stored.`, { cause: error });
    }
    return (results ?? []).filter((one) => one.status === "Success").map((one) => one.migrationName);
  } finally {
    await kysely.destroy();
  }
}

async function unknownMigrations(pool: Pool, known: ReadonlyMap<string, unknown>): Promise<string[]> {
  const exists = (await pool.query("SELECT to_regclass('schema_migrations') IS NOT NULL AS there")).rows[0] as { there: boolean };
  if (!exists.there) return [];
  const rows = (await pool.query("SELECT name FROM schema_migrations ORDER BY name")).rows as { name: string }[];
  return rows.map((row) => row.name).filter((name) => !known.has(name));
}
