// Everything the plan of a deployment is made from, read in one transaction: plain data, nothing looked up later.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { environments } from "../../infrastructure/infrastructure.ts";
import { targetRetentionOf } from "../../library/library.ts";
import {
  channels,
  findRelease,
  findSnapshotSteps,
  loadTenantVariables,
  loadVariableSnapshots,
  projects,
  tenants,
  withFormValues,
} from "../../projects/projects.ts";
import type { ConnectivityPolicy, FrozenVariable, ProcessStep } from "../../projects/projects.ts";
import type { DeploymentOptions, ReleaseChanges } from "./deployment.ts";
import { optionsVersion } from "./deployment.ts";
import * as store from "./deployment-store.ts";

export interface CandidateMachine {
  id: string;
  name: string;
  roles: string[];
  healthStatus: "Healthy" | "HasWarnings" | "Unhealthy" | "Unavailable" | "Unknown";
  machinePolicyId: string;
  /** TentaclePassive (https://host:port/), TentacleActive (poll://id/) or None. */
  communicationStyle: "TentaclePassive" | "TentacleActive" | "None";
  uri: string | null;
  /** The way to it leads through this proxy. */
  proxyId: string | null;
  /** 40 upper-case hex digits; null for a target without an agent. */
  thumbprint: string | null;
}

export interface DeploymentSnapshot {
  deployment: {
    id: string;
    name: string;
    taskId: string;
    comments: string | null;
    createdAt: Date;
    deployedBy: string;
    deployedById: string | null;
    changes: readonly ReleaseChanges[];
    changesMarkdown: string;
    options: DeploymentOptions;
  };
  space: { id: string; name: string };
  release: {
    id: string;
    version: string;
    notes: string | null;
    channelId: string;
    customFields: Readonly<Record<string, string>>;
    /** Which version of each package, as frozen with it. */
    selectedPackages: readonly { ActionName?: string; StepName?: string; PackageReferenceName?: string; Version?: string }[];
  };
  /** What else the run is told about itself and what was before it. */
  facts: store.DeploymentFacts;
  project: { id: string; name: string; slug: string; connectivity: ConnectivityPolicy };
  environment: { id: string; name: string; slug: string };
  /** For whom, with the tags it has now; null without a tenant. */
  tenant: { id: string; name: string; slug: string; tags: readonly string[] } | null;
  /** Templates for which the tenant has no value here. */
  missingTenantValues: readonly string[];
  /** How long unpacked packages stay on targets: `forever`, `items 3`, `days 30`. */
  targetRetention: string;
  /** The process frozen with the release. */
  process: { snapshotId: string; steps: readonly ProcessStep[] };
  /** The variables frozen with the deployment, with what a person answered to prompts, and the values of its tenant as they are now. */
  variables: readonly FrozenVariable[];
  /** Enabled machines of the environment as they are now; roles and options still choose among them. */
  machines: readonly CandidateMachine[];
  /** The worker pools with their enabled workers as they are now; empty when no step runs on one. */
  workerPools: readonly CandidatePool[];
}

export interface CandidatePool {
  id: string;
  name: string;
  isDefault: boolean;
  workers: readonly CandidateWorker[];
}

export type CandidateWorker = Omit<CandidateMachine, "roles" | "machinePolicyId">;

