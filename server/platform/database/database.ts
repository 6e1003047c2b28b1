// The only door to PostgreSQL: pools, transactions with deadlines and retries, notifications, migrations, ids. It knows no table.

export type { Database, DatabaseConnection, DatabaseOptions, Queryable, SqlValue, Transaction } from "./queryable.ts";
export { CommitOutcomeUnknown, DatabaseUnavailable, errorCode, isConnectionLoss, violatedConstraint } from "./database-errors.ts";
export { openDatabase } from "./pool.ts";
export { DatabaseTooOld, migrate, SchemaTooNew } from "./migrate.ts";
export { nextId } from "./ids.ts";
export type { Collection } from "./ids.ts";
export { EmbeddedPostgresError, startEmbeddedPostgres } from "./embedded-postgres.ts";
export type { EmbeddedPostgres } from "./embedded-postgres.ts";
