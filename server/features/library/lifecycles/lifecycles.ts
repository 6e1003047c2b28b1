// Lifecycles: the phases a release goes through. Whether a release may go somewhere is decided in lifecycle-rules.ts.

import { Lifecycle, LifecycleBody } from "@cuttle/contract/rest/lifecycles";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource, resolveIds } from "../../../platform/resources/resources.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { environmentIdsInOrder, environments } from "../../infrastructure/infrastructure.ts";
import type { SpaceFiller } from "../../organization/organization.ts";
import { impliedPhases } from "./lifecycle-rules.ts";
import type { LifecyclePhase } from "./lifecycle-rules.ts";
import { keepForever, readPhases, readRetention } from "./lifecycle-shape.ts";
import type { Phase, RetentionPeriod } from "./lifecycle-shape.ts";
import { findPhases, listPhases, setLifecycleEnvironments } from "./lifecycle-store.ts";

export { lifecycleProgress, mayDeploy, phasesFor } from "./lifecycle-rules.ts";
export type { LifecyclePhase, LifecycleProgress, PhaseProgress, Verdict } from "./lifecycle-rules.ts";

export const lifecycles = defineResource({
  kind: "Lifecycle",
  collection: "Lifecycles",
  path: "lifecycles",
  table: {
    name: "lifecycles",
    orderBy: "lower(r.name)",
    slug: true,
    fields: {
      Name: { column: "name" },
      Description: { column: "description", empty: "" },
      Phases: { column: "phases", empty: [], json: true },
      ReleaseRetentionPolicy: { column: "release_retention_policy", empty: keepForever, json: true },
      TentacleRetentionPolicy: { column: "tentacle_retention_policy", empty: keepForever, json: true },
    },
  },
  answer: Lifecycle,
  body: LifecycleBody,
  permissions: { view: "LifecycleView", create: "LifecycleCreate", edit: "LifecycleEdit", delete: "LifecycleDelete" },
  links: ({ Id }, base) => ({ Preview: `${base}/lifecycles/${Id}/preview`, Projects: `${base}/lifecycles/${Id}/projects` }),
  beforeSave: async (tx, { values, spaceId }) => {
    const phases = readPhases(values["Phases"] as Phase[]);
    for (const phase of phases) {
      phase.AutomaticDeploymentTargets = await resolveIds(tx, "environments", "environment", spaceId, phase.AutomaticDeploymentTargets);
      phase.OptionalDeploymentTargets = await resolveIds(tx, "environments", "environment", spaceId, phase.OptionalDeploymentTargets);
    }
    values["Phases"] = phases;
    for (const member of ["ReleaseRetentionPolicy", "TentacleRetentionPolicy"]) values[member] = readRetention(values[member] as object);
  },
  afterSave: async (tx, { id, values }) => {
    const named = (values["Phases"] as Phase[]).flatMap((phase) => [
      ...phase.AutomaticDeploymentTargets,
      ...phase.OptionalDeploymentTargets,
    ]);
    await setLifecycleEnvironments(tx, id, [...new Set(named)]);
  },
});

export const fillLifecycles: SpaceFiller = async (tx, spaceId, actor) => {
  await lifecycles.create(tx, spaceId, actor, { Name: "Default Lifecycle" });
};

/** The phases in force: those of the lifecycle, or one for each environment of the space. */
export async function phasesInForce(db: Queryable, spaceId: string, lifecycleId: string): Promise<LifecyclePhase[]> {
  const phases = (await findPhases(db, lifecycleId)) ?? [];
  return filledPhases(phases, await environmentIdsInOrder(db, spaceId));
}

/** The phases in force of every lifecycle of a space, by id. `environmentIds` are all of the space, in their order. */
export async function phasesOfLifecycles(
  db: Queryable,
  spaceId: string,
  environmentIds: readonly string[],
): Promise<Map<string, LifecyclePhase[]>> {
  return new Map((await listPhases(db, spaceId)).map(({ id, phases }) => [id, filledPhases(phases, environmentIds)]));
}

function filledPhases(phases: readonly Phase[], environmentIds: readonly string[]): LifecyclePhase[] {
  return impliedPhases(
    phases.map((phase) => ({
      id: phase.Id,
      name: phase.Name,
      automatic: phase.AutomaticDeploymentTargets,
      optional: phase.OptionalDeploymentTargets,
      minimumBeforePromotion: phase.MinimumEnvironmentsBeforePromotion,
      isOptional: phase.IsOptionalPhase,
      isPriority: phase.IsPriorityPhase,
    })),
    environmentIds,
  );
}

/** How long unpacked packages stay on targets of the environment: as its phase says, or the nearest before it that says so, or the lifecycle. */
export async function targetRetentionOf(
  db: Queryable,
  spaceId: string,
  lifecycleId: string,
  environmentId: string,
): Promise<RetentionPeriod> {
  const lifecycle = await lifecycles.get(db, spaceId, lifecycleId);
  const phases = lifecycle["Phases"] as Phase[];
  const at = phases.findIndex((phase) => [...phase.AutomaticDeploymentTargets, ...phase.OptionalDeploymentTargets].includes(environmentId));
  const own = phases.slice(0, at + 1).findLast((phase) => phase.TentacleRetentionPolicy !== null);
  return own?.TentacleRetentionPolicy ?? (lifecycle["TentacleRetentionPolicy"] as RetentionPeriod);
}

export const lifecycleRoutes: Route[] = [
  ...lifecycles.routes,
  read({
    path: "/lifecycles/{id}/preview",
    scope: "space",
    permission: "LifecycleView",
    answer: Lifecycle,
    handler: async ({ db, space, params }) => {
      const lifecycle = await lifecycles.get(db, space.id, params.id);
      const names = new Map((await environments.all(db, space.id, {})).map((one) => [one.Id, String(one["Name"])]));
      const stored = new Map((lifecycle["Phases"] as Phase[]).map((phase) => [phase.Id, phase]));
      const phases = (await phasesInForce(db, space.id, lifecycle.Id)).map((phase) => ({
        Id: phase.id,
        Name: stored.get(phase.id)?.Name ?? names.get(phase.optional[0] ?? "") ?? phase.name,
        AutomaticDeploymentTargets: phase.automatic,
        OptionalDeploymentTargets: phase.optional,
        MinimumEnvironmentsBeforePromotion: phase.minimumBeforePromotion,
        IsOptionalPhase: phase.isOptional,
        IsPriorityPhase: stored.get(phase.id)?.IsPriorityPhase ?? false,
        ReleaseRetentionPolicy: stored.get(phase.id)?.ReleaseRetentionPolicy ?? null,
        TentacleRetentionPolicy: stored.get(phase.id)?.TentacleRetentionPolicy ?? null,
      }));
      return ok({ ...lifecycle, Phases: phases });
    },
  }),
];