/** Undefined when the deployment was deleted. @throws ProcessNotReadable for a process of a newer version */
export async function loadDeploymentSnapshot(tx: Transaction, deploymentId: string): Promise<DeploymentSnapshot | undefined> {
  const row = await store.findDeployment(tx, null, deploymentId);
  if (row === undefined) return undefined;
  if (row.options_version !== optionsVersion) {
    throw new Error(
      `The stored options of ${row.id} have version ${row.options_version}; this node reads up to ${optionsVersion}. A newer node must run this deployment.`,
    );
  }
  const release = (await findRelease(tx, row.space_id, row.release_id))!;
  const project = await projects.get(tx, row.space_id, row.project_id);
  const environment = await environments.get(tx, row.space_id, row.environment_id);
  const steps = await findSnapshotSteps(tx, row.process_snapshot_id);
  const facts = (await store.findFacts(tx, row.id))!;
  const ofTenant =
    row.tenant_id === null
      ? { variables: [], missing: [] }
      : await loadTenantVariables(tx, { tenantId: row.tenant_id, project, environmentId: environment.Id });
  if (steps === undefined) throw new Error(`The frozen process ${row.process_snapshot_id} of ${row.id} is missing.`);
  return {
    deployment: {
      id: row.id,
      name: row.name,
      taskId: row.task_id,
      comments: row.comments,
      createdAt: row.created_at,
      deployedBy: row.deployed_by,
      deployedById: row.deployed_by_id,
      changes: row.changes ?? [],
      changesMarkdown: row.changes_markdown ?? "",
      options: row.options,
    },
    facts,
    space: { id: row.space_id, name: facts.space_name },
    release: {
      id: release.id,
      version: release.version,
      notes: release.release_notes,
      channelId: release.channel_id,
      selectedPackages: release.selected_packages,
      customFields: release.custom_fields,
    },
    project: {
      id: project.Id,
      name: String(project["Name"]),
      slug: String(project["Slug"]),
      connectivity: project["ProjectConnectivityPolicy"] as ConnectivityPolicy,
    },
    targetRetention: await targetRetention(tx, row.space_id, release.channel_id, project, environment.Id),
    environment: { id: environment.Id, name: String(environment["Name"]), slug: String(environment["Slug"]) },
    tenant: row.tenant_id === null ? null : await readTenant(tx, row.space_id, row.tenant_id),
    process: { snapshotId: row.process_snapshot_id, steps },
    variables: [...withFormValues(await loadVariableSnapshots(tx, row.variable_snapshot_ids), row.form_values), ...ofTenant.variables],
    missingTenantValues: ofTenant.missing,
    machines: (await store.listCandidates(tx, environment.Id, row.tenant_id)).map((machine) => ({
      id: machine.id,
      name: machine.name,
      roles: machine.roles,
      healthStatus: machine.health_status as CandidateMachine["healthStatus"],
      machinePolicyId: machine.machine_policy_id,
      communicationStyle: machine.communication_style as CandidateMachine["communicationStyle"],
      uri: machine.uri,
      proxyId: machine.proxy_id,
      thumbprint: machine.thumbprint,
    })),
    workerPools: steps.some((step) => [step, ...step.Actions].some(runsOnServer)) ? await loadPools(tx, row.space_id) : [],
  };
}

async function readTenant(db: Queryable, spaceId: string, id: string): Promise<NonNullable<DeploymentSnapshot["tenant"]>> {
  const tenant = await tenants.get(db, spaceId, id);
  return { id: tenant.Id, name: String(tenant["Name"]), slug: String(tenant["Slug"]), tags: tenant["TenantTags"] as string[] };
}

/** Whether a step or an action asks to run on the server or a worker instead of on its targets. */
export function runsOnServer({ Properties }: Pick<ProcessStep, "Properties">): boolean {
  const text = Properties["Octopus.Action.RunOnServer"];
  return typeof text === "string" && text.toLowerCase() === "true";
}

async function loadPools(tx: Transaction, spaceId: string): Promise<CandidatePool[]> {
  const pools = new Map<string, CandidatePool & { workers: CandidateWorker[] }>();
  for (const { pool_id: id, pool_name: name, pool_is_default: isDefault, worker } of await store.listPoolWorkers(tx, spaceId)) {
    const pool = pools.get(id) ?? { id, name, isDefault, workers: [] };
    pools.set(id, pool);
    if (worker === null) continue;
    pool.workers.push({
      id: worker.id,
      name: worker.name,
      healthStatus: worker.health_status as CandidateMachine["healthStatus"],
      communicationStyle: worker.communication_style as CandidateMachine["communicationStyle"],
      uri: worker.uri,
      proxyId: worker.proxy_id,
      thumbprint: worker.thumbprint,
    });
  }
  return [...pools.values()];
}

async function targetRetention(
  tx: Transaction,
  spaceId: string,
  channelId: string,
  project: { [name: string]: unknown },
  environmentId: string,
): Promise<string> {
  const channel = await channels.get(tx, spaceId, channelId);
  const lifecycleId = String(channel["LifecycleId"] ?? project["LifecycleId"]);
  const { Strategy, Unit, QuantityToKeep } = await targetRetentionOf(tx, spaceId, lifecycleId, environmentId);
  return Strategy === "Count" ? `${Unit.toLowerCase()} ${QuantityToKeep}` : "forever";
}
