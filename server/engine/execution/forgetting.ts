// Tells agents, beside the walk of a plan, that they may forget scripts whose results are stored, so that no step waits for it. That an agent has
// done so is stored with what the walk stores next. What is left over when this process dies, the late completer does.

import type { Transaction } from "../../platform/database/database.ts";
import { markCompleted } from "./step-run-store.ts";

export interface Forgetting {
  /** Begins to tell. `tell` answers whether the row is to be marked; what it throws ends the task, unless the lease is lost anyway. */
  begin(rowId: number, tell: () => Promise<boolean>): void;
  /** Marks the rows whose agents have answered by now; undefined when there are none. For one guarded transaction. */
  mark(): ((tx: Transaction) => Promise<void>) | undefined;
  /** Resolves when nobody is being told any more. Each call has its own deadline. */
  settled(): Promise<void>;
}

export function createForgetting(lost: AbortSignal): Forgetting {
  const underWay = new Set<Promise<void>>();
  const told: number[] = [];
  const failures: unknown[] = [];

  async function run(rowId: number, tell: () => Promise<boolean>): Promise<void> {
    try {
      if (await tell()) told.push(rowId);
    } catch (error) {
      if (!lost.aborted) failures.push(error);
    }
  }

  return {
    begin(rowId, tell) {
      const telling = run(rowId, tell).finally(() => underWay.delete(telling));
      underWay.add(telling);
    },
    mark() {
      if (told.length === 0) return undefined;
      const ids = told.splice(0);
      return (tx) => markCompleted(tx, ids);
    },
    async settled() {
      await Promise.all(underWay);
      if (lost.aborted) throw lost.reason;
      if (failures.length > 0) throw failures[0];
    },
  };
}
