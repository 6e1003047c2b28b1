// Reads the audit trail. platform/audit is its only writer; nothing here or elsewhere changes or deletes an event.

import type { Queryable } from "../../../platform/database/database.ts";

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
     AND ($9::bigint IS NULL OR auto_id >= $9) AND ($10::bigint IS NULL OR auto_id <= $10)`;
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
  ];
  const rows = await db.query<EventRow>(`SELECT ${columns} FROM events WHERE ${where} ORDER BY auto_id DESC OFFSET $11 LIMIT $12`, [
    ...values,
    window.skip,
    window.take,
  ]);
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM events WHERE ${where}`, values);
  return { rows, total: count?.total ?? 0 };
}
