// Which worker runs what a step runs on the server: one of the pool that the step names, well, and not always the same; where the default pool
// has none, the one that a node brings along. Pure; the choice is stored with the plan.

import { createScopeResolver } from "@cuttle/templates";
import type { PlannedTarget, PlannedValue } from "../../../engine/execution/execution.ts";
import { readAgentAddress } from "../../infrastructure/infrastructure.ts";
import type { ProcessAction } from "../../projects/projects.ts";
import type { CandidatePool, CandidateWorker, DeploymentSnapshot } from "./deployment-snapshot.ts";

/** Tried in this order; a worker that is known not to work is not chosen. */
const healthWanted = [["Healthy", "HasWarnings"], ["Unknown"]] as const;

export type ChosenWorker = { worker: PlannedTarget; values: PlannedValue[] } | { fault: string } | "needsBuiltIn";

/** A node's own worker, or why there is none, as the rest of a sentence. */
export type BuiltInChoice = { worker: PlannedTarget } | { refusal: string };

/** `turn` spreads the work: the workers of a pool take turns by it. Without `builtIn` it says when that has to be asked for. */
export function chooseWorker(
  snapshot: DeploymentSnapshot,
  action: ProcessAction,
  stepRoles: readonly string[],
  { turn, builtIn }: { turn: number; builtIn: BuiltInChoice | undefined },
): ChosenWorker {
  const pool = findPool(snapshot, action, stepRoles);
  if (typeof pool === "string") return { fault: `Step '${action.Name}' runs on a worker, and ${pool}` };
  for (const wanted of healthWanted) {
    const able = pool.workers.filter((worker) => wanted.some((status) => status === worker.healthStatus)).flatMap(reach);
    const worker = able[turn % Math.max(1, able.length)];
    if (worker === undefined) continue;
    return { worker, values: valuesOf(pool) };
  }
  // As soon as somebody has put a worker into the pool, the server is spared.
  if (pool.isDefault && pool.workers.length === 0) {
    if (builtIn === undefined) return "needsBuiltIn";
    if ("worker" in builtIn) return { worker: builtIn.worker, values: valuesOf(pool) };
    return {
      fault: `Step '${action.Name}' runs on the server, and ${builtIn.refusal}. Register a worker in the pool '${pool.name}' (register-worker), or name another pool.`,
    };
  }
  const why = pool.workers.length === 0 ? "has no enabled worker" : "has no worker that is healthy";
  return {
    fault: `Step '${action.Name}' runs on a worker, and the pool '${pool.name}' ${why}. Register one (register-worker), mend one, or choose another pool.`,
  };
}

function valuesOf(pool: CandidatePool): PlannedValue[] {
  return [
    { name: "Octopus.WorkerPool.Id", value: pool.id },
    { name: "Octopus.WorkerPool.Name", value: pool.name },
  ];
}

function reach({ id, name, communicationStyle: style, uri, thumbprint, proxyId }: CandidateWorker): PlannedTarget[] {
  if (style === "None" || uri === null || thumbprint === null) return [];
  const agent = readAgentAddress({ style, uri, thumbprint, proxyId });
  return agent === undefined ? [] : [{ machineId: id, name, agent }];
}

/** The pool, or what is wrong, as the rest of a sentence. */
function findPool(snapshot: DeploymentSnapshot, action: ProcessAction, stepRoles: readonly string[]): CandidatePool | string {
  const { workerPools: pools } = snapshot;
  const named = action.WorkerPoolId ?? valueOf(snapshot, action, stepRoles);
  if (named === null && action.WorkerPoolVariable !== null)
    return `its variable '${action.WorkerPoolVariable}' names no worker pool here. Give it a value for this environment.`;
  if (named === null) return pools.find((pool) => pool.isDefault) ?? "this space has no default worker pool. Name a pool in the step.";
  const wanted = named.trim().toLowerCase();
  const found = pools.find((pool) => [pool.id, pool.name].some((one) => one.toLowerCase() === wanted));
  return found ?? `there is no worker pool '${named}' in this space. Choose another one.`;
}

function valueOf(snapshot: DeploymentSnapshot, action: ProcessAction, stepRoles: readonly string[]): string | null {
  const variable = action.WorkerPoolVariable?.toLowerCase();
  if (variable === undefined) return null;
  const plain = snapshot.variables.filter((one) => one.secretId === null && one.name.toLowerCase() === variable);
  const { environment, project, release } = snapshot;
  const scope = {
    action: action.Id,
    environment: environment.id,
    channel: release.channelId,
    project: project.id,
    processOwner: project.id,
  };
  const [found] = createScopeResolver(plain).resolve({ ...scope, stepRoles });
  return found?.value || null;
}
