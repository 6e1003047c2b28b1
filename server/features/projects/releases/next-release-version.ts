// The version a release gets when nobody names one: that of a package it takes, or the next by the project's template.

import type { Queryable } from "../../../platform/database/database.ts";
import type { Document } from "../../../platform/resources/resources.ts";
import type { ProcessAction, ProcessStep } from "../processes/processes.ts";
import { versioningTemplateDefault } from "../projects/projects.ts";
import type { FrozenVariable } from "../variables/variables.ts";
import * as store from "./release-store.ts";
import { nextVersion } from "./release-version.ts";
import type { NextVersion } from "./release-version.ts";
import { packagesOf, selectedVersion } from "./selected-packages.ts";
import type { GivenSelection } from "./selected-packages.ts";

interface VersioningStrategy {
  Template?: string | null;
  DonorPackage?: { DeploymentAction?: string | null; PackageReference?: string | null } | null;
  DonorPackageStepId?: string | null;
}

/** The package whose version releases of a project take. `action` is undefined when the process has it no more. */
export interface DonorPackage {
  said: string;
  found: { step: ProcessStep; action: ProcessAction; reference: string } | undefined;
}

const strategyOf = (project: Document): VersioningStrategy => (project["VersioningStrategy"] as VersioningStrategy | null) ?? {};

/** Undefined: releases of this project count by a template. */
export function donorPackageOf(project: Document, steps: readonly ProcessStep[]): DonorPackage | undefined {
  const { DonorPackage: donor, DonorPackageStepId: stepId } = strategyOf(project);
  const wanted = (donor?.DeploymentAction || stepId || "").trim();
  if (wanted === "") return undefined;
  const reference = donor?.PackageReference?.trim() ?? "";
  for (const step of steps) {
    for (const action of step.Actions) {
      if (action.IsDisabled) continue;
      const isNamed = [action.Id, action.Name, action.Slug].some((one) => one.toLowerCase() === wanted.toLowerCase());
      const use = packagesOf(action).find((one) => one.name.toLowerCase() === reference.toLowerCase());
      if (isNamed && use !== undefined) return { said: wanted, found: { step, action, reference: use.name } };
    }
  }
  return { said: wanted, found: undefined };
}

/** Of a project's variables those that hold wherever its release goes, in this channel. */
export function versionVariables(variables: readonly FrozenVariable[], channelId: string): { name: string; value: string | null }[] {
  const rank = (one: FrozenVariable): number => (one.scope.Channel === undefined ? 0 : 2) + (one.origin === "project" ? 1 : 0);
  return variables
    .filter(
      (one) =>
        !one.sensitive &&
        Object.entries(one.scope).every(
          ([kind, ids]) => ids === undefined || ids.length === 0 || (kind === "Channel" && ids.includes(channelId)),
        ),
    )
    .sort((a, b) => rank(a) - rank(b));
}

export async function nextReleaseVersion(
  db: Queryable,
  of: {
    project: Document;
    channel: Document;
    steps: readonly ProcessStep[];
    variables: readonly FrozenVariable[];
    /** What the release takes; without it a version that comes from a package cannot be told yet. */
    selected?: readonly GivenSelection[];
    nowMs: number;
  },
): Promise<NextVersion> {
  const donor = donorPackageOf(of.project, of.steps);
  if (donor !== undefined) {
    const { found } = donor;
    if (found === undefined)
      return {
        ok: false,
        reason: `Releases take their version from the package of the step '${donor.said}', which the process does not have, or not with this package. Mend the VersioningStrategy, or name the version of the release.`,
      };
    const version = selectedVersion(of.selected ?? [], found.step, found.action, found.reference);
    return version === undefined
      ? {
          ok: false,
          reason: `No version of the package of the step '${found.action.Name}' was selected, from which the release takes its own.`,
        }
      : { ok: true, version };
  }
  return nextVersion(strategyOf(of.project).Template || versioningTemplateDefault, {
    latest: await store.latestVersion(db, of.project.Id),
    latestOfChannel: await store.latestVersion(db, of.project.Id, of.channel.Id),
    channelName: String(of.channel["Name"]),
    variables: versionVariables(of.variables, of.channel.Id),
    nowMs: of.nowMs,
  });
}
