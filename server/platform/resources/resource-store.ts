// SQL for the tables of plain resources, built from a definition. Table, column and order come from our own source, never from
// a request; every value of a request is a parameter.

import { problem } from "../../base/problems.ts";
import type { Queryable, Transaction } from "../database/database.ts";
import type { ResourceTable } from "./resource-table.ts";

export type StoredRow = Record<string, unknown> & { id: string; space_id: string };

/** One condition and its values; `$?` stands for the next value. */
export interface Condition {
  sql: string;
  values: readonly unknown[];
}

function withValues(conditions: readonly Condition[], first: number): { sql: string; values: unknown[] } {
  const values: unknown[] = [];
  const sql = conditions.map((condition) => {
    let n = 0;
    return `(${condition.sql.replaceAll("$?", () => {
      values.push(condition.values[n++]);
      return `$${first + values.length - 1}`;
    })})`;
  });
  return { sql: sql.length === 0 ? "true" : sql.join(" AND "), values };
}

function columns(table: ResourceTable): string {
  const own = new Set(Object.values(table.fields).map((field) => `${field.select ?? `r.${field.column}`} AS ${field.column}`));
  return ["r.id", "r.space_id", ...(table.slug ? ["r.slug"] : []), ...own].join(", ");
}

/** A page of rows in the table's order, and how many there are in all. */
export async function listRows(
  db: Queryable,
  table: ResourceTable,
  conditions: readonly Condition[],
  window: { skip: number; take: number },
): Promise<{ rows: StoredRow[]; total: number }> {
  const where = withValues(conditions, 1);
  const n = where.values.length;
  const rows = await db.query<StoredRow & { total: number }>(
    `SELECT ${columns(table)}, count(*) OVER () AS total FROM ${table.name} r WHERE ${where.sql} ORDER BY ${table.orderBy} OFFSET $${n + 1} LIMIT $${n + 2}`,
    [...where.values, window.skip, window.take],
  );
  if (rows[0] !== undefined) return { rows, total: rows[0].total };
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM ${table.name} r WHERE ${where.sql}`, where.values);
  return { rows, total: count?.total ?? 0 };
}

/** By id in any letter case, or by slug where the table has one. */
export async function findRow(
  db: Queryable,
  table: ResourceTable,
  spaceId: string,
  idOrSlug: string,
  lock: "" | "FOR UPDATE" = "",
): Promise<StoredRow | undefined> {
  const bySlug = table.slug ? " OR lower(r.slug) = lower($2)" : "";
  const [row] = await db.query<StoredRow>(
    `SELECT ${columns(table)} FROM ${table.name} r WHERE r.space_id = $1 AND (r.id = $3 OR lower(r.id) = lower($2)${bySlug}) ORDER BY (lower(r.id) = lower($2)) DESC LIMIT 1 ${lock && "FOR UPDATE OF r"}`,
    [spaceId, idOrSlug, idOrSlug],
  );
  return row;
}

/** Makes saves of one kind in one space wait for each other, so that checks of names, slugs and defaults hold. Ends with the transaction. */
export async function lockSaves(tx: Transaction, table: ResourceTable, spaceId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`${table.name}/${spaceId}`]);
}

export async function nameIsTaken(
  tx: Transaction,
  table: ResourceTable,
  within: { column: string; value: unknown },
  name: string,
  exceptId: string,
): Promise<boolean> {
  const rows = await tx.query(`SELECT 1 FROM ${table.name} WHERE ${within.column} = $1 AND lower(name) = lower($2) AND id <> $3`, [
    within.value,
    name,
    exceptId,
  ]);
  return rows.length > 0;
}

export async function takenSlugs(
  tx: Transaction,
  table: ResourceTable,
  within: { column: string; value: unknown },
  slug: string,
  exceptId: string,
): Promise<Set<string>> {
  const rows = await tx.query<{ slug: string }>(
    `SELECT lower(slug) AS slug FROM ${table.name} WHERE ${within.column} = $1 AND starts_with(lower(slug), lower($2)) AND id <> $3`,
    [within.value, slug, exceptId],
  );
  return new Set(rows.map((row) => row.slug));
}

export async function insertRow(tx: Transaction, table: ResourceTable, row: Record<string, unknown>): Promise<void> {
  const names = Object.keys(row);
  await tx.execute(
    `INSERT INTO ${table.name} (${names.join(", ")}) VALUES (${names.map((_, n) => `$${n + 1}`).join(", ")})`,
    Object.values(row),
  );
}

export async function updateRow(tx: Transaction, table: ResourceTable, id: string, row: Record<string, unknown>): Promise<void> {
  const names = Object.keys(row);
  if (names.length === 0) return;
  await tx.execute(`UPDATE ${table.name} SET ${names.map((name, n) => `${name} = $${n + 2}`).join(", ")} WHERE id = $1`, [
    id,
    ...Object.values(row),
  ]);
}

/** Takes the default mark off every other row. */
export async function clearOtherDefaults(
  tx: Transaction,
  table: ResourceTable,
  within: { column: string; value: unknown },
  exceptId: string,
): Promise<void> {
  await tx.execute(`UPDATE ${table.name} SET is_default = false WHERE ${within.column} = $1 AND is_default AND id <> $2`, [
    within.value,
    exceptId,
  ]);
}

export async function deleteRow(tx: Transaction, table: ResourceTable, id: string): Promise<void> {
  await tx.execute(`DELETE FROM ${table.name} WHERE id = $1`, [id]);
}

/** The stored spelling of ids (or what else `column` holds) that a client sent. @throws Problem 400 naming the first that is not in the space */
export async function resolveIds(
  db: Queryable,
  table: string,
  kind: string,
  spaceId: string,
  ids: readonly string[],
  column = "id",
): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await db.query<{ id: string }>(
    `SELECT ${column} AS id FROM ${table} WHERE space_id = $1 AND lower(${column}) = ANY (SELECT lower(unnest($2::text[])))`,
    [spaceId, ids],
  );
  const stored = new Map(rows.map((row) => [row.id.toLowerCase(), row.id]));
  return [
    ...new Set(
      ids.map((id) => {
        const found = stored.get(id.toLowerCase());
        if (found === undefined) throw problem.invalid(`There is no ${kind} '${id}' in this space.`);
        return found;
      }),
    ),
  ];
}
