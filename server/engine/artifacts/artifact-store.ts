// SQL of artifacts and of the files behind them. The only writer of both tables.

import type { Queryable, Transaction } from "../../platform/database/database.ts";
import { nextId } from "../../platform/database/database.ts";

export interface ArtifactRow {
  id: string;
  space_id: string;
  filename: string;
  server_task_id: string | null;
  log_correlation_id: string | null;
  source: string | null;
  created_at: Date;
  /** Null as long as it has no content. */
  file_id: string | null;
  bytes: number | null;
  sha256: string | null;
}

export interface NewArtifact {
  spaceId: string;
  filename: string;
  taskId: string | null;
  logCorrelationId: string | null;
  source: string | null;
}

/** What a line of a script's output announced. */
export interface AnnouncedArtifact extends NewArtifact {
  taskId: string;
  stepRunId: number;
  logSequence: number;
  machinePath: string;
}

export interface DueArtifact {
  id: string;
  filename: string;
  machinePath: string;
}

const columns = `a.id, a.space_id, a.filename, a.server_task_id, a.log_correlation_id, a.source, a.created_at, a.file_id, f.bytes, f.sha256`;
const from = `FROM artifacts a LEFT JOIN artifact_files f ON f.id = a.file_id`;
/** What a script announced is shown when it has come. */
const isShown = `(a.collection IS NULL OR a.collection = 'done')`;

export interface ArtifactFilter {
  /** A task, or what a task is about: a deployment, a release … */
  regarding?: string | undefined;
  ids?: readonly string[] | undefined;
  partialName?: string | undefined;
}

/** By number, newest first unless `ascending`. */
export async function listArtifacts(
  db: Queryable,
  spaceId: string,
  filter: ArtifactFilter,
  window: { skip: number; take: number; ascending: boolean },
): Promise<{ rows: ArtifactRow[]; total: number }> {
  const where = `a.space_id = $1 AND ${isShown}
    AND ($2::text IS NULL OR lower(a.server_task_id) = lower($2) OR a.server_task_id IN
         (SELECT t.id FROM tasks t WHERE t.space_id = $1 AND EXISTS (SELECT 1 FROM unnest(t.related_document_ids) one WHERE lower(one) = lower($2))))
    AND ($3::text[] IS NULL OR lower(a.id) = ANY ($3)) AND ($4::text IS NULL OR strpos(lower(a.filename), lower($4)) > 0)`;
  const ids = filter.ids?.length ? filter.ids.map((id) => id.toLowerCase()) : null;
  const values = [spaceId, filter.regarding || null, ids, filter.partialName || null];
  const rows = await db.query<ArtifactRow>(
    `SELECT ${columns} ${from} WHERE ${where} ORDER BY a.number ${window.ascending ? "ASC" : "DESC"} OFFSET $5 LIMIT $6`,
    [...values, window.skip, window.take],
  );
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM artifacts a WHERE ${where}`, values);
  return { rows, total: count?.total ?? 0 };
}

export async function findArtifact(db: Queryable, spaceId: string, id: string): Promise<ArtifactRow | undefined> {
  const [row] = await db.query<ArtifactRow>(
    `SELECT ${columns} ${from} WHERE a.space_id = $1 AND (a.id = $2 OR lower(a.id) = lower($2)) AND ${isShown}`,
    [spaceId, id],
  );
  return row;
}

export async function countArtifactsOfTask(db: Queryable, taskId: string): Promise<number> {
  const [row] = await db.query<{ count: number }>(`SELECT count(*) AS count FROM artifacts WHERE server_task_id = $1`, [taskId]);
  return row?.count ?? 0;
}

export async function insertArtifact(tx: Transaction, artifact: NewArtifact): Promise<string> {
  const { id, number } = await nextId(tx, "Artifacts");
  await tx.execute(
    `INSERT INTO artifacts (id, number, space_id, filename, server_task_id, log_correlation_id, source) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [id, number, artifact.spaceId, artifact.filename, artifact.taskId, artifact.logCorrelationId, artifact.source],
  );
  return id;
}

