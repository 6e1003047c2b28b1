// When health checks are due: at the interval of each machine policy, one task for all its targets and workers.

import type { ScheduleSource } from "../../../engine/schedules/schedules.ts";
import { findMachinesOfPolicy, listCheckIntervals } from "../../infrastructure/infrastructure.ts";
import { healthArgumentsVersion } from "./health-arguments.ts";

const kind = "Health";
/** One task asks so many machines at most. Those that were not asked for longest come first, so the next due times reach the others. */
const machinesMax = 1_000;
/** A task is listed with each of its machines up to so many; lists of ids in every event would grow without end. */
const relatedMachinesMax = 100;

export const healthSchedule: ScheduleSource = {
  kind,
  async list(database, most) {
    const policies = await listCheckIntervals(database, most);
    return policies.map(({ policyId, spaceId, intervalMs }) => ({ trigger: `${kind}/${policyId}`, spaceId, intervalMs }));
  },
  async plan(tx, trigger) {
    const policyId = trigger.slice(kind.length + 1);
    const policy = await findMachinesOfPolicy(tx, policyId, machinesMax);
    if (policy === undefined || policy.machineIds.length === 0) return undefined;
    const { name, spaceId, machineIds } = policy;
    return {
      spaceId,
      name: "Health",
      description: `Check the health of the machines of ${name}`,
      arguments: { machineIds, policyId },
      argumentsVersion: healthArgumentsVersion,
      relatedDocumentIds: [policyId, ...machineIds.slice(0, relatedMachinesMax)],
    };
  },
};
