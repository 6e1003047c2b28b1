// Reads for the sweeping of the shared folder: what the operator set, and what time it is for the whole cluster.

import type { Queryable } from "../../../platform/database/database.ts";

export async function readSweepSettings(database: Queryable): Promise<{ stored: Record<string, unknown>; nowMs: number }> {
  const [row] = await database.query<{ stored: Record<string, unknown> | null; now_ms: number }>(
    `SELECT (SELECT value FROM cluster_settings WHERE name = 'sweeping' AND jsonb_typeof(value) = 'object') AS stored,
            (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms`,
    [],
    { name: "sweep-settings" },
  );
  if (row === undefined) throw new Error("The database did not say what time it is.");
  return { stored: row.stored ?? {}, nowMs: row.now_ms };
}
