// How many targets or workers each environment or pool has, how they are, and how they are reached: what an overview shows before anyone
// looks at a single one.

import { Type } from "typebox";
import type { TSchema } from "@cuttle/contract/rest/shapes";
import { healthStatuses } from "@cuttle/contract/rest/machines";
import type { PermissionName } from "@cuttle/contract/rest/permissions";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { listQuery } from "../../../platform/resources/resources.ts";
import type { Document, Resource } from "../../../platform/resources/resources.ts";

/** How often each value occurs, in the order of the values. */
export function countEach(values: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Counts over some targets or workers. One that is disabled is not asked how it is, so it has no health to count. */
function presentCounts(machines: readonly Document[]) {
  const enabled = machines.filter((machine) => machine["IsDisabled"] !== true);
  return {
    TotalMachines: machines.length,
    TotalDisabledMachines: machines.length - enabled.length,
    MachineHealthStatusSummaries: {
      ...Object.fromEntries(healthStatuses.map((status) => [status, 0])),
      ...countEach(enabled.map((machine) => String(machine["HealthStatus"]))),
    },
    MachineEndpointSummaries: countEach(machines.map((machine) => String(machine["CommunicationStyle"]))),
    // Nothing on a machine has to be renewed before it can be deployed to.
    TentacleUpgradesRequired: false,
    MachineIdsForCalamariUpgrade: [],
    MachineIdsForTentacleUpgrade: [],
  };
}

/** `/environments/summary` and its like. */
export function summaryRoute(of: {
  /** Where the owners are: "environments". */
  path: string;
  permission: PermissionName;
  owners: Resource;
  machines: Resource;
  /** The member of a target or worker that names its owners. */
  ownersMember: string;
  /** The member of the answer with one entry for each owner, and the one of an entry that is the owner itself. */
  entries: { list: string; owner: string };
  hideEmpty: string;
  filters: Record<string, { type: TSchema }>;
  answer: TSchema;
  /** Further counts. */
  alsoCount?: (machines: readonly Document[]) => object;
}): Route {
  return read({
    path: `/${of.path}/summary`,
    scope: "space",
    permission: of.permission,
    query: Type.Object({
      ids: listQuery.ids,
      partialName: Type.Optional(Type.String()),
      machinePartialName: Type.Optional(Type.String()),
      [of.hideEmpty]: Type.Optional(Type.Boolean()),
      ...Object.fromEntries(Object.entries(of.filters).map(([name, { type }]) => [name, Type.Optional(type)])),
    }),
    answer: of.answer,
    handler: async ({ db, space, query }) => {
      const { ids, partialName, machinePartialName, ...filters } = query as Record<string, unknown>;
      const owners = await of.owners.all(db, space.id, { ids, partialName });
      const found = await of.machines.all(db, space.id, { ...filters, partialName: machinePartialName });
      const byOwner = new Map(owners.map((owner): [string, Document[]] => [owner.Id, []]));
      for (const machine of found) for (const id of machine[of.ownersMember] as string[]) byOwner.get(id)?.push(machine);
      const shown = owners.filter((owner) => filters[of.hideEmpty] !== true || byOwner.get(owner.Id)!.length > 0);
      const all = [...new Set(shown.flatMap((owner) => byOwner.get(owner.Id)!))];
      const counts = (machines: readonly Document[]) => ({ ...presentCounts(machines), ...of.alsoCount?.(machines) });
      return ok({
        ...counts(all),
        [of.entries.list]: shown.map((owner) => ({ ...counts(byOwner.get(owner.Id)!), [of.entries.owner]: owner })),
        Links: { Self: `/api/${space.id}/${of.path}/summary` },
      });
    },
  });
}
