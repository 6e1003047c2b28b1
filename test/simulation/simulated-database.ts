// PostgreSQL as the processes of a simulation see it: sessions over a network that loses connections, also exactly at COMMIT; a
// clock of its own; crashes that forget what did not wait for the disk; notifications that may be lost.

import type { Database, Queryable, SqlValue, Transaction } from "../../server/platform/database/database.ts";
import { CommitOutcomeUnknown, DatabaseUnavailable, errorCode, isConnectionLoss } from "../../server/platform/database/database.ts";
import type { StatementResult } from "./model-statements.ts";
import { createModelStatements } from "./model-statements.ts";
import type { ModelTransaction, Row, RowChange } from "./model-tables.ts";
import { createModelTables, sqlError } from "./model-tables.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** As pool.ts sets them. */
const lockTimeoutMs = 5_000;
const attemptsMaxDefault = 5;
const retryable = new Set(["40001", "40P01", "55P03"]);
/** One way; most messages take near the lower one. */
const latencyMs = { min: 0.2, max: 6 };
/** A connection that is refused or reset says so after at most this. */
const failureMsMax = 1_500;

export interface DatabaseFaults {
  /** Of each message: the connection is lost before it arrives, or its answer is lost with the connection. */
  loss: number;
  /** Of each COMMIT, besides. */
  commitLoss: number;
  /** Of each notification. */
  notificationLoss: number;
}

/** What an answer means is known to the process from here on. */
export type SeenByProcess = (process: SimulatedProcess, statement: string, values: readonly SqlValue[], rows: readonly Row[]) => void;

export interface SimulatedDatabase {
  connect(process: SimulatedProcess): Database;
  /** Nobody gets an answer for so long, and what did not wait for the disk is forgotten. */
  crash(downMs: number): void;
  /** Nothing passes between this process and the database for so long. */
  cutOff(process: SimulatedProcess, ms: number): void;
  /** Committed rows of a table, for the checker only. */
  rows(table: string): Row[];
  row(table: string, key: string): Row | undefined;
  /** Who holds the lock of a row, for a trace. */
  holder(table: string, key: string): string;
}

const ignored = { ok: undefined };

