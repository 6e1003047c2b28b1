// What the variables of a set can be scoped to: environments, machines, roles and tags of the space; steps, channels and the process of the
// project. Only reads.

import type { Queryable } from "../../../platform/database/database.ts";
import { channelsOfProject } from "../channels/channels.ts";
import { getProcess } from "../processes/processes.ts";
import type { VariableScopeKind } from "./variable.ts";
import type { VariableOwner } from "./variable-store.ts";

interface Reference {
  Id: string;
  Name: string;
}

export interface ScopeValues {
  Environments: Reference[];
  Machines: Reference[];
  Actions: Reference[];
  Roles: Reference[];
  Channels: Reference[];
  TenantTags: Reference[];
  Processes: (Reference & { ProcessType: string })[];
}

export type SpaceScopeValues = Pick<ScopeValues, "Environments" | "Machines" | "Roles" | "TenantTags">;

/** What every set of the space can be scoped to. */
export async function readSpaceScopeValues(db: Queryable, spaceId: string): Promise<SpaceScopeValues> {
  const named = (sql: string) => db.query<Reference>(sql, [spaceId]);
  return {
    Environments: await named(`SELECT id AS "Id", name AS "Name" FROM environments WHERE space_id = $1 ORDER BY sort_order, lower(name)`),
    Machines: await named(`SELECT id AS "Id", name AS "Name" FROM machines WHERE space_id = $1 ORDER BY lower(name)`),
    Roles: await named(
      `SELECT min(role) AS "Id", min(role) AS "Name" FROM machines, unnest(roles) AS role WHERE space_id = $1 GROUP BY lower(role) ORDER BY lower(min(role))`,
    ),
    TenantTags: await named(
      `SELECT canonical_name AS "Id", canonical_name AS "Name" FROM tags WHERE space_id = $1 ORDER BY lower(canonical_name)`,
    ),
  };
}

export async function readScopeValues(
  db: Queryable,
  spaceId: string,
  owner: VariableOwner,
  ofSpace?: SpaceScopeValues,
): Promise<ScopeValues> {
  const shared = ofSpace ?? (await readSpaceScopeValues(db, spaceId));
  if (owner.kind === "librarySet") return { ...shared, Actions: [], Channels: [], Processes: [] };
  const { steps } = await getProcess(db, spaceId, owner.id);
  return {
    ...shared,
    Actions: steps.flatMap((step) => step.Actions.map(({ Id, Name }) => ({ Id, Name }))),
    Channels: (await channelsOfProject(db, spaceId, owner.id)).map((channel) => ({ Id: channel.Id, Name: String(channel["Name"]) })),
    Processes: [{ Id: owner.id, Name: owner.name, ProcessType: "Deployment" }],
  };
}

/** What can be named under each kind of a scope, by its spelling in lower case. Roles are free words. */
export function namesOfScope(values: ScopeValues): ReadonlyMap<VariableScopeKind, ReadonlyMap<string, string> | "any"> {
  const byId = (list: readonly Reference[]) => new Map(list.map(({ Id }) => [Id.toLowerCase(), Id]));
  return new Map<VariableScopeKind, ReadonlyMap<string, string> | "any">([
    ["Environment", byId(values.Environments)],
    ["Machine", byId(values.Machines)],
    ["Role", "any"],
    ["TargetRole", "any"],
    ["Action", byId(values.Actions)],
    ["Channel", byId(values.Channels)],
    ["TenantTag", byId(values.TenantTags)],
    ["ProcessOwner", byId(values.Processes)],
  ]);
}
