// SQL of variable sets and their frozen copies; the only writer of both tables.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { readStoredVariables, variablesFormatVersion } from "./variable.ts";
import type { StoredVariable } from "./variable.ts";

/** Whose set it is. */
export interface VariableOwner {
  kind: "project" | "librarySet";
  id: string;
  name: string;
}

export interface StoredVariableSet {
  id: string;
  spaceId: string;
  owner: VariableOwner;
  version: number;
  variables: StoredVariable[];
}

export interface StoredSnapshot extends StoredVariableSet {
  setId: string;
}

export const variableSetIdOf = (ownerId: string) => `variableset-${ownerId}`;

interface Row {
  id: string;
  space_id: string;
  kind: VariableOwner["kind"];
  owner_id: string;
  owner_name: string;
  version: number;
  format_version: number;
  variables: unknown;
}

/** Every project and library set has a set of variables, also while no row was ever written for it: then it is empty. */
const owners = `SELECT id AS owner_id, space_id, name AS owner_name, 'project' AS kind FROM projects
  UNION ALL SELECT id, space_id, name, 'librarySet' FROM library_variable_sets`;

function readRow(row: Row): StoredVariableSet {
  return {
    id: row.id,
    spaceId: row.space_id,
    owner: { kind: row.kind, id: row.owner_id, name: row.owner_name },
    version: row.version,
    variables: readStoredVariables(row.id, row.format_version, row.variables),
  };
}

