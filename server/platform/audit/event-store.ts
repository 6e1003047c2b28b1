// SQL of the audit trail; the only writer of the events table.

import type { Transaction } from "../database/database.ts";
import type { NewEvent } from "./event.ts";

export async function recordEventRow(tx: Transaction, event: NewEvent): Promise<void> {
  await tx.execute(
    `INSERT INTO events (space_id, category, user_id, username, message, related_document_ids) VALUES ($1, $2, $3, $4, $5, $6)`,
    [event.spaceId, event.category, event.actor.userId, event.actor.username, event.message, event.relatedDocumentIds],
    { name: "record-event" },
  );
}
