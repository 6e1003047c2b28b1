// Opens the pool and runs transactions on it, with deadlines and retries. A connection that misses its deadline is thrown
// away, because the outcome of what it was doing is then unknown; callers key their writes so that reading back decides.

import { randomUUID } from "node:crypto";
import { Client, Pool, types } from "pg";
import type { ClientBase, ClientConfig, PoolClient, QueryConfig } from "pg";
import { monotonicMs, pause } from "../../base/clock.ts";
import { leaveCommitMark } from "./commit-mark-store.ts";
import { CommitOutcomeUnknown, DatabaseUnavailable, describe, errorCode, isConnectionLoss } from "./database-errors.ts";
import { createDatabaseHosts } from "./database-hosts.ts";
import type { DatabaseHosts, TimelineRecord } from "./database-hosts.ts";
import { createListener } from "./listener.ts";
import type { Database, DatabaseConnection, DatabaseHost, SqlValue, Transaction, TransactionOptions } from "./queryable.ts";

export interface DatabaseOptions {
  connection: DatabaseConnection;
  /** Shown in pg_stat_activity; starts with "cuttle". */
  applicationName: string;
  /** Most connections this pool opens. */
  connectionsMax: number;
  /** The server ends a statement after this long. */
  statementTimeoutMs?: number;
  /** Chosen hosts shared with other pools of this node; without it the pool looks for itself. */
  hosts?: DatabaseHosts;
}

// bigint and count(*) arrive as numbers: ours stay far below 2^53 and a silent text would compare wrongly.
types.setTypeParser(types.builtins.INT8, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new Error(`A 64-bit integer of the database (${text}) is beyond what this program can hold exactly.`);
  return value;
});

/** Waiting longer than this for a free connection means the node is overloaded or the database is gone. */
const connectTimeoutMs = 5_000;
/** A vanished peer answers nothing: give up a little after the server's own limit would have ended the statement. */
const queryTimeoutGraceMs = 2_000;
const statementTimeoutMsDefault = 10_000;
/** Locks are held for milliseconds here; five seconds of waiting is a fault, not patience. */
const lockTimeoutMs = 5_000;
/** Nobody may sit in an open transaction: no RPC, HTTP or user code runs inside one. */
const idleInTransactionTimeoutMs = 10_000;
const transactionAttemptsMax = 5;
/** A commit waits for disks and for the standby, which `statement_timeout` does not end; after this its outcome is read back. */
const commitTimeoutMs = 5_000;
/** How long the outcome of a commit is looked for: a failover is over by then, and a caller has not given up yet. */
const commitReadBackMs = 10_000;
const retryPauseMsMax = 640;

const retryable = new Set(["40001", "40P01", "55P03"]);

const changes = /\b(INSERT|UPDATE|DELETE)\b/i;

/** The server said itself that it did not do it, and not that it is ending. */
function isRefusal(error: unknown): boolean {
  const code = errorCode(error) ?? "";
  return /^[0-9A-Z]{5}$/.test(code) && !code.startsWith("57P") && !code.startsWith("08");
}

function isPoolFull(error: unknown): boolean {
  return error instanceof Error && /timeout exceeded when trying to connect/.test(error.message);
}

/** Attempts of one intent whose outcome nobody told us. At most one of them took effect: they leave the same mark. */
interface CommitMark<T> {
  readonly intent: string;
  attempt: number;
  readonly unknown: Map<number, { result: T; committed: readonly (() => void)[] }>;
}

function clientConfig(options: Pick<DatabaseOptions, "connection" | "applicationName" | "statementTimeoutMs">): ClientConfig {
  const statementTimeoutMs = options.statementTimeoutMs ?? statementTimeoutMsDefault;
  return {
    ...options.connection,
    application_name: options.applicationName,
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    query_timeout: statementTimeoutMs + queryTimeoutGraceMs,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
  };
}

/** For the pools of a node to share: they then move to another host together. */
export function findDatabaseHosts(
  connection: DatabaseConnection,
  options: { applicationName: string; record?: TimelineRecord },
): DatabaseHosts {
  return createDatabaseHosts(connection, { clientConfig: clientConfig({ connection, ...options }), record: options.record });
}

