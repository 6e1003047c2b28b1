// The shapes in which the rest of the server sees the database: statements, transactions, notifications.

/** Where a database server listens. A socket folder as `host` means a unix socket. */
export interface DatabaseHost {
  host: string;
  port: number;
}

/** Where the database is. */
export interface DatabaseConnection extends DatabaseHost {
  /** Further hosts with copies of it, of which one can be written to when the first cannot. */
  otherHosts?: readonly DatabaseHost[];
  user: string;
  password: string;
  database: string;
}

/** Values as `pg` takes them; arrays become SQL arrays, plain objects JSON. */
export type SqlValue = unknown;

/** What can run statements: a transaction, or the database itself for single statements. */
export interface Queryable {
  /** Rows of one statement. With a `name` in the options the statement is prepared once per connection: for hot ones. */
  query<Row>(text: string, values?: readonly SqlValue[], options?: { name: string }): Promise<Row[]>;
  /** Number of rows that one statement touched. */
  execute(text: string, values?: readonly SqlValue[], options?: { name: string }): Promise<number>;
}

export interface Transaction extends Queryable {
  /** Runs after a successful commit, never after a rollback; for waking waiters in this process. Must not throw. */
  afterCommit(run: () => void): void;
  /**
   * Hints at something on a channel once the transaction has committed. Sent apart from it, because PostgreSQL lets transactions
   * that notify commit only one after the other; a process that dies in between never sends it, so waiters poll as well.
   */
  notify(channel: string, payload: string): void;
}

export interface TransactionOptions {
  attemptsMax?: number;
  readBack?: boolean;
}

export interface Database extends Queryable {
  /**
   * One READ COMMITTED transaction. Serialisation failures, deadlocks and lost connections before COMMIT are retried
   * with jitter (`attemptsMax`, default 5), so `run` must have no effect outside the transaction.
   * With `readBack` the transaction leaves a mark, and a connection lost at COMMIT is no error: the mark is looked for, and the
   * transaction is run again only when it is not there. For everything that would be doubled by being repeated.
   * @throws CommitOutcomeUnknown when the connection was lost at COMMIT and the outcome could not be read back in time
   * @throws DatabaseUnavailable when no connection can be had, or retries are used up
   */
  transaction<T>(run: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * Listens on a channel over a connection of its own. `onWake` also runs after every reconnect, since notifications may have been lost.
   * `own` is told what transactions of this process are about to notify on the channel, without a way through the database; true: it has
   * seen to it, nothing is sent. Must not throw.
   */
  listen(
    channel: string,
    onWake: (payload: string | null) => void,
    own?: (payload: string) => boolean,
  ): Promise<{ close(): Promise<void> }>;
  readonly connection: DatabaseConnection;
  close(): Promise<void>;
}
