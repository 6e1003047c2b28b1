// From what a client asks of a health check to the machines it means, all of them in the task's own space.

import { problem } from "../../../base/problems.ts";
import type { Transaction } from "../../../platform/database/database.ts";
import { resolveIds } from "../../../platform/resources/resources.ts";
import { listMachineIds } from "./task-read-store.ts";

/** One task that asks more machines than this one by one would never end; split it by environment. */
const machinesMax = 1_000;
/** A task that checks more is found by its arguments only. */
export const relatedMachinesMax = 100;

/** `{ MachineIds }`, `{ EnvironmentId }`, or nothing for all machines of the space. @throws Problem 400 */
export async function readHealthArguments(
  tx: Transaction,
  spaceId: string,
  sent: Readonly<Record<string, unknown>>,
): Promise<{ machineIds: string[] }> {
  const members = new Map(Object.entries(sent).map(([name, value]) => [name.toLowerCase(), value]));
  const named = members.get("machineids");
  const environment = members.get("environmentid");
  if (named !== undefined && named !== null && !(Array.isArray(named) && named.every((one) => typeof one === "string"))) {
    throw problem.invalid("Arguments.MachineIds must be a list of machine ids.");
  }
  if (environment !== undefined && environment !== null && typeof environment !== "string")
    throw problem.invalid("Arguments.EnvironmentId must be text.");
  const [environmentId] = environment ? await resolveIds(tx, "environments", "environment", spaceId, [environment]) : [];
  const machineIds =
    Array.isArray(named) && named.length > 0
      ? await resolveIds(tx, "machines", "machine", spaceId, named as string[])
      : await listMachineIds(tx, spaceId, environmentId ?? null, machinesMax + 1);
  if (machineIds.length === 0) throw problem.invalid("There are no machines to check.");
  if (machineIds.length > machinesMax)
    throw problem.invalid(`One task checks ${machinesMax} machines at most. Name an environment or fewer machines.`);
  return { machineIds };
}
