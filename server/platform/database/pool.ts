// Opens the pool and runs transactions on it, with deadlines and retries. A connection that misses its deadline is thrown
// away, because the outcome of what it was doing is then unknown; callers key their writes so that reading back decides.

import { Pool, types } from "pg";
import type { ClientConfig, PoolClient, QueryConfig } from "pg";
import { pause } from "../../base/clock.ts";
import { CommitOutcomeUnknown, DatabaseUnavailable, describe, errorCode, isConnectionLoss } from "./database-errors.ts";
import { createListener } from "./listener.ts";
import type { Database, DatabaseOptions, SqlValue, Transaction } from "./queryable.ts";

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

const retryable = new Set(["40001", "40P01", "55P03"]);

function clientConfig(options: DatabaseOptions): ClientConfig {
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

export function openDatabase(options: DatabaseOptions): Database {
  const pool = new Pool({ ...clientConfig(options), max: options.connectionsMax, idleTimeoutMillis: 60_000 });
  // An idle connection that dies must not end the process; the next user gets a fresh one.
  pool.on("error", () => {});
  const listeners = new Set<{ close(): Promise<void> }>();
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

  async function checkOut(): Promise<PoolClient> {
    try {
      const client = await pool.connect();
      // A checked-out client whose socket dies emits "error"; the running query rejects, which is where it is handled.
      if (client.listenerCount("error") === 0) client.on("error", () => {});
      return client;
    } catch (error) {
      throw new DatabaseUnavailable(describe(error), error);
    }
  }

  async function attempt<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const client = await checkOut();
    const committed: (() => void)[] = [];
    let phase: "open" | "committing" | "done" = "open";
    let broken: unknown;
    const tx: Transaction = {
      query: async <Row>(text: string, values?: readonly SqlValue[], o?: { name: string }) =>
        (await run<Row>(client, text, values, o?.name)).rows,
      execute: async (text, values, o) => (await run(client, text, values, o?.name)).count,
      afterCommit: (callback) => void committed.push(callback),
      notify: (channel, payload) =>
        void committed.push(
          () => void pool.query({ name: "notify", text: "SELECT pg_notify($1, $2)", values: [channel, payload] }).catch(() => {}),
        ),
    };
    try {
      await client.query("BEGIN");
      const result = await work(tx);
      phase = "committing";
      const outcome = await client.query("COMMIT");
      // A COMMIT in a failed transaction answers ROLLBACK without an error: a swallowed error of a statement, so a bug of ours.
      if (outcome.command !== "COMMIT")
        throw new Error("A statement of this transaction failed and its error was swallowed; nothing was stored.");
      phase = "done";
      for (const callback of committed) callback();
      return result;
    } catch (error) {
      if (isConnectionLoss(error)) broken = error;
      if (phase === "committing" && broken !== undefined) throw new CommitOutcomeUnknown(error);
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
    async transaction(work, o) {
      const attemptsMax = o?.attemptsMax ?? transactionAttemptsMax;
      for (let n = 1; ; n++) {
        try {
          return await attempt(work);
        } catch (error) {
          if (error instanceof CommitOutcomeUnknown) throw error;
          const again = retryable.has(errorCode(error) ?? "") || isConnectionLoss(error);
          if (!again) throw error;
          if (n >= attemptsMax || closed) {
            throw error instanceof DatabaseUnavailable ? error : new DatabaseUnavailable(describe(error), error);
          }
          await pause(Math.random() * 20 * 2 ** n);
        }
      }
    },
    async listen(channel, onWake) {
      const listener = createListener(
        { ...clientConfig(options), query_timeout: 0, statement_timeout: 0 } as ClientConfig,
        channel,
        onWake,
      );
      listeners.add(listener);
      await listener.ready;
      return {
        close: async () => {
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
      throw broken ? new DatabaseUnavailable(describe(error), error) : error;
    } finally {
      client.release(broken);
    }
  }

  return database;
}