/** Sets by their ids in any letter case, ordered by the name of their owner; all of the space without ids. */
export async function listSets(
  db: Queryable,
  spaceId: string,
  ids: readonly string[] | undefined,
  window: { skip: number; take: number },
): Promise<{ sets: StoredVariableSet[]; total: number }> {
  const wanted = ids === undefined ? null : ids.map((id) => id.toLowerCase());
  const where = `o.space_id = $1 AND ($2::text[] IS NULL OR 'variableset-' || lower(o.owner_id) = ANY ($2))`;
  const rows = await db.query<Row>(
    `SELECT 'variableset-' || o.owner_id AS id, o.space_id, o.kind, o.owner_id, o.owner_name, COALESCE(s.version, 0) AS version,
            COALESCE(s.format_version, $5) AS format_version, COALESCE(s.variables, '[]') AS variables
       FROM (${owners}) o LEFT JOIN variable_sets s ON s.id = 'variableset-' || o.owner_id
      WHERE ${where} ORDER BY lower(o.owner_name), o.owner_id OFFSET $3 LIMIT $4`,
    [spaceId, wanted, window.skip, window.take, variablesFormatVersion],
  );
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM (${owners}) o WHERE ${where}`, [spaceId, wanted]);
  return { sets: rows.map(readRow), total: count?.total ?? 0 };
}

/** How many variables the sets hold together, without reading them. */
export async function countVariables(db: Queryable, spaceId: string, ids: readonly string[] | undefined): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    `SELECT COALESCE(sum(jsonb_array_length(variables)), 0)::bigint AS count FROM variable_sets
      WHERE space_id = $1 AND ($2::text[] IS NULL OR lower(id) = ANY ($2))`,
    [spaceId, ids === undefined ? null : ids.map((id) => id.toLowerCase())],
  );
  return row?.count ?? 0;
}

export async function findSet(db: Queryable, spaceId: string, id: string): Promise<StoredVariableSet | undefined> {
  return (await listSets(db, spaceId, [id], { skip: 0, take: 1 })).sets[0];
}

/** Makes sure that the set has a row, and holds it until the transaction ends: whoever saves or freezes it comes one after the other. */
export async function lockSet(tx: Transaction, set: { id: string; spaceId: string; owner: VariableOwner }): Promise<void> {
  const { id, spaceId, owner } = set;
  await tx.execute(
    `INSERT INTO variable_sets (id, space_id, project_id, library_variable_set_id, format_version, variables) VALUES ($1, $2, $3, $4, $5, '[]')
     ON CONFLICT (id) DO NOTHING`,
    [id, spaceId, owner.kind === "project" ? owner.id : null, owner.kind === "librarySet" ? owner.id : null, variablesFormatVersion],
  );
  await tx.query(`SELECT 1 FROM variable_sets WHERE id = $1 FOR UPDATE`, [id]);
}

export async function updateSet(tx: Transaction, id: string, version: number, variables: string): Promise<void> {
  await tx.execute(`UPDATE variable_sets SET version = $2, format_version = $3, variables = $4::jsonb WHERE id = $1`, [
    id,
    version,
    variablesFormatVersion,
    variables,
  ]);
}

/** The frozen copy of a version of a set, if there is one. */
export async function findSnapshotOf(db: Queryable, setId: string, version: number): Promise<string | undefined> {
  const [row] = await db.query<{ id: string }>(
    `SELECT id FROM variable_snapshots WHERE set_id = $1 AND set_version = $2 ORDER BY frozen_at, id LIMIT 1`,
    [setId, version],
  );
  return row?.id;
}

export async function insertSnapshot(tx: Transaction, snapshotId: string, setId: string): Promise<void> {
  await tx.execute(
    `INSERT INTO variable_snapshots (id, space_id, set_id, project_id, library_variable_set_id, set_version, format_version, variables, secret_ids)
     SELECT $1, space_id, id, project_id, library_variable_set_id, version, format_version, variables,
            ARRAY(SELECT (v ->> 'SecretId')::uuid FROM jsonb_array_elements(variables) AS v WHERE v ->> 'SecretId' IS NOT NULL)
       FROM variable_sets WHERE id = $2`,
    [snapshotId, setId],
  );
}

/** `spaceId` null looks in all spaces, for the runner that knows only the id. */
export async function findSnapshot(db: Queryable, spaceId: string | null, id: string): Promise<StoredSnapshot | undefined> {
  const [row] = await db.query<Row & { set_id: string }>(
    `SELECT s.id, s.space_id, s.set_id, CASE WHEN s.project_id IS NULL THEN 'librarySet' ELSE 'project' END AS kind,
            COALESCE(s.project_id, s.library_variable_set_id) AS owner_id, COALESCE(p.name, l.name, s.library_variable_set_id) AS owner_name,
            s.set_version AS version, s.format_version, s.variables
       FROM variable_snapshots s LEFT JOIN projects p ON p.id = s.project_id LEFT JOIN library_variable_sets l ON l.id = s.library_variable_set_id
      WHERE ($1::text IS NULL OR s.space_id = $1) AND (s.id = $2 OR lower(s.id) = lower($2))`,
    [spaceId, id],
  );
  return row && { ...readRow(row), setId: row.set_id };
}

/** Of frozen copies: which set they were made from, and its version at that time. */
export async function listSnapshotVersions(
  db: Queryable,
  ids: readonly string[],
): Promise<{ id: string; setId: string; version: number }[]> {
  if (ids.length === 0) return [];
  const rows = await db.query<{ id: string; set_id: string; set_version: number }>(
    `SELECT id, set_id, set_version FROM variable_snapshots WHERE id = ANY ($1)`,
    [ids],
  );
  return rows.map((row) => ({ id: row.id, setId: row.set_id, version: row.set_version }));
}

/** Versions of sets as they are now; a set without a row has version 0. */
export async function listVersions(db: Queryable, setIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await db.query<{ id: string; version: number }>(`SELECT id, version FROM variable_sets WHERE id = ANY ($1)`, [setIds]);
  return new Map(rows.map((row) => [row.id, row.version]));
}

/** Of these secrets, those that no frozen copy of the set needs. */
export async function unfrozenSecrets(db: Queryable, setId: string, secretIds: readonly string[]): Promise<string[]> {
  if (secretIds.length === 0) return [];
  const rows = await db.query<{ id: string }>(
    `SELECT dropped.id::text AS id FROM unnest($2::uuid[]) AS dropped (id)
      WHERE NOT EXISTS (SELECT 1 FROM variable_snapshots s WHERE s.set_id = $1 AND s.secret_ids @> ARRAY[dropped.id])`,
    [setId, secretIds],
  );
  return rows.map((row) => row.id);
}

/** The secrets that a set names as it is now. */
export async function listSecretsOfSet(db: Queryable, setId: string): Promise<string[]> {
  const rows = await db.query<{ id: string }>(
    `SELECT v ->> 'SecretId' AS id FROM variable_sets s, jsonb_array_elements(s.variables) AS v WHERE s.id = $1 AND v ->> 'SecretId' IS NOT NULL`,
    [setId],
  );
  return rows.map((row) => row.id);
}
