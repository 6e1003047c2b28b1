// SQL of library variable sets beyond what every resource has: who uses one.

import type { Queryable } from "../../../platform/database/database.ts";

/** Newest releases told of each answer; a set of a busy installation is in thousands. */
export const releasesOfUsageMax = 1_000;

export interface UsageRow {
  project_id: string;
  project_name: string;
  project_slug: string;
  /** The project includes the set now. */
  is_included: boolean;
  releases: { id: string; version: string }[];
}

/** Projects that include the set, or have releases that carry a frozen copy of it, by name. */
export async function listUsages(db: Queryable, spaceId: string, librarySetId: string, variableSetId: string): Promise<UsageRow[]> {
  return db.query<UsageRow>(
    `WITH used AS (
       SELECT r.project_id, r.id, r.version, r.number FROM releases r
        WHERE r.space_id = $1 AND r.library_variable_snapshot_ids && ARRAY(SELECT s.id FROM variable_snapshots s WHERE s.set_id = $3)
        ORDER BY r.number DESC LIMIT $4
     )
     SELECT p.id AS project_id, p.name AS project_name, p.slug AS project_slug,
            EXISTS (SELECT 1 FROM project_library_sets i WHERE i.project_id = p.id AND i.library_variable_set_id = $2) AS is_included,
            COALESCE((SELECT jsonb_agg(jsonb_build_object('id', u.id, 'version', u.version) ORDER BY u.number DESC) FROM used u WHERE u.project_id = p.id), '[]') AS releases
       FROM projects p
      WHERE p.space_id = $1 AND (p.id IN (SELECT project_id FROM used) OR p.id IN (SELECT project_id FROM project_library_sets WHERE library_variable_set_id = $2))
      ORDER BY lower(p.name)`,
    [spaceId, librarySetId, variableSetId, releasesOfUsageMax],
  );
}