export function openDatabase(options: DatabaseOptions): Database {
  const config = clientConfig(options);
  const hosts = options.hosts ?? createDatabaseHosts(options.connection, { clientConfig: config });
  /** Leads to the host that is the one to write to when it is made. */
  class HostClient extends Client {
    readonly at: DatabaseHost;
    constructor(own: ClientConfig = config) {
      const at = hosts.current();
      super({ ...own, ...at, password: options.connection.password });
      this.at = at;
    }
  }
  const pool = new Pool({
    ...config,
    Client: HostClient,
    // Waited for, although the type does not say so: what it rejects is no connection of this pool.
    onConnect: ((client: ClientBase) => hosts.admit(client, (client as HostClient).at)) as (client: ClientBase) => void,
    max: options.connectionsMax,
    idleTimeoutMillis: 60_000,
  });
  // An idle connection that dies must not end the process; the next user gets a fresh one.
  pool.on("error", () => {});
  const listeners = new Set<{ close(): Promise<void> }>();
  const owners = new Set<{ channel: string; own: (payload: string) => boolean }>();
  let closed = false;

  async function run<Row>(
    client: PoolClient | Pool,
    text: string,
    values: readonly SqlValue[] | undefined,
    name: string | undefined,
  ): Promise<{ rows: Row[]; count: number }> {
    const config: QueryConfig = { text, ...(values ? { values: [...values] } : {}), ...(name ? { name } : {}) };
    const result = await client.query(config);
    return { rows: result.rows as Row[], count: result.rowCount ?? 0 };
  }

  /** A connection to the host that may be written to; after a first failure all hosts are asked once again. */
  async function checkOut(): Promise<PoolClient> {
    const giveUpAtMs = monotonicMs() + connectTimeoutMs;
    for (let failed = false; ;) {
      await hosts.writable();
      try {
        const client = await pool.connect();
        if (!hosts.isCurrent(client)) {
          client.release(true);
          if (monotonicMs() < giveUpAtMs) continue;
          throw new Error("the database moves from host to host");
        }
        // A checked-out client whose socket dies emits "error"; the running query rejects, which is where it is handled.
        if (client.listenerCount("error") === 0) client.on("error", () => {});
        return client;
      } catch (error) {
        // That all connections are in use says nothing about the host.
        if (isPoolFull(error)) throw new DatabaseUnavailable(describe(error), error);
        hosts.doubt();
        if (failed || options.connection.otherHosts === undefined || monotonicMs() >= giveUpAtMs)
          throw new DatabaseUnavailable(describe(error), error);
        failed = true;
      }
    }
  }

  async function attempt<T>(work: (tx: Transaction) => Promise<T>, mark?: CommitMark<T>): Promise<T> {
    const client = await checkOut();
    const committed: (() => void)[] = [];
    let result: T | undefined;
    let phase: "open" | "committing" | "done" = "open";
    let broken: unknown;
    const tx: Transaction = {
      query: async <Row>(text: string, values?: readonly SqlValue[], o?: { name: string }) =>
        (await run<Row>(client, text, values, o?.name)).rows,
      execute: async (text, values, o) => (await run(client, text, values, o?.name)).count,
      afterCommit: (callback) => void committed.push(callback),
      notify: (channel, payload) =>
        void committed.push(() => {
          if ([...owners].some((one) => one.channel === channel && one.own(payload))) return;
          void pool.query({ name: "notify", text: "SELECT pg_notify($1, $2)", values: [channel, payload] }).catch(() => {});
        }),
    };
    try {
      await client.query("BEGIN");
      // As the first statement of a repeat it waits until the database knows how the earlier attempt ended.
      const isRepeat = mark !== undefined && mark.unknown.size > 0;
      if (isRepeat) {
        const there = await leaveCommitMark(tx, mark.intent, mark.attempt);
        const earlier = mark.unknown.get(there);
        if (earlier !== undefined) {
          await client.query("ROLLBACK");
          for (const callback of earlier.committed) callback();
          return earlier.result;
        }
      }
      result = await work(tx);
      if (mark !== undefined && !isRepeat) await leaveCommitMark(tx, mark.intent, mark.attempt);
      phase = "committing";
      const outcome = await client.query({ text: "COMMIT", query_timeout: commitTimeoutMs } as QueryConfig);
      // A COMMIT in a failed transaction answers ROLLBACK without an error: a swallowed error of a statement, so a bug of ours.
      if (outcome.command !== "COMMIT")
        throw new Error("A statement of this transaction failed and its error was swallowed; nothing was stored.");
      phase = "done";
      for (const callback of committed) callback();
      return result;
    } catch (error) {
      if (isConnectionLoss(error)) broken = error;
      if (broken !== undefined) hosts.doubt();
      if (phase === "committing" && broken !== undefined) {
        mark?.unknown.set(mark.attempt, { result: result as T, committed });
        throw new CommitOutcomeUnknown(error);
      }
      if (broken === undefined) {
        try {
          await client.query("ROLLBACK");
        } catch (rollbackError) {
          broken = rollbackError;
        }
      }
      throw error;
    } finally {
      client.release(broken !== undefined);
    }
  }

  const database: Database = {
    connection: options.connection,
    async query<Row>(text: string, values?: readonly SqlValue[], o?: { name: string }): Promise<Row[]> {
      return (await single<Row>(text, values, o?.name)).rows;
    },
    async execute(text, values, o) {
      return (await single(text, values, o?.name)).count;
    },
    async transaction<T>(work: (tx: Transaction) => Promise<T>, o?: TransactionOptions) {
      const attemptsMax = o?.attemptsMax ?? transactionAttemptsMax;
      const mark: CommitMark<T> | undefined = o?.readBack ? { intent: randomUUID(), attempt: 0, unknown: new Map() } : undefined;
      let unknownSince: { error: CommitOutcomeUnknown; atMs: number } | undefined;
      for (let n = 1; ; n++) {
        if (mark !== undefined) mark.attempt = n;
        try {
          return await attempt(work, mark);
        } catch (error) {
          if (error instanceof CommitOutcomeUnknown) {
            if (mark === undefined) throw error;
            unknownSince ??= { error, atMs: monotonicMs() };
          }
          const again = retryable.has(errorCode(error) ?? "") || isConnectionLoss(error);
          if (!again) throw error;
          if (unknownSince !== undefined) {
            if (closed || monotonicMs() - unknownSince.atMs > commitReadBackMs) throw unknownSince.error;
          } else if (n >= attemptsMax || closed) {
            throw error instanceof DatabaseUnavailable ? error : new DatabaseUnavailable(describe(error), error);
          }
          await pause(Math.random() * Math.min(20 * 2 ** n, retryPauseMsMax));
        }
      }
    },
    async listen(channel, onWake, own) {
      const listener = createListener(
        async (use) => {
          await hosts.writable();
          const client = new HostClient();
          use(client);
          try {
            await client.connect();
            await hosts.admit(client, client.at);
          } catch (error) {
            hosts.doubt();
            throw error;
          }
        },
        channel,
        onWake,
      );
      listeners.add(listener);
      await listener.ready;
      const owner = { channel, own: own ?? (() => false) };
      owners.add(owner);
      return {
        close: async () => {
          owners.delete(owner);
          listeners.delete(listener);
          await listener.close();
        },
      };
    },
    async close() {
      if (closed) return;
      closed = true;
      await Promise.all([...listeners].map((listener) => listener.close()));
      await pool.end();
      if (options.hosts === undefined) hosts.close();
    },
  };

  async function single<Row>(
    text: string,
    values: readonly SqlValue[] | undefined,
    name: string | undefined,
  ): Promise<{ rows: Row[]; count: number }> {
    const client = await checkOut();
    let broken = false;
    try {
      return await run<Row>(client, text, values, name);
    } catch (error) {
      broken = isConnectionLoss(error);
      if (!broken) throw error;
      hosts.doubt();
      // A statement by itself commits by itself: what was sent and not answered may have taken effect.
      throw changes.test(text) && !isRefusal(error) ? new CommitOutcomeUnknown(error) : new DatabaseUnavailable(describe(error), error);
    } finally {
      client.release(broken);
    }
  }

  return database;
}
