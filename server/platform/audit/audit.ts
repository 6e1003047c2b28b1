// The audit trail: who changed what. An event is written by the transaction that makes the change, so neither exists without the other.

import type { Transaction } from "../database/database.ts";
import type { Actor, NewEvent } from "./event.ts";
import { recordEventRow } from "./event-store.ts";

export type { Actor, NewEvent } from "./event.ts";

/** The server acting on its own: taking a task, finishing it, checking health. */
export const systemActor: Actor = { userId: null, username: "system" };

/** Records what happened, in the transaction of the change itself. */
export async function recordEvent(tx: Transaction, event: NewEvent): Promise<void> {
  await recordEventRow(tx, event);
}