export function createSimulatedDatabase(parts: {
  time: VirtualTime;
  random: () => number;
  faults: () => DatabaseFaults;
  onCommit: (tx: ModelTransaction, changes: readonly RowChange[]) => void;
  onSeen: SeenByProcess;
  trace: (text: string) => void;
}): SimulatedDatabase {
  const { time, random } = parts;
  const model = createModelTables({ after: (ms, work) => time.after(ms, work), lockTimeoutMs });
  const statements = createModelStatements(model, () => time.nowMs());
  const open = new Set<ModelTransaction>();
  const cutOffUntil = new Map<string, number>();
  const listeners: {
    process: SimulatedProcess;
    channel: string;
    onWake: (payload: string | null) => void;
    own: ((payload: string) => boolean) | undefined;
    open: boolean;
  }[] = [];
  let downUntilMs = 0;

  const latency = (): number => latencyMs.min + (latencyMs.max - latencyMs.min) * random() ** 4;
  const isReachable = (process: SimulatedProcess): boolean =>
    time.nowMs() >= downUntilMs && time.nowMs() >= (cutOffUntil.get(process.name) ?? 0);
  const connectionLost = (): Error => new Error("Connection terminated unexpectedly");

  function abort(tx: ModelTransaction): void {
    open.delete(tx);
    model.abort(tx);
  }

  function commit(tx: ModelTransaction): void {
    if (tx.state !== "open") throw sqlError("57P01", "terminating connection due to administrator command");
    open.delete(tx);
    const changes = model.commit(tx);
    if (changes.length > 0) parts.onCommit(tx, changes);
  }

  function wake(channel: string, payload: string): void {
    for (const one of listeners) {
      if (!one.open || one.channel !== channel || random() < parts.faults().notificationLoss) continue;
      time.after(latency(), () => {
        if (isReachable(one.process)) one.process.effect("notification", () => one.onWake(payload));
      });
    }
  }

  /** One message and its answer. `serve` happens at the database, when the message arrives. */
  function ask<T>(process: SimulatedProcess, name: string, loss: number, serve: () => Promise<T>, onLoss: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      process.effect(`${name} sent`, () => {
        const fate = random();
        const isLostBefore = fate < loss / 2;
        const isLostAfter = !isLostBefore && fate < loss;
        function lose(): void {
          onLoss();
          parts.trace(`${process.name} loses its connection ${isLostAfter ? "after" : "before"} ${name}`);
          time.after(failureMsMax * random() ** 2, () => process.effect(`${name} lost`, () => reject(connectionLost())));
        }
        time.after(latency(), () => {
          if (isLostBefore || !isReachable(process)) return lose();
          serve().then(
            (result) => {
              if (isLostAfter || !isReachable(process)) return lose();
              time.after(latency(), () => process.effect(`${name} answered`, () => resolve(result)));
            },
            (error: unknown) => {
              time.after(latency(), () =>
                process.effect(`${name} refused`, () => reject(error instanceof Error ? error : new Error(String(error)))),
              );
            },
          );
        });
      });
    });
  }

  function find(name: string | undefined): (tx: ModelTransaction, values: readonly unknown[]) => Promise<StatementResult> {
    const statement = name === undefined ? undefined : statements.get(name);
    if (statement === undefined) throw new Error(`The model knows no statement named ${name}; add it to model-statements.ts.`);
    return statement;
  }

  function connect(process: SimulatedProcess): Database {
    const own = new Set<ModelTransaction>();
    /** A dead process's sessions end once the database hears of it, at the latest by keep-alive. */
    process.onDeath(() => {
      const heardAfterMs = random() < 0.2 ? 10_000 * random() : 100 * random();
      time.after(latencyMs.max + heardAfterMs, () => {
        for (const tx of own) abort(tx);
      });
      for (const one of listeners) if (one.process === process) one.open = false;
    });
    process.onFreeze((ms) => {
      for (const tx of own) if (ms > tx.idleMsMax) time.after(tx.idleMsMax, () => abort(tx));
    });

    async function single(name: string | undefined, values: readonly SqlValue[]): Promise<StatementResult> {
      const statement = find(name);
      try {
        const result = await ask(
          process,
          name!,
          parts.faults().loss,
          async () => {
            const tx = model.begin(process.name, time.nowMs());
            open.add(tx);
            own.add(tx);
            try {
              const done = await statement(tx, values);
              commit(tx);
              for (const { channel, payload } of done.notifications ?? []) wake(channel, payload);
              return done;
            } finally {
              abort(tx);
              own.delete(tx);
            }
          },
          () => {},
        );
        parts.onSeen(process, name!, values, result.rows);
        return result;
      } catch (error) {
        throw isConnectionLoss(error) ? new DatabaseUnavailable("the connection was lost", error) : error;
      }
    }

    async function attempt<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
      const { loss } = parts.faults();
      const committed: (() => void)[] = [];
      const session: { tx?: ModelTransaction; isLost: boolean; failed: boolean } = { isLost: false, failed: false };
      function lose(): void {
        session.isLost = true;
        const { tx } = session;
        if (tx === undefined) return;
        // A database that hears nothing of it keeps the session, with its locks, until it has been idle for too long.
        if (isReachable(process)) abort(tx);
        else time.after(tx.idleMsMax * random(), () => abort(tx));
      }
      let isCommitting = false;
      async function run(name: string | undefined, values: readonly SqlValue[]): Promise<StatementResult> {
        const statement = find(name);
        const tx = session.tx!;
        if (session.isLost) throw connectionLost();
        try {
          const result = await ask(
            process,
            name!,
            loss,
            async () => {
              if (tx.state !== "open") throw sqlError("57P01", "terminating connection due to administrator command");
              const done = await statement(tx, values);
              if (tx.state !== "open") throw sqlError("57P01", "terminating connection due to administrator command");
              return done;
            },
            lose,
          );
          parts.onSeen(process, name!, values, result.rows);
          return result;
        } catch (error) {
          session.failed = true;
          throw error;
        }
      }
      const shown: Transaction = {
        query: async <R>(_text: string, values?: readonly SqlValue[], o?: { name: string }) =>
          (await run(o?.name, values ?? [])).rows as R[],
        execute: async (_text, values, o) => (await run(o?.name, values ?? [])).count,
        afterCommit: (callback) => void committed.push(callback),
        notify: (channel, payload) =>
          void committed.push(() => {
            if (listeners.some((one) => one.process === process && one.open && one.channel === channel && one.own?.(payload))) return;
            void ask(
              process,
              "notify",
              loss,
              async () => wake(channel, payload),
              () => {},
            ).catch(() => ignored.ok);
          }),
      };
      try {
        await ask(
          process,
          "begin",
          loss,
          async () => {
            session.tx = model.begin(process.name, time.nowMs());
            open.add(session.tx);
            own.add(session.tx);
          },
          lose,
        );
        const result = await work(shown);
        isCommitting = true;
        await ask(
          process,
          "commit",
          loss + parts.faults().commitLoss,
          async () => {
            if (session.failed) throw new Error("A statement of this transaction failed and its error was swallowed; nothing was stored.");
            commit(session.tx!);
          },
          lose,
        );
        for (const callback of committed) callback();
        return result;
      } catch (error) {
        if (isCommitting && isConnectionLoss(error)) throw new CommitOutcomeUnknown(error);
        if (!isConnectionLoss(error)) {
          // ROLLBACK, for whose answer the caller waits.
          await ask(process, "rollback", loss, async () => abort(session.tx!), lose).catch(() => ignored.ok);
        }
        throw error;
      } finally {
        if (session.tx !== undefined) own.delete(session.tx);
      }
    }

    const queryable: Queryable = {
      query: async <R>(_text: string, values?: readonly SqlValue[], o?: { name: string }) =>
        (await single(o?.name, values ?? [])).rows as R[],
      execute: async (_text, values, o) => (await single(o?.name, values ?? [])).count,
    };
    return {
      ...queryable,
      connection: { host: "simulated", port: 0, user: "", password: "", database: "" },
      async transaction(work, o) {
        for (let n = 1; ; n++) {
          try {
            return await attempt(work);
          } catch (error) {
            if (error instanceof CommitOutcomeUnknown) throw error;
            if (!retryable.has(errorCode(error) ?? "") && !isConnectionLoss(error)) throw error;
            if (n >= (o?.attemptsMax ?? attemptsMaxDefault)) throw new DatabaseUnavailable("retries are used up", error);
            await process.clock.pause(random() * 20 * 2 ** n);
          }
        }
      },
      async listen(channel, onWake, own) {
        const listener = { process, channel, onWake, own, open: true };
        listeners.push(listener);
        onWake(null);
        return { close: async () => void (listener.open = false) };
      },
      close: async () => {},
    };
  }

  return {
    connect,
    crash(downMs) {
      parts.trace(`the database crashes for ${Math.round(downMs)} ms`);
      downUntilMs = time.nowMs() + downMs;
      for (const tx of open) abort(tx);
      model.crash();
    },
    cutOff(process, ms) {
      parts.trace(`${process.name} is cut off from the database for ${Math.round(ms)} ms`);
      cutOffUntil.set(process.name, time.nowMs() + ms);
    },
    rows(table) {
      const found: Row[] = [];
      for (const cell of model.cells(table)) if (cell.committed !== undefined) found.push(cell.committed);
      return found;
    },
    row: (table, key) => model.cell(table, key).committed,
    holder(table, key) {
      const { holder } = model.cell(table, key);
      return holder === undefined ? "nobody" : `${holder.client} since ${holder.startedMs.toFixed(1)} (${holder.state})`;
    },
  };
}
