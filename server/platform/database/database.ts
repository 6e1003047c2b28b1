// The only door to PostgreSQL: pools, transactions with deadlines and retries, notifications, migrations, ids. The one table it knows is that of its own marks.

export type { Database, DatabaseConnection, DatabaseHost, Queryable, SqlValue, Transaction } from "./queryable.ts";
export type { DatabaseHosts, TimelineRecord } from "./database-hosts.ts";
export { openTimelineRecord } from "./timeline-record.ts";
export { forgetOldCommitMarks } from "./commit-mark-store.ts";
export { CommitOutcomeUnknown, DatabaseUnavailable, errorCode, isConnectionLoss, violatedConstraint } from "./database-errors.ts";
export type { DatabaseOptions } from "./pool.ts";
export { findDatabaseHosts, openDatabase } from "./pool.ts";
export { DatabaseTooOld, migrate, SchemaTooNew } from "./migrate.ts";
export type { MigrationStep } from "./migrate.ts";
export { preparedAs } from "./prepared-text.ts";
export { createSharedReads } from "./shared-reads.ts";
export type { SharedReads } from "./shared-reads.ts";
export { nextId } from "./ids.ts";
export type { Collection } from "./ids.ts";
export { EmbeddedPostgresError, startEmbeddedPostgres } from "./embedded-postgres.ts";
export type { EmbeddedPostgres } from "./embedded-postgres.ts";
