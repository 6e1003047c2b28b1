// Rows as PostgreSQL keeps them under READ COMMITTED, in memory: each has what is committed and what the one transaction that holds
// its lock made of it. Statements see committed rows and their own; who wants a locked row waits for its holder.

/** Column names are those of the schema. */
export type Row = Readonly<Record<string, unknown>>;

export interface Cell {
  readonly table: string;
  readonly key: string;
  committed: Row | undefined;
  pending: Row | undefined;
  holder: ModelTransaction | undefined;
  readonly waiting: (() => void)[];
}

export interface ModelTransaction {
  /** Who speaks over this connection; for observers. */
  readonly client: string;
  /** What `now()` says in it. */
  readonly startedMs: number;
  readonly held: Set<Cell>;
  /** With synchronous_commit off, a crash of the database may forget the commit. */
  async: boolean;
  /** It is ended when its client says nothing for so long. */
  idleMsMax: number;
  state: "open" | "committed" | "aborted";
}

export interface RowChange {
  table: string;
  key: string;
  before: Row | undefined;
  after: Row | undefined;
}

/** As pool.ts sets it. */
export const idleMsMaxDefault = 10_000;

/** An error as the driver gives it. */
export function sqlError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

export interface ModelTables {
  begin(client: string, nowMs: number): ModelTransaction;
  /** The changes it made true. */
  commit(tx: ModelTransaction): RowChange[];
  abort(tx: ModelTransaction): void;
  cells(table: string): Iterable<Cell>;
  /** The cell of a key; there may be no row in it. */
  cell(table: string, key: string): Cell;
  visible(tx: ModelTransaction, cell: Cell): Row | undefined;
  /**
   * Locks the row if the condition holds for what the statement sees, and, when somebody else held the lock, still holds for what he
   * left. Answers the row, or undefined.
   */
  lock(tx: ModelTransaction, cell: Cell, condition: (row: Row) => boolean): Promise<Row | undefined>;
  /** Waits until nobody else holds the cell, and holds it, row or not: for inserts by key, and for advisory locks. */
  hold(tx: ModelTransaction, cell: Cell): Promise<void>;
  /** Writes a row that this transaction holds. */
  put(tx: ModelTransaction, cell: Cell, row: Row | undefined): void;
  sequence(name: string): number;
  /** What a crash leaves: commits that waited for the disk, and all before the last of them. */
  crash(): void;
}

export function createModelTables(parts: {
  /** Calls after so long; the answered function takes it back. For lock_timeout. */
  after: (ms: number, work: () => void) => () => void;
  lockTimeoutMs: number;
}): ModelTables {
  const tables = new Map<string, Map<string, Cell>>();
  const sequences = new Map<string, number>();
  /** Commits that a crash would forget, newest last. */
  let unsynced: { cell: Cell; before: Row | undefined }[] = [];

  function tableOf(name: string): Map<string, Cell> {
    let table = tables.get(name);
    if (table === undefined) tables.set(name, (table = new Map<string, Cell>()));
    return table;
  }

  function release(tx: ModelTransaction): void {
    for (const cell of tx.held) {
      cell.holder = undefined;
      cell.pending = undefined;
      for (const wake of cell.waiting.splice(0)) wake();
    }
    tx.held.clear();
  }

  /** Waits for the lock and takes it in the same turn: others may have waited for it as well. */
  async function acquire(tx: ModelTransaction, cell: Cell): Promise<void> {
    while (cell.holder !== undefined && cell.holder !== tx) {
      const timedOut = await new Promise<boolean>((resolve) => {
        const takeBack = parts.after(parts.lockTimeoutMs, () => resolve(true));
        cell.waiting.push(() => {
          takeBack();
          resolve(false);
        });
      });
      if (tx.state !== "open") throw sqlError("57P01", "terminating connection");
      if (timedOut && cell.holder !== undefined) throw sqlError("55P03", "canceling statement due to lock timeout");
    }
    if (cell.holder === tx) return;
    cell.holder = tx;
    cell.pending = cell.committed;
    tx.held.add(cell);
  }

  const model: ModelTables = {
    begin: (client, startedMs) => ({ client, startedMs, held: new Set(), async: false, idleMsMax: idleMsMaxDefault, state: "open" }),
    commit(tx) {
      const changes: RowChange[] = [];
      for (const cell of tx.held) {
        if (cell.pending === cell.committed) continue;
        changes.push({ table: cell.table, key: cell.key, before: cell.committed, after: cell.pending });
        unsynced.push({ cell, before: cell.committed });
        cell.committed = cell.pending;
      }
      if (!tx.async && changes.length > 0) unsynced = [];
      tx.state = "committed";
      release(tx);
      return changes;
    },
    abort(tx) {
      if (tx.state !== "open") return;
      tx.state = "aborted";
      release(tx);
    },
    cells: (table) => tableOf(table).values(),
    cell(table, key) {
      const cells = tableOf(table);
      let cell = cells.get(key);
      if (cell === undefined) {
        cell = { table, key, committed: undefined, pending: undefined, holder: undefined, waiting: [] };
        cells.set(key, cell);
      }
      return cell;
    },
    visible: (tx, cell) => (cell.holder === tx ? cell.pending : cell.committed),
    async lock(tx, cell, condition) {
      const seen = model.visible(tx, cell);
      if (seen === undefined || !condition(seen)) return undefined;
      // As PostgreSQL does: the row stays locked even when it does not fit any more.
      await acquire(tx, cell);
      const now = model.visible(tx, cell);
      return now !== undefined && condition(now) ? now : undefined;
    },
    hold: acquire,
    put(tx, cell, row) {
      if (cell.holder !== tx) throw new Error(`A statement of the model writes ${cell.table} ${cell.key} without its lock.`);
      cell.pending = row;
    },
    sequence(name) {
      const next = (sequences.get(name) ?? 0) + 1;
      sequences.set(name, next);
      return next;
    },
    crash() {
      for (const { cell, before } of unsynced.reverse()) cell.committed = before;
      unsynced = [];
    },
  };
  return model;
}
