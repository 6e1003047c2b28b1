// SQL for the tables of plain resources, built from a definition. Table, column and order come from our own source, never from
// a request; every value of a request is a parameter.

import { problem } from "../../base/problems.ts";
import { preparedAs } from "../database/database.ts";
import type { Queryable, Transaction } from "../database/database.ts";
import type { Alongside, Question } from "../access/access.ts";
import type { ResourceTable } from "./resource-table.ts";

export type StoredRow = Record<string, unknown> & { id: string; space_id: string };

/** One condition and its values; `$?` stands for the next value. */
export interface Condition {
  sql: string;
  values: readonly unknown[];
}

/** The conditions as SQL, given that of each value. */
function conditionsText(conditions: readonly { sql: string }[], valueAt: (n: number) => string): string {
  let n = 0;
  const sql = conditions.map((condition) => `(${condition.sql.replaceAll("$?", () => valueAt(n++))})`);
  return sql.length === 0 ? "true" : sql.join(" AND ");
}

function withValues(conditions: readonly Condition[], first: number): { sql: string; values: unknown[] } {
  return { sql: conditionsText(conditions, (n) => `$${first + n}`), values: conditions.flatMap(({ values }) => values) };
}

const columnTexts = new WeakMap<ResourceTable, string>();

function columns(table: ResourceTable): string {
  let text = columnTexts.get(table);
  if (text === undefined) {
    const own = new Set(Object.values(table.fields).map((field) => `${field.select ?? `r.${field.column}`} AS ${field.column}`));
    columnTexts.set(table, (text = ["r.id", "r.space_id", ...(table.slug ? ["r.slug"] : []), ...own].join(", ")));
  }
  return text;
}

function pageText(table: ResourceTable, where: string, skip: string, take: string): string {
  return `SELECT ${columns(table)}, count(*) OVER () AS total FROM ${table.name} r WHERE ${where} ORDER BY ${table.orderBy} OFFSET ${skip} LIMIT ${take}`;
}

/** A page of rows in the table's order, and how many there are in all. */
export async function listRows(
  db: Queryable,
  table: ResourceTable,
  conditions: readonly Condition[],
  window: { skip: number; take: number },
): Promise<{ rows: StoredRow[]; total: number }> {
  const where = withValues(conditions, 1);
  const text = pageText(table, where.sql, `$${where.values.length + 1}`, `$${where.values.length + 2}`);
  const rows = await db.query<StoredRow & { total: number }>(text, [...where.values, window.skip, window.take], preparedAs(text));
  if (rows[0] !== undefined) return { rows, total: rows[0].total };
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM ${table.name} r WHERE ${where.sql}`, where.values);
  return { rows, total: count?.total ?? 0 };
}

interface TableQuestions {
  row: Question;
  /** By the conditions; the first is the page without any. */
  pages: Map<string, Question>;
}
const tableQuestions = new WeakMap<ResourceTable, TableQuestions>();
/** Combinations of filters of one kind; what comes after them is asked alone. */
const pageQuestionsMax = 64;

function questionsOf(table: ResourceTable): TableQuestions {
  let known = tableQuestions.get(table);
  if (known === undefined) {
    const row: Question = {
      text: (space, [id]) => rowText(table, space, id!),
      valueCount: 1,
      valueTypes: ["text"],
    };
    tableQuestions.set(table, (known = { row, pages: new Map([["", pageQuestion(table, [], 0)]]) }));
  }
  return known;
}

function pageQuestion(table: ResourceTable, conditions: readonly { sql: string }[], valueCount: number): Question {
  return {
    text: (space, values) => {
      const where = conditionsText([{ sql: `r.space_id = ${space}` }, ...conditions], (n) => values[n]!);
      return pageText(table, where, values[valueCount]!, values[valueCount + 1]!);
    },
    valueCount: valueCount + 2,
    // Values of filters are of many types, lists among them.
    ...(valueCount === 0 ? { valueTypes: ["bigint", "bigint"] } : {}),
  };
}

/** The same page in the statement that says who is asking; each row has the `total`. Nothing of it says how many there are when none is in the page. */
export function pageAlongside(table: ResourceTable, conditions: readonly Condition[], window: { skip: number; take: number }): Alongside {
  const { pages } = questionsOf(table);
  const key = conditions.map(({ sql }) => sql).join(" AND ");
  const values = conditions.flatMap((condition) => condition.values);
  let question = pages.get(key);
  if (question === undefined) {
    question = pageQuestion(
      table,
      conditions.map(({ sql }) => ({ sql })),
      values.length,
    );
    if (pages.size < pageQuestionsMax) pages.set(key, question);
  }
  return { question, values: [...values, window.skip, window.take] };
}

function rowText(table: ResourceTable, space: string, id: string): string {
  return `SELECT ${columns(table)} FROM ${table.name} r WHERE r.space_id = ${space} AND r.id = ${id}`;
}

/** Looks at each row of the space, so only for what is no id as it stands. */
function otherSpellingText(table: ResourceTable): string {
  const bySlug = table.slug ? " OR lower(r.slug) = lower($2)" : "";
  return `SELECT ${columns(table)} FROM ${table.name} r WHERE r.space_id = $1 AND (lower(r.id) = lower($2)${bySlug}) ORDER BY (lower(r.id) = lower($2)) DESC LIMIT 1`;
}

/** By id in any letter case, or by slug where the table has one. */
export async function findRow(
  db: Queryable,
  table: ResourceTable,
  spaceId: string,
  idOrSlug: string,
  lock: "" | "FOR UPDATE" = "",
): Promise<StoredRow | undefined> {
  for (const found of [rowText(table, "$1", "$2"), otherSpellingText(table)]) {
    const text = lock === "" ? found : `${found} FOR UPDATE OF r`;
    const [row] = await db.query<StoredRow>(text, [spaceId, idOrSlug], preparedAs(text));
    if (row !== undefined) return row;
  }
  return undefined;
}

/** The row with exactly this id in the statement that says who is asking. Slugs and other spellings are asked for after it. */
export function rowAlongside(table: ResourceTable, id: string): Alongside {
  return { question: questionsOf(table).row, values: [id] };
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
