// The releases that come to a place with a deployment: those made after the one that is there, up to the one that is deployed.

import type { Queryable } from "../../../platform/database/database.ts";
import { findBuildsOfReleases } from "./release-packages.ts";
import * as store from "./release-store.ts";
import type { ReleaseRow } from "./release-store.ts";

/** Older ones are left out: the list stands in documents, mails and variables. */
export const releasesBetweenMax = 100;

export interface ReleaseChange {
  version: string;
  notes: string;
  /** As documents of build information, newest knowledge. */
  builds: object[];
}

/**
 * Newest first. `there` is undefined where nothing is yet: then all up to this one. Going back brings nothing.
 */
export async function listReleasesBetween(db: Queryable, release: ReleaseRow, there: string | undefined): Promise<ReleaseChange[]> {
  const rows = await store.listReleasesUpTo(db, release, there, releasesBetweenMax);
  const builds = await findBuildsOfReleases(db, release.space_id, rows);
  return rows.map((row, n) => ({ version: row.version, notes: row.release_notes ?? "", builds: builds[n] ?? [] }));
}
