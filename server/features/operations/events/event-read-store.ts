// Reads the audit trail. platform/audit is its only writer; nothing here or elsewhere changes or deletes an event.

import type { Queryable } from "../../../platform/database/database.ts";
import type { SpacesAsked } from "../../../platform/resources/resources.ts";

export interface EventRow {
  auto_id: number;
  space_id: string | null;
  category: string;
  user_id: string | null;
  username: string;
  occurred_at: Date;
  message: string;
  related_document_ids: string[];
}

export interface EventFilter {
  spaceId?: string | undefined;
  spaces?: SpacesAsked | undefined;
  ids?: readonly number[] | undefined;
  /** All of these ids. */
  regarding?: readonly string[] | undefined;
  /** Any of these ids. */
  regardingAny?: readonly string[] | undefined;
  categories?: readonly string[] | undefined;
  users?: readonly string[] | undefined;
  from?: string | undefined;
  to?: string | undefined;
  fromAutoId?: number | undefined;
  toAutoId?: number | undefined;
}

const columns = "auto_id, space_id, category, user_id, username, occurred_at, message, related_document_ids";

/** Newest first. Ids of documents are compared in the spelling they are stored in. */
export async function listEvents(
  db: Queryable,
  filter: EventFilter,
  window: { skip: number; take: number },
): Promise<{ rows: EventRow[]; total: number }> {
  const some = (values: readonly unknown[] | undefined) => (values?.length ? values : null);
  const where = `($1::text IS NULL OR space_id = $1) AND ($2::bigint[] IS NULL OR auto_id = ANY ($2)) AND ($3::text[] IS NULL OR related_document_ids @> $3)
     AND ($4::text[] IS NULL OR related_document_ids && $4) AND ($5::text[] IS NULL OR lower(category) = ANY ($5)) AND ($6::text[] IS NULL OR user_id = ANY ($6))
     AND ($7::timestamptz IS NULL OR occurred_at >= $7) AND ($8::timestamptz IS NULL OR occurred_at <= $8)
     AND ($9::bigint IS NULL OR auto_id >= $9) AND ($10::bigint IS NULL OR auto_id <= $10)
     AND (space_id IS NULL AND $11 OR space_id IS NOT NULL AND ($12::text[] IS NULL OR lower(space_id) = ANY ($12)))`;
  const values = [
    filter.spaceId ?? null,
    some(filter.ids),
    some(filter.regarding),
    some(filter.regardingAny),
    some(filter.categories?.map((one) => one.toLowerCase())),
    some(filter.users),
    filter.from || null,
    filter.to || null,
    filter.fromAutoId ?? null,
    filter.toAutoId ?? null,
    filter.spaces?.includeSystem ?? true,
    filter.spaces?.ids ?? null,
  ];
  const rows = await db.query<EventRow>(`SELECT ${columns} FROM events WHERE ${where} ORDER BY auto_id DESC OFFSET $13 LIMIT $14`, [
    ...values,
    window.skip,
    window.take,
  ]);
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM events WHERE ${where}`, values);
  return { rows, total: count?.total ?? 0 };
}

/** A place in the order in which events become visible. Transactions as text, since they outgrow numbers of this language. */
export interface EventPlace {
  transaction: string;
  autoId: number;
}

/** Nothing that is not finished comes before what is: only transactions older than all that still run are looked at. */
const isSettled = `e.transaction < pg_snapshot_xmin(pg_current_snapshot())`;

/** The place behind everything that is settled now. */
export async function findEventsEnd(db: Queryable): Promise<EventPlace> {
  const [row] = await db.query<{ transaction: string; auto_id: number }>(
    `SELECT e.transaction::text, e.auto_id FROM events e WHERE e.transaction IS NOT NULL AND ${isSettled}
      ORDER BY e.transaction DESC, e.auto_id DESC LIMIT 1`,
    [],
    { name: "events-end" },
  );
  return { transaction: row?.transaction ?? "0", autoId: row?.auto_id ?? 0 };
}

/** Whether a place that came from outside can be one of this database: a restored one may be behind it. */
export async function isEventPlace(db: Queryable, place: EventPlace): Promise<boolean> {
  const [row] = await db.query<{ fits: boolean }>(`SELECT $1::text::xid8 < pg_snapshot_xmax(pg_current_snapshot()) AS fits`, [
    place.transaction,
  ]);
  return row?.fits === true;
}

/** Settled events behind a place, in the order in which they became visible; of one space, or of all and the whole system. */
export async function listEventsBehind(
  db: Queryable,
  place: EventPlace,
  spaceId: string | undefined,
  most: number,
): Promise<(EventRow & { transaction: string })[]> {
  return await db.query<EventRow & { transaction: string }>(
    `SELECT ${columns}, e.transaction::text AS transaction FROM events e
      WHERE e.transaction IS NOT NULL AND (e.transaction, e.auto_id) > ($1::text::xid8, $2) AND ${isSettled}
        AND ($3::text IS NULL OR e.space_id = $3)
      ORDER BY e.transaction, e.auto_id LIMIT $4`,
    [place.transaction, place.autoId, spaceId ?? null, most],
    { name: "events-behind" },
  );
}
