// SQL of worker pools beyond what every resource has: their order.

import type { Transaction } from "../../../platform/database/database.ts";

/** The named ones first, in the given order; all others behind them in their old order. */
export async function setPoolOrder(tx: Transaction, spaceId: string, ids: readonly string[]): Promise<void> {
  await tx.execute(
    `UPDATE worker_pools w SET sort_order = o.position
       FROM (SELECT id, row_number() OVER (ORDER BY array_position($2::text[], id) NULLS LAST, sort_order, lower(name)) - 1 AS position
               FROM worker_pools WHERE space_id = $1) o
      WHERE w.id = o.id AND w.sort_order <> o.position`,
    [spaceId, ids],
  );
}
