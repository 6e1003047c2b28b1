// Automatic targets of a lifecycle: a release goes to them as soon as it may. Looked at when a release is made and when a deployment has
// succeeded, in that transaction, so that either both are there or neither; what is there already is not made again. Where a person would have
// to answer a prompt nothing is deployed by itself, and that is said.

import type { Caller } from "../../../platform/access/access.ts";
import { recordEvent, systemActor } from "../../../platform/audit/audit.ts";
import type { Transaction } from "../../../platform/database/database.ts";
import {
  channels,
  getRelease,
  loadPromptedVariables,
  loadTenantVariables,
  missingValuesSentence,
  needsAnswers,
  projects,
  tenantsOfProject,
  variableSnapshotIds,
} from "../../projects/projects.ts";
import type { ConnectedTenant, ReleaseRow } from "../../projects/projects.ts";
import { createDeployment, environmentNames } from "./create-deployment.ts";
import * as store from "./deployment-store.ts";
import { promotionOf } from "./promotion.ts";
import { fitsTags } from "./tenant-tags.ts";

/** The server itself. */
const server: Caller = { userId: null, username: systemActor.username, isAdministrator: false };
/** Deployments made in one transaction; a lifecycle that asks for more is deployed by hand. */
const automaticDeploymentsMax = 500;

/** Places that are told of one release; more would only repeat themselves. */
const toldMax = 20;

/** After a release was made: for itself, and for each connected tenant the channel admits. */
export async function deployNewRelease(tx: Transaction, release: ReleaseRow): Promise<void> {
  const mode = (await projects.get(tx, release.space_id, release.project_id))["TenantedDeploymentMode"];
  const unanswered: string[] = [];
  let left = automaticDeploymentsMax;
  async function deployFor(tenant: ConnectedTenant | null): Promise<void> {
    const result = await deployAutomatically(tx, release, tenant, left);
    left -= result.made;
    unanswered.push(...result.unanswered);
  }
  if (mode !== "Tenanted") await deployFor(null);
  if (mode !== "Untenanted") {
    const channel = await channels.get(tx, release.space_id, release.channel_id);
    for (const tenant of await tenantsOfProject(tx, release.project_id)) {
      if (tenant.isDisabled || !fitsTags(tenant, channel["TenantTags"] as string[])) continue;
      await deployFor(tenant);
    }
  }
  for (const message of unanswered.slice(0, toldMax)) {
    await recordEvent(tx, {
      spaceId: release.space_id,
      category: "DeploymentSkipped",
      actor: systemActor,
      message,
      relatedDocumentIds: [release.id, release.project_id],
    });
  }
}

/** After a deployment that is about to be a success: its release may have entered another phase. Answers where a person has to deploy it, and why. */
export async function deployOnwards(tx: Transaction, deploymentId: string): Promise<string[]> {
  const row = await store.findDeployment(tx, null, deploymentId);
  if (row === undefined) return [];
  const release = await getRelease(tx, row.space_id, row.release_id, "FOR SHARE");
  const tenant =
    row.tenant_id === null ? null : (await tenantsOfProject(tx, row.project_id)).find((one) => one.id === row.tenant_id && !one.isDisabled);
  // The tenant was taken off the project meanwhile.
  if (tenant === undefined) return [];
  return (await deployAutomatically(tx, release, tenant, automaticDeploymentsMax, row.environment_id)).unanswered.slice(0, toldMax);
}

async function deployAutomatically(
  tx: Transaction,
  release: ReleaseRow,
  tenant: ConnectedTenant | null,
  most: number,
  succeeding?: string,
): Promise<{ made: number; unanswered: string[] }> {
  const project = await projects.get(tx, release.space_id, release.project_id);
  if (project["IsDisabled"] === true) return { made: 0, unanswered: [] };
  const { progress, visited, defect } = await promotionOf(tx, release, tenant, succeeding);
  if (defect !== undefined) return { made: 0, unanswered: [] };
  const wanted = progress.phases.filter((one) => one.isOpen && !one.phase.isOptional).flatMap(({ phase }) => phase.automatic);
  const missing = [...new Set(wanted)].filter((id) => !visited.has(id));
  if (missing.length === 0) return { made: 0, unanswered: [] };
  const prompted = await loadPromptedVariables(tx, variableSnapshotIds(release));
  const isAsked = (environmentId: string): boolean =>
    needsAnswers(prompted, {
      environmentId,
      channelId: release.channel_id,
      projectId: project.Id,
      ...(tenant === null ? {} : { tenantTags: tenant.tags }),
    });
  const names = await environmentNames(tx, release.space_id);
  const hindrances = new Map<string, string>();
  for (const id of missing) {
    if (isAsked(id)) hindrances.set(id, "because somebody has to answer its prompted variables. Deploy it by hand.");
    if (tenant === null) continue;
    const values = await loadTenantVariables(tx, { tenantId: tenant.id, project, environmentId: id });
    const sentence = missingValuesSentence(tenant.name, names.get(id) ?? id, values.missing);
    if (sentence !== undefined) hindrances.set(id, `since values are missing. ${sentence}`);
  }
  const unanswered = [...hindrances].map(
    ([id, why]) =>
      `Release ${release.version} of ${String(project["Name"])} was not deployed to ${names.get(id) ?? id}${tenant === null ? "" : ` for ${tenant.name}`} ` +
      `automatically, ${why}`,
  );
  // In the order of ids, so that two transactions take the locks of their tags in one order.
  const answered = missing
    .filter((id) => !hindrances.has(id))
    .sort()
    .slice(0, most);
  for (const environmentId of answered) {
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
      useGuidedFailure: null,
      ...(succeeding === undefined ? {} : { succeeding }),
    });
  }
  return { made: answered.length, unanswered };
}