/** The intent to collect it. The same line announces it once, however often the transaction runs. */
export async function insertAnnounced(tx: Transaction, artifact: AnnouncedArtifact): Promise<void> {
  const { id, number } = await nextId(tx, "Artifacts");
  await tx.execute(
    `INSERT INTO artifacts (id, number, space_id, filename, server_task_id, log_correlation_id, source, step_run_id, log_sequence, machine_path, collection)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'due')
     ON CONFLICT (server_task_id, step_run_id, log_sequence) DO NOTHING`,
    [
      id,
      number,
      artifact.spaceId,
      artifact.filename,
      artifact.taskId,
      artifact.logCorrelationId,
      artifact.source,
      artifact.stepRunId,
      artifact.logSequence,
      artifact.machinePath,
    ],
    { name: "artifact-announce" },
  );
}

/** In the order in which the script announced them. */
export async function listDue(db: Queryable, stepRunId: number): Promise<DueArtifact[]> {
  return await db.query<DueArtifact>(
    `SELECT id, filename, machine_path AS "machinePath" FROM artifacts WHERE step_run_id = $1 AND collection = 'due' ORDER BY log_sequence`,
    [stepRunId],
    { name: "artifact-due" },
  );
}

export async function markNotCollected(tx: Transaction, id: string): Promise<void> {
  await tx.execute(`UPDATE artifacts SET collection = 'failed', machine_path = NULL WHERE id = $1 AND collection = 'due'`, [id], {
    name: "artifact-failed",
  });
}

export async function renameArtifact(tx: Transaction, id: string, filename: string): Promise<void> {
  await tx.execute(`UPDATE artifacts SET filename = $2 WHERE id = $1`, [id, filename]);
}

export async function deleteArtifact(tx: Transaction, id: string): Promise<void> {
  await tx.execute(`DELETE FROM artifacts WHERE id = $1`, [id]);
}

/** The intent to write a file. */
export async function insertFile(db: Queryable, id: string): Promise<void> {
  await db.execute(`INSERT INTO artifact_files (id) VALUES ($1)`, [id]);
}

/** Says that it is still being written. False: it was taken for abandoned. */
export async function touchFile(db: Queryable, id: string): Promise<boolean> {
  return (await db.execute(`UPDATE artifact_files SET seen_at = now() WHERE id = $1`, [id])) === 1;
}

/**
 * The file is whole and is the artifact's content from now on. False, and nothing is changed, when the file was taken for abandoned or there is
 * no such artifact any more. Running it again changes nothing.
 */
export async function attachFile(
  tx: Transaction,
  artifactId: string,
  file: { id: string; sha256: string; bytes: number },
): Promise<boolean> {
  const [row] = await tx.query<{ id: string }>(`SELECT id FROM artifacts WHERE id = $1 FOR UPDATE`, [artifactId], {
    name: "artifact-lock",
  });
  if (row === undefined) return false;
  const stored = await tx.execute(
    `UPDATE artifact_files SET is_stored = true, sha256 = $2, bytes = $3 WHERE id = $1`,
    [file.id, file.sha256, file.bytes],
    { name: "artifact-file-stored" },
  );
  if (stored !== 1) return false;
  await tx.execute(
    `UPDATE artifacts SET file_id = $2, machine_path = NULL, collection = CASE WHEN collection = 'due' THEN 'done' ELSE collection END
      WHERE id = $1`,
    [artifactId, file.id],
    { name: "artifact-attach" },
  );
  return true;
}

/** Files that no artifact has: whole ones, and those whose writer has been silent for so long. */
export async function listUnusedFiles(db: Queryable, abandonedAfterSeconds: number, most: number): Promise<string[]> {
  const rows = await db.query<{ id: string }>(
    `SELECT f.id FROM artifact_files f
      WHERE (f.is_stored OR f.seen_at < now() - $1 * interval '1 second')
        AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.file_id = f.id) ORDER BY f.seen_at LIMIT $2`,
    [abandonedAfterSeconds, most],
  );
  return rows.map((row) => row.id);
}

/** Locks a file that no artifact has; false when one has it by now or it is gone. */
export async function lockUnusedFile(tx: Transaction, id: string): Promise<boolean> {
  const rows = await tx.query(
    `SELECT 1 FROM artifact_files f WHERE f.id = $1 AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.file_id = f.id) FOR UPDATE`,
    [id],
  );
  return rows.length === 1;
}

export async function deleteFile(tx: Transaction, id: string): Promise<void> {
  await tx.execute(`DELETE FROM artifact_files WHERE id = $1`, [id]);
}
