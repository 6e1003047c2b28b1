// Between a document and its row: which values a save stores, which columns they go to, and what a refused statement means.

import { problem } from "../../base/problems.ts";
import { violatedConstraint } from "../database/database.ts";
import type { Transaction } from "../database/database.ts";
import type { Document, ResourceDefinition } from "./resource-definition.ts";
import { resolveIds } from "./resource-store.ts";
import type { StoredRow } from "./resource-store.ts";
import type { ResourceField, ResourceTable } from "./resource-table.ts";

/** What people call a document in messages. */
export function titleOf(document: Record<string, unknown>, id: string): string {
  const name = document["Name"];
  return typeof name === "string" ? name : id;
}

/** What the save stores: sent members, else what is stored, else the empty value. @throws Problem 400 for missing members */
export function wantedValues(
  { table, oneDefault }: ResourceDefinition,
  current: Document | undefined,
  body: Record<string, unknown>,
): Record<string, unknown> {
  const faults: string[] = [];
  const spaceId = body["SpaceId"];
  if (current !== undefined && typeof spaceId === "string" && spaceId !== "" && spaceId.toLowerCase() !== current.SpaceId.toLowerCase()) {
    faults.push("SpaceId cannot be changed.");
  }
  const values: Record<string, unknown> = {};
  for (const [member, field] of Object.entries(table.fields)) {
    const sent = field.readOnly ? undefined : body[member];
    const value = sent === undefined ? (current?.[member] ?? field.empty) : (sent ?? field.empty);
    const missing = value === undefined || (member === "Name" && (typeof value !== "string" || value.trim() === ""));
    if (missing && !("empty" in field)) faults.push(`${member} is required.`);
    else values[member] = member === "Name" && typeof value === "string" ? value.trim() : value;
  }
  // The default mark moves by being given to another row; it is never just taken away.
  if (oneDefault && current?.["IsDefault"] === true) values["IsDefault"] = true;
  if (faults.length > 0) throw problem.invalid(faults);
  return values;
}

export function storedValue(row: StoredRow, field: ResourceField): unknown {
  const value = row[field.column];
  return field.key === undefined ? value : (value as Record<string, unknown> | null)?.[field.key];
}

export function columnsOf(table: ResourceTable, values: Record<string, unknown>): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  const shared: Record<string, Record<string, unknown>> = {};
  for (const [member, field] of Object.entries(table.fields)) {
    if (field.select !== undefined || !(member in values)) continue;
    if (field.key !== undefined) (shared[field.column] ??= {})[field.key] = values[member];
    else row[field.column] = field.json ? JSON.stringify(values[member] ?? null) : values[member];
  }
  for (const [column, members] of Object.entries(shared)) row[column] = JSON.stringify(members);
  return row;
}

export async function resolveReferences(
  tx: Transaction,
  { table }: ResourceDefinition,
  spaceId: string,
  values: Record<string, unknown>,
): Promise<void> {
  for (const [member, { references }] of Object.entries(table.fields)) {
    const value = values[member];
    if (references === undefined || value === null || value === undefined) continue;
    const { table: of, kind, column } = references;
    const resolved = await resolveIds(tx, of, kind, spaceId, [value].flat() as string[], column);
    values[member] = Array.isArray(value) ? resolved : resolved[0];
  }
}

export function relatedIds({ table }: ResourceDefinition, document: Document): string[] {
  return Object.entries(table.fields).flatMap(([member, field]) =>
    field.references && field.references.column === undefined ? ([document[member]].flat().filter(Boolean) as string[]) : [],
  );
}

export function nameTaken(noun: string, name: string) {
  return problem.invalid(
    `There is already ${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun} named '${name}'. Names are unique, ignoring upper and lower case.`,
  );
}

export function savingProblem(error: unknown, noun: string, name: string): unknown {
  const violated = violatedConstraint(error);
  if (violated?.kind === "unique") return nameTaken(noun, name);
  if (violated?.kind === "foreign-key")
    return problem.invalid(`The ${noun} '${name}' refers to something that was deleted meanwhile. Read it again and repeat your change.`);
  return error;
}

/** Foreign keys are named "<users>_use_<used>", so the name says who still uses the row. */
export function deletingProblem(error: unknown, noun: string, name: string): unknown {
  const violated = violatedConstraint(error);
  if (violated?.kind !== "foreign-key") return error;
  const users = (/^(.*)_use_/.exec(violated.constraint)?.[1] ?? "other items").replaceAll("_", " ");
  return problem.invalid(`The ${noun} '${name}' cannot be deleted because ${users} still use it.`);
}
