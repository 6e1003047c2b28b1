// Automatic targets of a lifecycle: a release goes to them as soon as it may. Looked at when a release is made and when a deployment has
// succeeded, in that transaction, so that either both are there or neither; what is there already is not made again.

import type { Caller } from "../../../platform/access/access.ts";
import { systemActor } from "../../../platform/audit/audit.ts";
import type { Transaction } from "../../../platform/database/database.ts";
import { channels, getRelease, projects, tenantsOfProject } from "../../projects/projects.ts";
import type { ConnectedTenant, ReleaseRow } from "../../projects/projects.ts";
import { createDeployment } from "./create-deployment.ts";
import * as store from "./deployment-store.ts";
import { promotionOf } from "./promotion.ts";
import { fitsTags } from "./tenant-tags.ts";

/** The server itself. */
const server: Caller = { userId: null, username: systemActor.username, isAdministrator: false };
/** Deployments made in one transaction; a lifecycle that asks for more is deployed by hand. */
const automaticDeploymentsMax = 500;

/** After a release was made: for itself, and for each connected tenant the channel admits. */
export async function deployNewRelease(tx: Transaction, release: ReleaseRow): Promise<void> {
  const mode = (await projects.get(tx, release.space_id, release.project_id))["TenantedDeploymentMode"];
  let left = automaticDeploymentsMax;
  if (mode !== "Tenanted") left -= await deployAutomatically(tx, release, null, left);
  if (mode === "Untenanted") return;
  const channel = await channels.get(tx, release.space_id, release.channel_id);
  for (const tenant of await tenantsOfProject(tx, release.project_id)) {
    if (tenant.isDisabled || !fitsTags(tenant, channel["TenantTags"] as string[])) continue;
    left -= await deployAutomatically(tx, release, tenant, left);
  }
}

/** After a deployment that is about to be a success: its release may have entered another phase. */
export async function deployOnwards(tx: Transaction, deploymentId: string): Promise<void> {
  const row = await store.findDeployment(tx, null, deploymentId);
  if (row === undefined) return;
  const release = await getRelease(tx, row.space_id, row.release_id, "FOR SHARE");
  const tenant =
    row.tenant_id === null ? null : (await tenantsOfProject(tx, row.project_id)).find((one) => one.id === row.tenant_id && !one.isDisabled);
  // The tenant was taken off the project meanwhile.
  if (tenant === undefined) return;
  await deployAutomatically(tx, release, tenant, automaticDeploymentsMax, row.environment_id);
}

async function deployAutomatically(
  tx: Transaction,
  release: ReleaseRow,
  tenant: ConnectedTenant | null,
  most: number,
  succeeding?: string,
): Promise<number> {
  const project = await projects.get(tx, release.space_id, release.project_id);
  if (project["IsDisabled"] === true) return 0;
  const { progress, visited, defect } = await promotionOf(tx, release, tenant, succeeding);
  if (defect !== undefined) return 0;
  const wanted = progress.phases.filter((one) => one.isOpen && !one.phase.isOptional).flatMap(({ phase }) => phase.automatic);
  // In the order of ids, so that two transactions take the locks of their tags in one order.
  const missing = [...new Set(wanted)]
    .filter((id) => !visited.has(id))
    .sort()
    .slice(0, most);
  for (const environmentId of missing) {
    await createDeployment(tx, server, {
      release,
      environmentId,
      tenant,
      automatic: true,
      comments: null,
      forcePackageDownload: false,
      forcePackageRedeployment: false,
      skip: [],
      specificMachines: [],
      excludedMachines: [],
      ...(succeeding === undefined ? {} : { succeeding }),
    });
  }
  return missing.length;
}
