// SQL of output variables; the only writer of the table. Every function that writes expects to run behind the guard of its task.

import type { Queryable, Transaction } from "../../platform/database/database.ts";

/** Of a sensitive one `value` is null, else `ciphertext`. */
export interface OutputRow {
  action: string;
  machineId: string;
  name: string;
  value: string | null;
  ciphertext: Buffer | null;
}

/** A later value of the same name replaces the one before. Each name once. */
export async function putOutputVariables(tx: Transaction, taskId: string, rows: readonly OutputRow[]): Promise<void> {
  await tx.execute(
    `INSERT INTO output_variables (task_id, action, machine_id, name, value, ciphertext)
     SELECT $1, action, machine_id, name, value, decode(ciphertext, 'base64')
       FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS set (action, machine_id, name, value, ciphertext)
     ON CONFLICT (task_id, action, machine_id, name) DO UPDATE
       SET value = EXCLUDED.value, ciphertext = EXCLUDED.ciphertext, ordinal = EXCLUDED.ordinal`,
    [
      taskId,
      rows.map((row) => row.action),
      rows.map((row) => row.machineId),
      rows.map((row) => row.name),
      rows.map((row) => row.value),
      rows.map((row) => row.ciphertext?.toString("base64") ?? null),
    ],
    { name: "output-put" },
  );
}

/** In the order in which they were set. */
export async function listOutputVariables(database: Queryable, taskId: string): Promise<OutputRow[]> {
  const rows = await database.query<{ action: string; machine_id: string; name: string; value: string | null; ciphertext: Buffer | null }>(
    `SELECT action, machine_id, name, value, ciphertext FROM output_variables WHERE task_id = $1 ORDER BY ordinal`,
    [taskId],
    { name: "output-list" },
  );
  return rows.map((row) => ({
    action: row.action,
    machineId: row.machine_id,
    name: row.name,
    value: row.value,
    ciphertext: row.ciphertext,
  }));
}
