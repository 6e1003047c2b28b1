// Where a release may go: how far it has come on the lifecycle of its channel, alone or for one tenant, and whether a defect holds it where it is.

import type { Queryable } from "../../../platform/database/database.ts";
import type { Document } from "../../../platform/resources/resources.ts";
import { lifecycleProgress, mayDeploy, phasesFor, phasesInForce } from "../../library/library.ts";
import type { LifecyclePhase, LifecycleProgress, Verdict } from "../../library/library.ts";
import { channels, findUnresolvedDefects, projects } from "../../projects/projects.ts";
import type { ConnectedTenant, ReleaseRow } from "../../projects/projects.ts";
import * as store from "./deployment-store.ts";

export interface Promotion {
  progress: LifecycleProgress;
  /** Environments to which this release was ever sent, with success or not. */
  visited: ReadonlySet<string>;
  /** What an unresolved defect says. */
  defect: string | undefined;
}

/** What a caller has read already, so that it is not read again. */
export interface KnownOfRelease {
  project: Document;
  channel: Document;
}

export async function phasesOfRelease(db: Queryable, release: ReleaseRow, known?: KnownOfRelease): Promise<LifecyclePhase[]> {
  const channel = known?.channel ?? (await channels.get(db, release.space_id, release.channel_id));
  const project = known?.project ?? (await projects.get(db, release.space_id, release.project_id));
  return phasesInForce(db, release.space_id, String(channel["LifecycleId"] ?? project["LifecycleId"]));
}

/** `succeeding` is an environment in which a deployment is just about to be a success. */
export async function promotionOf(
  db: Queryable,
  release: ReleaseRow,
  tenant: ConnectedTenant | null,
  succeeding?: string,
  known?: KnownOfRelease,
): Promise<Promotion> {
  const phases = await phasesOfRelease(db, release, known);
  const visits = await store.visitedEnvironments(db, release.id, tenant?.id ?? null);
  const own = tenant === null ? phases : phasesFor(phases, new Set(tenant.environmentIds));
  return {
    progress: lifecycleProgress(own, succeeding === undefined ? visits.succeeded : new Set([...visits.succeeded, succeeding])),
    visited: visits.all,
    defect: (await findUnresolvedDefects(db, [release.id])).get(release.id),
  };
}

/** `names` turns environment ids into what people call them. */
export function mayPromote(promotion: Promotion, version: string, environmentId: string, names: ReadonlyMap<string, string>): Verdict {
  if (promotion.defect !== undefined && !promotion.visited.has(environmentId)) {
    const name = names.get(environmentId) ?? environmentId;
    const why = promotion.defect.length > 200 ? `${promotion.defect.slice(0, 200)}…` : promotion.defect;
    return {
      ok: false,
      reason: `The release ${version} cannot go to '${name}' because of an unresolved defect: ${why} Resolve the defect, or deploy another release.`,
    };
  }
  return mayDeploy(promotion.progress, environmentId, names);
}

/** Environments the release may go to now, in the order of its lifecycle. */
export function openEnvironments({ progress, visited, defect }: Promotion): string[] {
  const open = progress.phases.filter((one) => one.isOpen).flatMap(({ phase }) => [...phase.automatic, ...phase.optional]);
  return [...new Set(open)].filter((id) => defect === undefined || visited.has(id));
}
