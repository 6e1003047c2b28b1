// SQL of deployment processes and their frozen copies; the only writer of both tables.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { processFormatVersion, readStoredSteps } from "./process.ts";
import type { ProcessStep } from "./process.ts";

export interface StoredProcess {
  id: string;
  spaceId: string;
  projectId: string;
  version: number;
  steps: ProcessStep[];
  /** The frozen copy of this very version, if a release made one. */
  snapshotId: string | null;
}

interface Row {
  id: string;
  space_id: string;
  project_id: string;
  version: number;
  format_version: number;
  steps: unknown;
  snapshot_id: string | null;
}

function readRow(row: Row): StoredProcess {
  return {
    id: row.id,
    spaceId: row.space_id,
    projectId: row.project_id,
    version: row.version,
    steps: readStoredSteps(row.id, row.format_version, row.steps),
    snapshotId: row.snapshot_id,
  };
}

/** By its own id or by its project's id; both in any letter case. */
export async function findProcess(
  db: Queryable,
  spaceId: string,
  idOrProjectId: string,
  lock: "" | "FOR UPDATE" = "",
): Promise<StoredProcess | undefined> {
  const [row] = await db.query<Row>(
    `SELECT p.id, p.space_id, p.project_id, p.version, p.format_version, p.steps,
            (SELECT s.id FROM process_snapshots s WHERE s.project_id = p.project_id AND s.process_version = p.version ORDER BY s.id LIMIT 1) AS snapshot_id
       FROM deployment_processes p WHERE p.space_id = $1 AND (lower(p.id) = lower($2) OR p.project_id = $2) ${lock && "FOR UPDATE OF p"}`,
    [spaceId, idOrProjectId],
  );
  return row && readRow(row);
}

/** Processes of a space in the order of their projects' names; `ids` are those of processes in any letter case. */
export async function listProcesses(
  db: Queryable,
  spaceId: string,
  ids: readonly string[] | undefined,
  window: { skip: number; take: number },
): Promise<{ processes: StoredProcess[]; total: number }> {
  const wanted = ids === undefined || ids.length === 0 ? null : ids.map((id) => id.toLowerCase());
  const rows = await db.query<Row & { total: number }>(
    `SELECT p.id, p.space_id, p.project_id, p.version, p.format_version, p.steps, count(*) OVER () AS total,
            (SELECT s.id FROM process_snapshots s WHERE s.project_id = p.project_id AND s.process_version = p.version ORDER BY s.id LIMIT 1) AS snapshot_id
       FROM deployment_processes p JOIN projects o ON o.id = p.project_id
      WHERE p.space_id = $1 AND ($2::text[] IS NULL OR lower(p.id) = ANY ($2)) ORDER BY lower(o.name), p.id OFFSET $3 LIMIT $4`,
    [spaceId, wanted, window.skip, window.take],
  );
  return { processes: rows.map(readRow), total: rows[0]?.total ?? 0 };
}

export async function insertProcess(tx: Transaction, process: { id: string; spaceId: string; projectId: string }): Promise<void> {
  await tx.execute(`INSERT INTO deployment_processes (id, space_id, project_id, format_version, steps) VALUES ($1, $2, $3, $4, '[]')`, [
    process.id,
    process.spaceId,
    process.projectId,
    processFormatVersion,
  ]);
}

export async function updateProcess(tx: Transaction, id: string, version: number, steps: readonly ProcessStep[]): Promise<void> {
  await tx.execute(`UPDATE deployment_processes SET version = $2, format_version = $3, steps = $4 WHERE id = $1`, [
    id,
    version,
    processFormatVersion,
    JSON.stringify(steps),
  ]);
}

export async function insertSnapshot(tx: Transaction, snapshotId: string, processId: string): Promise<void> {
  await tx.execute(
    `INSERT INTO process_snapshots (id, space_id, project_id, process_version, format_version, steps)
     SELECT $1, space_id, project_id, version, format_version, steps FROM deployment_processes WHERE id = $2`,
    [snapshotId, processId],
  );
}

export async function findSnapshotSteps(db: Queryable, snapshotId: string): Promise<ProcessStep[] | undefined> {
  const [row] = await db.query<{ format_version: number; steps: unknown }>(
    `SELECT format_version, steps FROM process_snapshots WHERE id = $1`,
    [snapshotId],
  );
  return row && readStoredSteps(snapshotId, row.format_version, row.steps);
}

/** The steps of several frozen copies; one that is not there has no entry. */
export async function listSnapshotSteps(db: Queryable, snapshotIds: readonly string[]): Promise<Map<string, ProcessStep[]>> {
  if (snapshotIds.length === 0) return new Map();
  const rows = await db.query<{ id: string; format_version: number; steps: unknown }>(
    `SELECT id, format_version, steps FROM process_snapshots WHERE id = ANY ($1)`,
    [snapshotIds],
  );
  return new Map(rows.map((row) => [row.id, readStoredSteps(row.id, row.format_version, row.steps)]));
}

/** The frozen copy as a process. */
export async function findSnapshot(db: Queryable, spaceId: string, snapshotId: string): Promise<StoredProcess | undefined> {
  const [row] = await db.query<Omit<Row, "snapshot_id" | "version"> & { process_version: number }>(
    `SELECT id, space_id, project_id, process_version, format_version, steps FROM process_snapshots WHERE space_id = $1 AND id = $2`,
    [spaceId, snapshotId],
  );
  return (
    row && {
      id: row.id,
      spaceId: row.space_id,
      projectId: row.project_id,
      version: row.process_version,
      steps: readStoredSteps(row.id, row.format_version, row.steps),
      snapshotId: row.id,
    }
  );
}

export async function findSnapshotVersion(db: Queryable, snapshotId: string): Promise<number | undefined> {
  const [row] = await db.query<{ process_version: number }>(`SELECT process_version FROM process_snapshots WHERE id = $1`, [snapshotId]);
  return row?.process_version;
}
